#include "model/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace bitnet::model {
namespace {

/// Llama 3's scaling: long wavelengths are stretched by `factor`, short ones kept, those between blended.
float llama3_frequency(float frequency, const RopeScaling& scaling) {
  const auto factor = static_cast<float>(scaling.factor);
  const auto low = static_cast<float>(scaling.low_freq_factor);
  const auto high = static_cast<float>(scaling.high_freq_factor);
  const auto context = static_cast<float>(scaling.original_max_position_embeddings);
  const float wavelength = static_cast<float>(2 * std::numbers::pi) / frequency;
  if (wavelength > context / low) return frequency / factor;
  if (wavelength < context / high) return frequency;
  const float smooth = (context / wavelength - low) / (high - low);
  return (1.0F - smooth) * (frequency / factor) + smooth * frequency;
}

}  // namespace

RopeTable::RopeTable(std::int64_t head_dim, double theta, const RopeScaling& scaling) {
  for (std::int64_t i = 0; i < head_dim; i += 2) {
    // The exponent and the power are rounded to float32, as the reference's tensors are.
    const float exponent = static_cast<float>(i) / static_cast<float>(head_dim);
    const auto power = static_cast<float>(std::pow(theta, static_cast<double>(exponent)));
    float frequency = 1.0F / power;
    if (scaling.type == RopeType::linear) frequency /= static_cast<float>(scaling.factor);
    if (scaling.type == RopeType::llama3) frequency = llama3_frequency(frequency, scaling);
    if (scaling.type == RopeType::factors) frequency /= scaling.factors[static_cast<std::size_t>(i / 2)];
    inv_freq_.push_back(frequency);
  }
}

void RopeTable::reserve(std::int64_t positions) {
  const std::size_t half = inv_freq_.size();
  const auto have = static_cast<std::int64_t>(cos_.size() / half);
  if (positions <= have) return;
  // Grow in large steps: decoding asks for one more position at a time.
  const std::int64_t want = std::max(positions, have + 256);
  for (std::int64_t p = have; p < want; ++p) {
    for (const float frequency : inv_freq_) {
      const float angle = static_cast<float>(p) * frequency;
      cos_.push_back(static_cast<float>(std::cos(static_cast<double>(angle))));
      sin_.push_back(static_cast<float>(std::sin(static_cast<double>(angle))));
    }
  }
}

}  // namespace bitnet::model
