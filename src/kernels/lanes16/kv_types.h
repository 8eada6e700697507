#pragma once
/// What the loops over keys and values need to know of each KvType (pack/kv_block.h).

#include "kernels/kernel_table.h"
#include "kernels/lanes16/vectors.h"

namespace bitnet::kernels {
namespace {

/// One code for each dimension. kTop: the largest code of a quantized row; 0: not quantized, without scales.
template <typename Element, int kTop>
struct ElementKv {
  using Code = Element;
  static constexpr bool kScales = kTop != 0;
  static constexpr float kSteps = kTop;
  static constexpr int kKeyDims = 1;               // dimensions in a code of a key
  static constexpr std::int64_t kVector = kLanes;  // codes for 16 dimensions of a value

  using Keys = Lanes;  // of sixteen tokens
  static Keys load_keys(const Code* p) { return load(p); }
  template <int K>
  static Lanes key(Keys keys) {
    return keys;
  }
  template <typename Width>
  static Lanes value(const Code* p, Width part) {
    return load(p, part);
  }
};

/// q4: words of eight nibbles.
struct NibbleKv {
  using Code = std::int32_t;
  static constexpr bool kScales = true;
  static constexpr float kSteps = 7;
  static constexpr int kKeyDims = pack::kKvWordDims;
  static constexpr std::int64_t kVector = 2;

  using Keys = IntLanes;
  static Keys load_keys(const Code* p) { return load_ints(p); }
  template <int K>
  static Lanes key(Keys keys) {
    return nibbles<K>(keys);
  }
  template <typename Width>
  static Lanes value(const Code* p, Width /*part*/) {
    return load_nibbles(p);  // its words reach beyond the dimensions
  }
};

using KvF32 = ElementKv<float, 0>;
using KvF16 = ElementKv<F16, 0>;
using KvQ8 = ElementKv<std::int8_t, 127>;
using KvQ4 = NibbleKv;

/// The codes of a block, and how many of them a row of values has.
template <typename Kv>
inline const typename Kv::Code* codes_of(const void* block) {
  return reinterpret_cast<const typename Kv::Code*>(static_cast<const char*>(block) +
                                                    (Kv::kScales ? pack::kKvScaleBytes : 0));
}
template <typename Kv>
inline typename Kv::Code* codes_of(void* block) {
  return const_cast<typename Kv::Code*>(codes_of<Kv>(static_cast<const void*>(block)));
}
template <typename Kv>
constexpr std::int64_t codes_of_dims(std::int64_t dims) {
  return Kv::kVector == kLanes ? dims : dims / kLanes * Kv::kVector;
}

}  // namespace
}  // namespace bitnet::kernels
