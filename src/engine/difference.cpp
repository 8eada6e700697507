#include "engine/difference.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <limits>
#include <utility>

namespace bitnet {

void Difference::add(std::span<const float> ours, std::span<const float> reference) {
  assert(ours.size() == reference.size());
  for (std::size_t i = 0; i < ours.size(); ++i) {
    double difference = std::fabs(static_cast<double>(ours[i]) - static_cast<double>(reference[i]));
    if (std::isnan(difference)) difference = std::numeric_limits<double>::infinity();
    largest_ = std::max(largest_, difference);
    sum_ += difference;
    reference_squares_ += static_cast<double>(reference[i]) * static_cast<double>(reference[i]);
  }
  elements_ += static_cast<std::int64_t>(ours.size());
}

void Difference::add_logits(std::span<const float> ours, std::span<const float> reference) {
  Difference here;
  here.add(ours, reference);
  add(ours, reference);
  if (reference.size() < 2) return;
  const auto top = std::max_element(reference.begin(), reference.end());
  float second = -std::numeric_limits<float>::infinity();
  for (auto it = reference.begin(); it != reference.end(); ++it) {
    if (it != top) second = std::max(second, *it);
  }
  const auto our_top = std::max_element(ours.begin(), ours.end());
  const bool changed = our_top - ours.begin() != top - reference.begin();
  if (changed && static_cast<double>(*top) - second > here.largest()) ++argmax_changes_;
}

double Difference::reference_rms() const {
  return elements_ == 0 ? 0 : std::sqrt(reference_squares_ / static_cast<double>(elements_));
}

Comparison Difference::comparison(std::string name) const {
  Comparison result;
  result.name = std::move(name);
  result.elements = elements_;
  result.largest = largest_;
  result.mean = elements_ == 0 ? 0 : sum_ / static_cast<double>(elements_);
  result.int8_flips = flips_;
  result.argmax_changes = argmax_changes_;
  return result;
}

Comparison judge_network(Comparison comparison, bool may_have_flipped, double scale) {
  comparison.largest_allowed = Tolerance::kTight * scale;
  if (may_have_flipped && comparison.largest > comparison.largest_allowed) {
    comparison.largest_allowed = Tolerance::kFlipped * scale;
    comparison.mean_allowed = Tolerance::kFlippedMean * scale;
  }
  return comparison;
}

}  // namespace bitnet
