#include "kernels/scalar/ops.h"

namespace bitnet::kernels::scalar {

void scale_sums(const std::int32_t* sums, std::int64_t n, float s_x, const float* g, std::int64_t g_step, bool divide,
                float* y) {
  for (std::int64_t i = 0; i < n; ++i) {
    const auto sum = static_cast<float>(sums[i]);
    y[i] = divide ? sum / (s_x * g[i * g_step]) : sum / s_x * g[i * g_step];
  }
}

}  // namespace bitnet::kernels::scalar
