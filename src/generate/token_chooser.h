#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/rng.h"

namespace bitnet::generate {

/// The first index of the largest logit; NaN never wins.
[[nodiscard]] std::int32_t argmax(std::span<const float> logits);

/// Draws from softmax(logits): the first index whose cumulative probability exceeds one uniform draw. Probabilities
/// are summed in float64 in the order of the ids, so a seed gives the same tokens everywhere.
/// Throws Error(invalid_argument) when no logit is finite.
class Sampler {
 public:
  explicit Sampler(std::uint64_t seed) : rng_(seed) {}
  [[nodiscard]] std::int32_t draw(std::span<const float> logits);

 private:
  Rng rng_;
  std::vector<double> weights_;
};

}  // namespace bitnet::generate
