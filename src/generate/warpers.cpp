#include "generate/warpers.h"

#include <algorithm>
#include <cmath>
#include <functional>

namespace bitnet::generate {
namespace {

// A logit that is NaN counts as kNever everywhere: `logit > kNever` is false for both. The algorithms that reorder
// need it, as NaN has no place in an order.

float largest(std::span<const float> logits) {
  float most = kNever;
  for (const float logit : logits) most = std::max(most, logit);
  return most;
}

/// kNever when there are fewer than k. The buffer holds the largest so far, and at most twice as many as needed.
float kth_largest(std::span<const float> logits, std::size_t k, std::vector<float>& buffer) {
  if (k == 1) return largest(logits);
  buffer.clear();
  const auto select = [&] {
    std::nth_element(buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(k - 1), buffer.end(),
                     std::greater<>());
    buffer.resize(k);
    return buffer.back();
  };
  float least = kNever;
  for (const float logit : logits) {
    if (!(logit > least)) continue;
    buffer.push_back(logit);
    if (buffer.size() == 2 * k) least = select();
  }
  return k <= buffer.size() ? select() : kNever;
}

/// Drops what is smaller than both, and NaN.
void drop_below(std::span<float> logits, double least, float floor = std::numeric_limits<float>::infinity()) {
  for (float& logit : logits) {
    if (!(static_cast<double>(logit) >= least || logit >= floor)) logit = kNever;
  }
}

struct Softmax {
  double log_total = 0.0;  ///< log Σ exp(logit): log p is logit - log_total
  double entropy = 0.0;    ///< in nats
  double most = 0.0;       ///< the largest logit
};

Softmax softmax_of(std::span<const float> logits) {
  const auto most = static_cast<double>(largest(logits));
  double total = 0.0;
  double weighted = 0.0;
  for (const float logit : logits) {
    if (!(logit > kNever)) continue;
    const double shifted = static_cast<double>(logit) - most;
    const double weight = std::exp(shifted);
    total += weight;
    weighted += weight * shifted;
  }
  return {most + std::log(total), std::log(total) - weighted / total, most};
}

bool comes_before(const Candidate& a, const Candidate& b) {
  if (a.key < b.key) return true;
  return !(b.key < a.key) && a.id < b.id;
}

/// Every token whose logit is `least` or larger: its key(logit), and exp(logit - reference) as its weight.
template <typename Key>
void collect(std::span<const float> logits, double least, double reference, std::vector<Candidate>& candidates,
             Key key) {
  candidates.clear();
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const auto logit = static_cast<double>(logits[i]);
    if (!(logits[i] > kNever && logit >= least)) continue;
    candidates.push_back({static_cast<float>(key(logit)), static_cast<std::int32_t>(i), std::exp(logit - reference)});
  }
}

/// Tokens with smaller logits have at most the probability 1 - p, all together: even if all others were that small.
double least_of_mass(std::size_t vocab, double log_total, double p) {
  return log_total + std::log((1.0 - p) / static_cast<double>(vocab));
}

double likeliest_first(double logit) { return -logit; }

/// Moves the fewest candidates that come first and together have the weight `mass` to the front, the last of them
/// last, and returns their number. Halves the range in which that last one is, so the whole takes linear time.
std::size_t move_mass_to_front(std::span<Candidate> candidates, double mass) {
  std::size_t begin = 0;
  std::size_t end = candidates.size();
  double before = 0.0;
  while (end - begin > 1) {
    const std::size_t middle = begin + (end - begin) / 2;
    const auto at = [&](std::size_t i) { return candidates.begin() + static_cast<std::ptrdiff_t>(i); };
    std::nth_element(at(begin), at(middle), at(end), comes_before);
    double lower = 0.0;
    for (std::size_t i = begin; i < middle; ++i) lower += candidates[i].weight;
    if (before + lower >= mass) {
      end = middle;
    } else {
      before += lower;
      begin = middle;
    }
  }
  return begin + 1;
}

/// With `front` candidates in their place, puts as many there as shall be kept at least; returns how many there are.
std::size_t extend_front(std::span<Candidate> candidates, std::size_t front, std::size_t min_keep) {
  const std::size_t wanted = std::min(min_keep, candidates.size());
  if (front >= wanted) return front;
  std::nth_element(candidates.begin() + static_cast<std::ptrdiff_t>(front),
                   candidates.begin() + static_cast<std::ptrdiff_t>(wanted - 1), candidates.end(), comes_before);
  return wanted;
}

void drop(std::span<float> logits, const Candidate& candidate) {
  logits[static_cast<std::size_t>(candidate.id)] = kNever;
}

}  // namespace

void Temperature::process(std::span<const std::int32_t> /*ids*/, std::span<float> logits) {
  for (float& logit : logits) logit /= temperature_;
}

