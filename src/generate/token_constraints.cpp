#include "generate/token_constraints.h"

#include <algorithm>
#include <cmath>
#include <map>

namespace bitnet::generate {
namespace {

std::int64_t length_of(std::span<const std::int32_t> ids) { return static_cast<std::int64_t>(ids.size()); }

float& logit_of(std::span<float> logits, std::int32_t id) { return logits[static_cast<std::size_t>(id)]; }

/// Whether the next token may complete `sequence`.
bool is_next(const std::vector<std::int32_t>& sequence, std::span<const std::int32_t> ids) {
  if (sequence.size() == 1) return true;
  if (sequence.size() > ids.size()) return false;
  return std::equal(sequence.begin(), sequence.end() - 1, ids.end() - static_cast<std::ptrdiff_t>(sequence.size() - 1));
}

std::vector<SequenceBias> never(const std::vector<std::vector<std::int32_t>>& words,
                                const std::vector<std::int32_t>& eos) {
  std::vector<SequenceBias> biases;
  for (const auto& word : words) {
    const bool is_eos = word.size() == 1 && std::find(eos.begin(), eos.end(), word.front()) != eos.end();
    if (!is_eos) biases.push_back({word, kNever});
  }
  return biases;
}

}  // namespace

void hamming_diversity(std::span<const std::int32_t> earlier_tokens, float penalty, std::span<float> scores) {
  for (auto token = earlier_tokens.begin(); token != earlier_tokens.end(); ++token) {
    if (std::find(earlier_tokens.begin(), token, *token) != token) continue;
    const auto count = std::count(token, earlier_tokens.end(), *token);
    logit_of(scores, *token) -= penalty * static_cast<float>(count);
  }
}

SequenceBiasProcessor::SequenceBiasProcessor(const std::vector<SequenceBias>& biases) {
  std::map<std::vector<std::int32_t>, float> last;
  for (const SequenceBias& bias : biases) last[bias.ids] = bias.bias;
  for (const auto& [ids, bias] : last) biases_.push_back({ids, bias});
}

void SequenceBiasProcessor::process(std::span<const std::int32_t> ids, std::span<float> logits) {
  for (const SequenceBias& bias : biases_) {
    if (is_next(bias.ids, ids)) logit_of(logits, bias.ids.back()) += bias.bias;
  }
}

bool SequenceBiasProcessor::only_lowers(std::span<const std::int32_t> ids, std::vector<std::int32_t>& lowered) const {
  for (const SequenceBias& bias : biases_) {
    if (!is_next(bias.ids, ids)) continue;
    if (bias.bias > 0) return false;
    lowered.push_back(bias.ids.back());
  }
  return true;
}

NoBadWords::NoBadWords(const std::vector<std::vector<std::int32_t>>& words, const std::vector<std::int32_t>& eos)
    : SequenceBiasProcessor(never(words, eos)) {}

std::span<const std::int32_t> RepetitionPenalty::counted(std::span<const std::int32_t> ids) const {
  return ids.subspan(std::min(prompt_ignore_length_, ids.size()));
}

void RepetitionPenalty::process(std::span<const std::int32_t> ids, std::span<float> logits) {
  seen_.assign(logits.size(), false);
  for (const std::int32_t id : counted(ids)) {
    const auto i = static_cast<std::size_t>(id);
    if (seen_[i]) continue;
    seen_[i] = true;
    logits[i] = logits[i] < 0 ? logits[i] * penalty_ : logits[i] / penalty_;
  }
}

bool RepetitionPenalty::only_lowers(std::span<const std::int32_t> ids, std::vector<std::int32_t>& lowered) const {
  const auto seen = counted(ids);
  lowered.insert(lowered.end(), seen.begin(), seen.end());
  return penalty_ >= 1.0F || seen.empty();
}

/// Comparisons end at the first difference, so this takes time in proportion to the length; only in a prompt that
/// repeats itself they go on for up to `size_` ids.
template <typename Visit>
void NoRepeatNGram::for_each_banned(std::span<const std::int32_t> ids, Visit visit) const {
  if (ids.size() < size_) return;
  const auto last = ids.last(size_ - 1);
  for (std::size_t begin = 0; begin + size_ <= ids.size(); ++begin) {
    if (std::equal(last.begin(), last.end(), ids.begin() + static_cast<std::ptrdiff_t>(begin))) {
      visit(ids[begin + size_ - 1]);
    }
  }
}

void NoRepeatNGram::process(std::span<const std::int32_t> ids, std::span<float> logits) {
  for_each_banned(ids, [&](std::int32_t id) { logit_of(logits, id) = kNever; });
}

bool NoRepeatNGram::only_lowers(std::span<const std::int32_t> ids, std::vector<std::int32_t>& lowered) const {
  for_each_banned(ids, [&](std::int32_t id) { lowered.push_back(id); });
  return true;
}

void SuppressTokens::process(std::span<const std::int32_t> ids, std::span<float> logits) {
  if (!applies(length_of(ids))) return;
  for (const std::int32_t token : tokens_) logit_of(logits, token) = kNever;
}

bool SuppressTokens::only_lowers(std::span<const std::int32_t> ids, std::vector<std::int32_t>& lowered) const {
  if (applies(length_of(ids))) lowered.insert(lowered.end(), tokens_.begin(), tokens_.end());
  return true;
}

void ForcedEOSToken::process(std::span<const std::int32_t> ids, std::span<float> logits) {
  if (length_of(ids) != max_length_ - 1) return;
  std::fill(logits.begin(), logits.end(), kNever);
  for (const std::int32_t token : tokens_) logit_of(logits, token) = 0.0F;
}

void InfNanRemove::process(std::span<const std::int32_t> /*ids*/, std::span<float> logits) {
  constexpr float kMost = std::numeric_limits<float>::max();
  for (float& logit : logits) logit = std::isnan(logit) ? 0.0F : std::clamp(logit, -kMost, kMost);
}

void ExponentialDecayProcessor::process(std::span<const std::int32_t> ids, std::span<float> logits) {
  const std::int64_t since = length_of(ids) - start_;
  if (since <= 0) return;
  // The power leaves the range of float some day. Far above every logit is enough, and still finite after division by
  // a temperature.
  constexpr double kMost = 1e30;
  const double growth = std::pow(factor_, static_cast<double>(since)) - 1.0;
  for (const std::int32_t id : eos_) {
    float& logit = logit_of(logits, id);
    if (!std::isfinite(logit)) continue;
    logit += static_cast<float>(std::min(std::fabs(static_cast<double>(logit)) * std::min(growth, kMost), kMost));
  }
}

bool ExponentialDecayProcessor::only_lowers(std::span<const std::int32_t> ids,
                                            std::vector<std::int32_t>& lowered) const {
  if (length_of(ids) <= start_) return true;
  lowered.insert(lowered.end(), eos_.begin(), eos_.end());
  return factor_ <= 1.0;
}

}  // namespace bitnet::generate
