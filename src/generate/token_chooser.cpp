#include "generate/token_chooser.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/any_of.h"
#include "base/fail.h"

namespace bitnet::generate {

std::int32_t argmax(std::span<const float> logits) {
  constexpr std::size_t kTogether = 64;
  std::size_t best = 0;
  float most = -std::numeric_limits<float>::infinity();
  for (std::size_t begin = 0; begin < logits.size(); begin += kTogether) {
    const std::span<const float> some = logits.subspan(begin, std::min(kTogether, logits.size() - begin));
    const float* values = some.data();
    if (!any_of(static_cast<std::int64_t>(some.size()), [&](std::int64_t i) { return values[i] > most; })) continue;
    for (std::size_t i = 0; i < some.size(); ++i) {
      if (some[i] > most) {
        most = some[i];
        best = begin + i;
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
