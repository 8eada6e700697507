#include "generate/logits_processors.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

namespace bitnet::generate {
namespace {

constexpr float kNever = -std::numeric_limits<float>::infinity();

float largest(std::span<const float> logits) {
  float most = kNever;
  for (const float logit : logits) most = std::max(most, logit);
  return most;
}

}  // namespace

void RepetitionPenalty::process(std::span<const std::int32_t> ids, std::span<float> logits) {
  seen_.assign(logits.size(), false);
  for (const std::int32_t id : ids) {
    const auto i = static_cast<std::size_t>(id);
    if (seen_[i]) continue;
    seen_[i] = true;
    logits[i] = logits[i] < 0 ? logits[i] * penalty_ : logits[i] / penalty_;
  }
}

bool RepetitionPenalty::only_lowers(std::span<const std::int32_t> ids, std::vector<std::int32_t>& lowered) const {
  lowered.insert(lowered.end(), ids.begin(), ids.end());
  return penalty_ >= 1.0F;
}

void Temperature::process(std::span<const std::int32_t> /*ids*/, std::span<float> logits) {
  for (float& logit : logits) logit /= temperature_;
}

void TopK::process(std::span<const std::int32_t> /*ids*/, std::span<float> logits) {
  const auto k = static_cast<std::size_t>(k_);
  if (k >= logits.size()) return;
  sorted_.assign(logits.begin(), logits.end());
  const auto kth = sorted_.begin() + static_cast<std::ptrdiff_t>(k - 1);
  std::nth_element(sorted_.begin(), kth, sorted_.end(), std::greater<>());
  const float least = *kth;
  for (float& logit : logits) {
    if (logit < least) logit = kNever;
  }
}

void TopP::process(std::span<const std::int32_t> /*ids*/, std::span<float> logits) {
  order_.clear();
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (logits[i] != kNever) order_.push_back(static_cast<std::int32_t>(i));
  }
  const auto logit_of = [&](std::int32_t id) { return logits[static_cast<std::size_t>(id)]; };
  std::stable_sort(order_.begin(), order_.end(),
                   [&](std::int32_t a, std::int32_t b) { return logit_of(a) < logit_of(b); });
  const double most = largest(logits);
  double total = 0.0;
  for (const std::int32_t id : order_) total += std::exp(static_cast<double>(logit_of(id)) - most);
  const double limit = 1.0 - static_cast<double>(p_);
  double cumulative = 0.0;
  for (std::size_t i = 0; i + 1 < order_.size(); ++i) {  // the last one, the most probable, always stays
    cumulative += std::exp(static_cast<double>(logit_of(order_[i])) - most) / total;
    if (cumulative > limit) break;
    logits[static_cast<std::size_t>(order_[i])] = kNever;
  }
}

void MinP::process(std::span<const std::int32_t> /*ids*/, std::span<float> logits) {
  // p < min_p · max p is exp(logit - most) < min_p: the sum of the softmax cancels.
  const float most = largest(logits);
  for (float& logit : logits) {
    if (std::exp(static_cast<double>(logit) - static_cast<double>(most)) < static_cast<double>(min_p_)) logit = kNever;
  }
}

LogitsProcessors make_logits_processors(const InferenceSettings& settings, std::int64_t, std::int64_t) {
  LogitsProcessors list;
  if (settings.repetition_penalty != 1.0F) {
    list.push_back(std::make_unique<RepetitionPenalty>(settings.repetition_penalty));
  }
  if (!settings.do_sample) return list;
  if (settings.temperature != 1.0F) list.push_back(std::make_unique<Temperature>(settings.temperature));
  if (settings.top_k != 0) list.push_back(std::make_unique<TopK>(settings.top_k));
  if (settings.top_p < 1.0F) list.push_back(std::make_unique<TopP>(settings.top_p));
  if (settings.min_p > 0.0F) list.push_back(std::make_unique<MinP>(settings.min_p));
  return list;
}

}  // namespace bitnet::generate