void TopH::process(std::span<const std::int32_t> /*ids*/, std::span<float> logits) {
  constexpr std::size_t kMost = 100;
  const auto least = static_cast<double>(kth_largest(logits, kMost, buffer_));
  collect(logits, least, static_cast<double>(largest(logits)), candidates_, likeliest_first);
  const std::size_t count = std::min(kMost, candidates_.size());
  const auto end = candidates_.begin() + static_cast<std::ptrdiff_t>(count);
  std::partial_sort(candidates_.begin(), end, candidates_.end(), comes_before);

  double total = 0.0;
  for (auto it = candidates_.begin(); it != end; ++it) total += it->weight;
  const auto share_of_entropy = [&](const Candidate& candidate) {
    const double p = candidate.weight / total;
    return p > 0 ? -p * std::log(p) : 0.0;
  };
  double entropy = 0.0;
  for (auto it = candidates_.begin(); it != end; ++it) entropy += share_of_entropy(*it);
  const double limit = entropy * static_cast<double>(top_h_);
  double sum = 0.0;
  std::size_t kept = 0;
  for (; kept < count; ++kept) {
    sum += share_of_entropy(candidates_[kept]);
    if (sum > limit && kept > 0) break;
  }
  drop_below(logits, least);
  for (std::size_t i = kept; i < candidates_.size(); ++i) drop(logits, candidates_[i]);
}

void TopK::process(std::span<const std::int32_t> /*ids*/, std::span<float> logits) {
  const float least = kth_largest(logits, k_, buffer_);
  drop_below(logits, static_cast<double>(least), least);
}

void TopP::process(std::span<const std::int32_t> /*ids*/, std::span<float> logits) {
  const auto p = static_cast<double>(p_);
  const double log_total = softmax_of(logits).log_total;
  double least = least_of_mass(logits.size(), log_total, p);
  least = std::min(least, static_cast<double>(kth_largest(logits, min_keep_, buffer_)));
  collect(logits, least, log_total, candidates_, likeliest_first);
  drop_below(logits, least);
  if (candidates_.empty()) return;
  const std::size_t front = move_mass_to_front(candidates_, p);
  for (std::size_t i = extend_front(candidates_, front, min_keep_); i < candidates_.size(); ++i) {
    drop(logits, candidates_[i]);
  }
}

void MinP::process(std::span<const std::int32_t> /*ids*/, std::span<float> logits) {
  // p < min_p · max p is logit < most + log(min_p): the sum of the softmax cancels.
  const double least = static_cast<double>(largest(logits)) + std::log(static_cast<double>(min_p_));
  drop_below(logits, least, kth_largest(logits, min_keep_, buffer_));
}

void Typical::process(std::span<const std::int32_t> /*ids*/, std::span<float> logits) {
  const auto p = static_cast<double>(p_);
  const Softmax softmax = softmax_of(logits);
  // What is at least as likely as this is enough, and so is what is as near to the entropy as the likeliest token and
  // the least likely one of those.
  double least = least_of_mass(logits.size(), softmax.log_total, p);
  least = std::min(least, 2 * (softmax.log_total - softmax.entropy) - softmax.most);
  const auto distance = [&](double logit) { return std::fabs(softmax.log_total - logit - softmax.entropy); };
  collect(logits, least, softmax.log_total, candidates_, distance);
  if (candidates_.size() < min_keep_) {
    least = static_cast<double>(kNever);
    collect(logits, least, softmax.log_total, candidates_, distance);
  }
  drop_below(logits, least);
  if (candidates_.empty()) return;
  const std::size_t front = move_mass_to_front(candidates_, p);
  const float last_key = candidates_[front - 1].key;
  for (std::size_t i = extend_front(candidates_, front, min_keep_); i < candidates_.size(); ++i) {
    if (candidates_[i].key > last_key) drop(logits, candidates_[i]);  // ties with the last one stay
  }
}

void EpsilonCutoff::process(std::span<const std::int32_t> /*ids*/, std::span<float> logits) {
  const double least = softmax_of(logits).log_total + std::log(static_cast<double>(epsilon_));
  drop_below(logits, least, kth_largest(logits, min_keep_, buffer_));
}

void EtaCutoff::process(std::span<const std::int32_t> /*ids*/, std::span<float> logits) {
  const Softmax softmax = softmax_of(logits);
  const double log_epsilon = std::log(static_cast<double>(epsilon_));
  const double log_eta = std::min(log_epsilon, 0.5 * log_epsilon - softmax.entropy);
  drop_below(logits, softmax.log_total + log_eta, kth_largest(logits, min_keep_, buffer_));
}

void LogitNormalization::process(std::span<const std::int32_t> /*ids*/, std::span<float> logits) {
  // Beams do this with the whole vocabulary in every step: float32 exponentials are half of the time.
  const float most = largest(logits);
  double total = 0.0;
  for (const float logit : logits) {
    if (logit > kNever) total += static_cast<double>(std::exp(logit - most));
  }
  const double log_total = static_cast<double>(most) + std::log(total);
  for (float& logit : logits) {
    if (logit > kNever) logit = static_cast<float>(static_cast<double>(logit) - log_total);
  }
}

}  // namespace bitnet::generate
