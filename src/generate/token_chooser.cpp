#include "generate/token_chooser.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/fail.h"

namespace bitnet::generate {

std::int32_t argmax(std::span<const float> logits) {
  constexpr std::size_t kTogether = 64;
  std::size_t best = 0;
  float most = -std::numeric_limits<float>::infinity();
  for (std::size_t begin = 0; begin < logits.size(); begin += kTogether) {
    const std::size_t end = std::min(begin + kTogether, logits.size());
    // Most have nothing larger: one look at all of them, without a branch for each, so that a compiler can use vectors.
    int larger = 0;
    for (std::size_t i = begin; i < end; ++i) larger |= logits[i] > most ? 1 : 0;
    if (larger == 0) continue;
    for (std::size_t i = begin; i < end; ++i) {
      if (logits[i] > most) {
        most = logits[i];
        best = i;
      }
    }
  }
  return static_cast<std::int32_t>(best);
}

std::int32_t Sampler::draw(std::span<const float> logits) {
  const auto best = static_cast<std::size_t>(argmax(logits));
  const double most = static_cast<double>(logits[best]);
  if (!std::isfinite(most)) fail(ErrorKind::invalid_argument, "no token is left to choose: every logit is -inf or NaN");
  weights_.resize(logits.size());
  double total = 0.0;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const double shifted = static_cast<double>(logits[i]) - most;
    weights_[i] = shifted > -745.0 ? std::exp(shifted) : 0.0;  // also turns NaN into 0
    total += weights_[i];
  }
  const double target = rng_.uniform() * total;
  double cumulative = 0.0;
  for (std::size_t i = 0; i < weights_.size(); ++i) {
    cumulative += weights_[i];
    if (cumulative > target) return static_cast<std::int32_t>(i);
  }
  return static_cast<std::int32_t>(best);  // rounding left the last sum a hair below the target
}

}  // namespace bitnet::generate
