#include "pack/kv_block.h"

#include "pack/kv_codes.h"

namespace bitnet::pack {
namespace {

/// Calls f with the type as a constant.
template <typename F>
void with_type(KvType type, F f) {
  switch (type) {
    case KvType::f32:
      return f.template operator()<KvType::f32>();
    case KvType::f16:
      return f.template operator()<KvType::f16>();
    case KvType::q8:
      return f.template operator()<KvType::q8>();
    case KvType::q4:
      return f.template operator()<KvType::q4>();
  }
}

}  // namespace

void read_key(KvType type, const void* block, std::int64_t head_dim, std::int64_t slot, float* key) {
  with_type(type, [&]<KvType kType> {
    for (std::int64_t d = 0; d < head_dim; ++d) {
      key[d] = key_code<kType>(block, d, slot) * row_scale<kType>(block, slot);
    }
  });
}

void read_value(KvType type, const void* block, std::int64_t value_stride, std::int64_t head_dim, std::int64_t slot,
                float* value) {
  with_type(type, [&]<KvType kType> {
    for (std::int64_t d = 0; d < head_dim; ++d) {
      value[d] = value_code<kType>(block, value_stride, d, slot) * row_scale<kType>(block, slot);
    }
  });
}

}  // namespace bitnet::pack
