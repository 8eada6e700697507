#include "bitnet/quantize.h"

#include <algorithm>
#include <cmath>

#include "base/fail.h"
#include "pack/absmean.h"

namespace bitnet {

TernaryWeights quantize_weights_absmean(std::span<const float> weights) {
  double sum = 0.0;
  for (const float w : weights) sum += std::fabs(w);
  const float s = pack::absmean_scale(sum, static_cast<std::int64_t>(weights.size()));
  TernaryWeights result{std::vector<std::int8_t>(weights.size()), 1.0F / s};
  std::transform(weights.begin(), weights.end(), result.values.begin(),
                 [&](float w) { return pack::ternary_weight(w, s); });
  return result;
}

Int8Activations quantize_activations(std::span<const float> x, std::size_t features) {
  if (features == 0 ? !x.empty() : x.size() % features != 0) {
    fail(ErrorKind::invalid_argument, "quantize_activations: {} values are no whole number of tokens with {} features",
         x.size(), features);
  }
  const std::size_t tokens = features == 0 ? 0 : x.size() / features;
  Int8Activations result{std::vector<std::int8_t>(x.size()), std::vector<float>(tokens), std::vector<float>(tokens)};
  for (std::size_t t = 0; t < tokens; ++t) {
    const auto token = x.subspan(t * features, features);
    float largest = 1e-5F;
    for (const float v : token) {
      if (std::fabs(v) > largest) largest = std::fabs(v);  // never true for NaN
    }
    const float scale = (1.0F / largest) * 127.0F;
    result.scales[t] = scale;
    result.inverse_scales[t] = 1.0F / scale;
    for (std::size_t i = 0; i < features; ++i) {
      const float rounded = std::nearbyint(token[i] * scale);
      result.values[t * features + i] =
          static_cast<std::int8_t>(std::isnan(rounded) ? 0.0F : std::clamp(rounded, -128.0F, 127.0F));
    }
  }
  return result;
}

std::vector<float> calculate_weight_scales(std::span<const float> weights, std::size_t out, std::size_t in) {
  if (in != 0 ? weights.size() % in != 0 || weights.size() / in != out : !weights.empty()) {
    fail(ErrorKind::invalid_argument, "calculate_weight_scales: {} weights are not {} x {}", weights.size(), out, in);
  }
  std::vector<float> scales(out);
  for (std::size_t r = 0; r < out; ++r) {
    double sum = 0.0;
    std::size_t count = 0;
    for (const float w : weights.subspan(r * in, in)) {
      if (w == 0.0F) continue;
      sum += std::fabs(w);
      ++count;
    }
    scales[r] = count == 0 ? 1.0F : static_cast<float>(sum / static_cast<double>(count));
  }
  return scales;
}

}  // namespace bitnet
