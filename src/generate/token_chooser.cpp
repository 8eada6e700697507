#include "generate/token_chooser.h"

#include <cmath>
#include <limits>

#include "base/fail.h"

namespace bitnet::generate {

std::int32_t argmax(std::span<const float> logits) {
  std::size_t best = 0;
  float most = -std::numeric_limits<float>::infinity();
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (logits[i] > most) {
      most = logits[i];
      best = i;
    }
  }
  return static_cast<std::int32_t>(best);
}

namespace {

/// weights = exp(logits - the largest); returns their sum.
double exponentials(std::span<const float> logits, double most, std::vector<double>& weights) {
  weights.resize(logits.size());
  double total = 0.0;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const double shifted = static_cast<double>(logits[i]) - most;
    weights[i] = shifted > -745.0 ? std::exp(shifted) : 0.0;  // also turns NaN into 0
    total += weights[i];
  }
  return total;
}

double best_logit(std::span<const float> logits) {
  return static_cast<double>(logits[static_cast<std::size_t>(argmax(logits))]);
}

}  // namespace

std::vector<double> softmax(std::span<const float> scores) {
  std::vector<double> weights;
  const double total = exponentials(scores, best_logit(scores), weights);
  for (double& weight : weights) weight /= total;
  return weights;
}

std::int32_t Sampler::draw(std::span<const float> logits) {
  const auto best = static_cast<std::size_t>(argmax(logits));
  const double most = static_cast<double>(logits[best]);
  if (!std::isfinite(most)) fail(ErrorKind::invalid_argument, "no token is left to choose: every logit is -inf or NaN");
  const double total = exponentials(logits, most, weights_);
  const double target = rng_.uniform() * total;
  double cumulative = 0.0;
  for (std::size_t i = 0; i < weights_.size(); ++i) {
    cumulative += weights_[i];
    if (cumulative > target) return static_cast<std::int32_t>(i);
  }
  return static_cast<std::int32_t>(best);  // rounding left the last sum a hair below the target
}

}  // namespace bitnet::generate
