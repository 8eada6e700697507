#include <cmath>

#include "kernels/scalar/ops.h"
#include "pack/ternary_layout.h"

namespace bitnet::kernels::scalar {

float quantize_activations(const float* x, std::int64_t n, std::int64_t padded, std::int8_t* q,
                           std::int32_t* slice_sums) {
  float largest = 1e-5F;
  for (std::int64_t i = 0; i < n; ++i) {
    if (std::fabs(x[i]) > largest) largest = std::fabs(x[i]);
  }
  const float scale = (1.0F / largest) * 127.0F;  // |x · scale| < 127.5, so that rounding needs no clamp
  for (std::int64_t begin = 0; begin < padded; begin += pack::kSliceWeights) {
    std::int32_t sum = 0;
    for (std::int64_t i = begin; i < begin + pack::kSliceWeights; ++i) {
      const float scaled = i < n ? x[i] * scale : 0.0F;
      q[i] = static_cast<std::int8_t>(std::isnan(scaled) ? 0.0F : std::nearbyint(scaled));
      sum += q[i];
    }
    slice_sums[begin / pack::kSliceWeights] = sum;
  }
  return scale;
}

}  // namespace bitnet::kernels::scalar
