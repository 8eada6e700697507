#include <cmath>

#include "kernels/scalar/lanes.h"
#include "kernels/scalar/ops.h"

namespace bitnet::kernels::scalar {

void rms_norm(const float* x, const float* w, float eps, std::int64_t n, float* y) {
  float lane[kLanes] = {};
  for (std::int64_t i = 0; i < padded_to_lanes(n); ++i) {
    const float v = i < n ? x[i] : 0.0F;
    lane[i % kLanes] = std::fma(v, v, lane[i % kLanes]);
  }
  const float inverse = 1.0F / std::sqrt(fold(lane) / static_cast<float>(n) + eps);
  for (std::int64_t i = 0; i < n; ++i) {
    const float normed = x[i] * inverse;
    y[i] = w != nullptr ? normed * w[i] : normed;
  }
}

}  // namespace bitnet::kernels::scalar
