#pragma once
/// BitNet b1.58's absmean quantization in its smallest pieces (Ma et al. 2024, section 2).

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace bitnet::pack {

/// s = 1 / max(mean|W|, 1e-5) in float32; the mean is summed in double and rounded once.
[[nodiscard]] inline float absmean_scale(double sum_abs, std::int64_t count) {
  const auto mean = count == 0 ? 0.0F : static_cast<float>(sum_abs / static_cast<double>(count));
  return 1.0F / std::max(mean, 1e-5F);
}

/// T = clamp(round(w · s), -1, 1), half to even; NaN becomes 0.
[[nodiscard]] inline std::int8_t ternary_weight(float w, float s) {
  const float rounded = std::nearbyint(w * s);
  return static_cast<std::int8_t>(std::isnan(rounded) ? 0.0F : std::clamp(rounded, -1.0F, 1.0F));
}

}  // namespace bitnet::pack
