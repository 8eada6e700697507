#include <cmath>

#include "kernels/scalar/ops.h"
#include "pack/kv_codes.h"

namespace bitnet::kernels::scalar {

template <KvType kType>
void attention_scores(const float* q, std::int64_t heads, std::int64_t q_stride, const KeyBlocks& keys,
                      std::int64_t head_dim, float scale, float* scores, std::int64_t scores_stride) {
  for (std::int64_t h = 0; h < heads; ++h) {
    for (std::int64_t i = 0; i < keys.count * kKvBlockTokens; ++i) {
      const void* block = keys.blocks[i / kKvBlockTokens];
      const std::int64_t slot = i % kKvBlockTokens;
      float sum = 0.0F;
      for (std::int64_t d = 0; d < head_dim; ++d) {
        sum = std::fma(q[h * q_stride + d], pack::key_code<kType>(block, d, slot), sum);
      }
      if constexpr (pack::has_scales(kType)) sum *= pack::row_scale<kType>(block, slot);
      scores[h * scores_stride + i] = scale * sum;
    }
  }
}

template <KvType kType>
void attention_values(const float* p, std::int64_t heads, std::int64_t p_stride, const void* block,
                      const void* /*next*/, const ValuePart& part, float* out, std::int64_t out_stride) {
  for (std::int64_t h = 0; h < heads; ++h) {
    for (std::int64_t d = 0; d < part.dims; ++d) {
      float sum = out[h * out_stride + d];
      for (std::int64_t j = 0; j < part.tokens; ++j) {
        const std::int64_t slot = part.first_token + j;
        float weight = p[h * p_stride + j];
        if constexpr (pack::has_scales(kType)) weight *= pack::row_scale<kType>(block, slot);
        sum = std::fma(weight, pack::value_code<kType>(block, part.stride, part.first_dim + d, slot), sum);
      }
      out[h * out_stride + d] = sum;
    }
  }
}

template EntryFunction<decltype(KernelTable::attention_scores)> attention_scores<KvType::f32>;
template EntryFunction<decltype(KernelTable::attention_scores)> attention_scores<KvType::f16>;
template EntryFunction<decltype(KernelTable::attention_scores)> attention_scores<KvType::q8>;
template EntryFunction<decltype(KernelTable::attention_scores)> attention_scores<KvType::q4>;
template EntryFunction<decltype(KernelTable::attention_values)> attention_values<KvType::f32>;
template EntryFunction<decltype(KernelTable::attention_values)> attention_values<KvType::f16>;
template EntryFunction<decltype(KernelTable::attention_values)> attention_values<KvType::q8>;
template EntryFunction<decltype(KernelTable::attention_values)> attention_values<KvType::q4>;

}  // namespace bitnet::kernels::scalar
