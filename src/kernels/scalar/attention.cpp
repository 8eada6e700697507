#include <cmath>

#include "base/float16.h"
#include "kernels/scalar/ops.h"

namespace bitnet::kernels::scalar {
namespace {

struct F32 {
  using Element = float;
  static float to(Element v) { return v; }
  static Element from(float v) { return v; }
};
struct F16 {
  using Element = std::uint16_t;
  static float to(Element v) { return f16_to_f32(v); }
  static Element from(float v) { return f32_to_f16(v); }
};

template <typename Kv>
void store_key(const float* key, std::int64_t head_dim, std::int64_t slot, void* block) {
  auto* keys = static_cast<typename Kv::Element*>(block);
  for (std::int64_t d = 0; d < head_dim; ++d) keys[d * kKvBlockTokens + slot] = Kv::from(key[d]);
}

template <typename Kv>
void store_value(const float* value, std::int64_t head_dim, std::int64_t slot, std::int64_t value_stride, void* block) {
  auto* values = static_cast<typename Kv::Element*>(block);
  for (std::int64_t d = 0; d < head_dim; ++d) values[slot * value_stride + d] = Kv::from(value[d]);
}

template <typename Kv>
void attention_scores(const float* q, std::int64_t heads, std::int64_t q_stride, const void* block,
                      std::int64_t head_dim, float scale, float* scores, std::int64_t scores_stride) {
  const auto* keys = static_cast<const typename Kv::Element*>(block);
  for (std::int64_t h = 0; h < heads; ++h) {
    for (std::int64_t j = 0; j < kKvBlockTokens; ++j) {
      float sum = 0.0F;
      for (std::int64_t d = 0; d < head_dim; ++d) {
        sum = std::fma(q[h * q_stride + d], Kv::to(keys[d * kKvBlockTokens + j]), sum);
      }
      scores[h * scores_stride + j] = scale * sum;
    }
  }
}

template <typename Kv>
void attention_values(const float* p, std::int64_t heads, std::int64_t p_stride, const void* block,
                      std::int64_t value_stride, std::int64_t tokens, std::int64_t head_dim, float* out,
                      std::int64_t out_stride) {
  const auto* values = static_cast<const typename Kv::Element*>(block);
  for (std::int64_t h = 0; h < heads; ++h) {
    for (std::int64_t d = 0; d < head_dim; ++d) {
      float sum = out[h * out_stride + d];
      for (std::int64_t j = 0; j < tokens; ++j) {
        sum = std::fma(p[h * p_stride + j], Kv::to(values[j * value_stride + d]), sum);
      }
      out[h * out_stride + d] = sum;
    }
  }
}

}  // namespace

void store_key_f32(const float* key, std::int64_t head_dim, std::int64_t slot, void* block) {
  store_key<F32>(key, head_dim, slot, block);
}
void store_key_f16(const float* key, std::int64_t head_dim, std::int64_t slot, void* block) {
  store_key<F16>(key, head_dim, slot, block);
}
void store_value_f32(const float* value, std::int64_t head_dim, std::int64_t slot, std::int64_t value_stride,
                     void* block) {
  store_value<F32>(value, head_dim, slot, value_stride, block);
}
void store_value_f16(const float* value, std::int64_t head_dim, std::int64_t slot, std::int64_t value_stride,
                     void* block) {
  store_value<F16>(value, head_dim, slot, value_stride, block);
}
void attention_scores_f32(const float* q, std::int64_t heads, std::int64_t q_stride, const void* block,
                          const void* /*next*/, std::int64_t head_dim, float scale, float* scores,
                          std::int64_t scores_stride) {
  attention_scores<F32>(q, heads, q_stride, block, head_dim, scale, scores, scores_stride);
}
void attention_scores_f16(const float* q, std::int64_t heads, std::int64_t q_stride, const void* block,
                          const void* /*next*/, std::int64_t head_dim, float scale, float* scores,
                          std::int64_t scores_stride) {
  attention_scores<F16>(q, heads, q_stride, block, head_dim, scale, scores, scores_stride);
}
void attention_values_f32(const float* p, std::int64_t heads, std::int64_t p_stride, const void* block,
                          const void* /*next*/, std::int64_t value_stride, std::int64_t tokens, std::int64_t head_dim,
                          float* out, std::int64_t out_stride) {
  attention_values<F32>(p, heads, p_stride, block, value_stride, tokens, head_dim, out, out_stride);
}
void attention_values_f16(const float* p, std::int64_t heads, std::int64_t p_stride, const void* block,
                          const void* /*next*/, std::int64_t value_stride, std::int64_t tokens, std::int64_t head_dim,
                          float* out, std::int64_t out_stride) {
  attention_values<F16>(p, heads, p_stride, block, value_stride, tokens, head_dim, out, out_stride);
}

}  // namespace bitnet::kernels::scalar
