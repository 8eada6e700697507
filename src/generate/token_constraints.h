#pragma once
/// Processors that look at the tokens so far. They run in every mode, before the warpers.

#include <vector>

#include "generate/logits_processors.h"

namespace bitnet::generate {

/// Vijayakumar et al. 2016: subtracts penalty × how often `earlier_tokens`, what other groups of beams took in this
/// step, hold an id. Before all processors.
void hamming_diversity(std::span<const std::int32_t> earlier_tokens, float penalty, std::span<float> scores);

/// Adds a bias to the logit of a sequence's last id, when the ids before it have just been seen. Of equal sequences
/// the last one counts; one that is longer than what there is so far does not yet.
class SequenceBiasProcessor : public LogitsProcessor {
 public:
  explicit SequenceBiasProcessor(const std::vector<SequenceBias>& biases);
  [[nodiscard]] std::string_view name() const override { return "SequenceBiasLogitsProcessor"; }
  void process(std::span<const std::int32_t> ids, std::span<float> logits) override;
  [[nodiscard]] bool only_lowers(std::span<const std::int32_t> ids, std::vector<std::int32_t>& lowered) const override;

 private:
  std::vector<SequenceBias> biases_;
};

/// Sequences that must not appear. A word that is nothing but an EOS is left alone, else no text could end.
class NoBadWords final : public SequenceBiasProcessor {
 public:
  NoBadWords(const std::vector<std::vector<std::int32_t>>& words, const std::vector<std::int32_t>& eos);
  [[nodiscard]] std::string_view name() const override { return "NoBadWordsLogitsProcessor"; }
};

/// Keskar et al. 2019 (CTRL): logit < 0: × penalty, else ÷ penalty, once for every id seen. The first
/// `prompt_ignore_length` ids do not count.
class RepetitionPenalty final : public LogitsProcessor {
 public:
  explicit RepetitionPenalty(float penalty, std::size_t prompt_ignore_length = 0)
      : penalty_(penalty), prompt_ignore_length_(prompt_ignore_length) {}
  [[nodiscard]] std::string_view name() const override { return "RepetitionPenaltyLogitsProcessor"; }
  void process(std::span<const std::int32_t> ids, std::span<float> logits) override;
  [[nodiscard]] bool only_lowers(std::span<const std::int32_t> ids, std::vector<std::int32_t>& lowered) const override;

 private:
  [[nodiscard]] std::span<const std::int32_t> counted(std::span<const std::int32_t> ids) const;

  float penalty_;
  std::size_t prompt_ignore_length_;
  std::vector<bool> seen_;  // [vocab]
};

/// No n-gram appears twice, the prompt included.
class NoRepeatNGram final : public LogitsProcessor {
 public:
  explicit NoRepeatNGram(std::int32_t size) : size_(static_cast<std::size_t>(size)) {}
  [[nodiscard]] std::string_view name() const override { return "NoRepeatNGramLogitsProcessor"; }
  void process(std::span<const std::int32_t> ids, std::span<float> logits) override;
  [[nodiscard]] bool only_lowers(std::span<const std::int32_t> ids, std::vector<std::int32_t>& lowered) const override;

 private:
  template <typename Visit>
  void for_each_banned(std::span<const std::int32_t> ids, Visit visit) const;

  std::size_t size_;
};

/// Some ids cannot be chosen while the sequence has certain lengths.
class SuppressTokens : public LogitsProcessor {
 public:
  explicit SuppressTokens(std::vector<std::int32_t> tokens) : tokens_(std::move(tokens)) {}
  [[nodiscard]] std::string_view name() const override { return "SuppressTokensLogitsProcessor"; }
  void process(std::span<const std::int32_t> ids, std::span<float> logits) final;
  [[nodiscard]] bool only_lowers(std::span<const std::int32_t> ids, std::vector<std::int32_t>& lowered) const final;

 private:
  [[nodiscard]] virtual bool applies(std::int64_t /*length*/) const { return true; }

  std::vector<std::int32_t> tokens_;
};

class SuppressTokensAtBegin final : public SuppressTokens {
 public:
  SuppressTokensAtBegin(std::vector<std::int32_t> tokens, std::int64_t begin_index)
      : SuppressTokens(std::move(tokens)), begin_index_(begin_index) {}
  [[nodiscard]] std::string_view name() const override { return "SuppressTokensAtBeginLogitsProcessor"; }

 private:
  [[nodiscard]] bool applies(std::int64_t length) const override { return length == begin_index_; }

  std::int64_t begin_index_;
};

/// No EOS before prompt and new tokens have this length.
class MinLength : public SuppressTokens {
 public:
  MinLength(std::int64_t min_length, std::vector<std::int32_t> eos)
      : SuppressTokens(std::move(eos)), min_length_(min_length) {}
  [[nodiscard]] std::string_view name() const override { return "MinLengthLogitsProcessor"; }

 private:
  [[nodiscard]] bool applies(std::int64_t length) const override { return length < min_length_; }

  std::int64_t min_length_;
};

/// No EOS before there are so many new tokens.
class MinNewTokensLength final : public MinLength {
 public:
  MinNewTokensLength(std::int64_t prompt_length, std::int64_t min_new_tokens, std::vector<std::int32_t> eos)
      : MinLength(prompt_length + min_new_tokens, std::move(eos)) {}
  [[nodiscard]] std::string_view name() const override { return "MinNewTokensLengthLogitsProcessor"; }
};

/// One of these is the only choice when prompt and new tokens have the length max_length - 1.
class ForcedEOSToken : public LogitsProcessor {
 public:
  ForcedEOSToken(std::int64_t max_length, std::vector<std::int32_t> tokens)
      : max_length_(max_length), tokens_(std::move(tokens)) {}
  [[nodiscard]] std::string_view name() const override { return "ForcedEOSTokenLogitsProcessor"; }
  void process(std::span<const std::int32_t> ids, std::span<float> logits) final;
  [[nodiscard]] bool only_lowers(std::span<const std::int32_t>, std::vector<std::int32_t>&) const final {
    return true;  // looks at no logit
  }

 private:
  std::int64_t max_length_;
  std::vector<std::int32_t> tokens_;
};

/// The only choice after a prompt of one token.
class ForcedBOSToken final : public ForcedEOSToken {
 public:
  explicit ForcedBOSToken(std::int32_t token) : ForcedEOSToken(2, {token}) {}
  [[nodiscard]] std::string_view name() const override { return "ForcedBOSTokenLogitsProcessor"; }
};

/// NaN → 0, ±inf → the largest and smallest finite value.
class InfNanRemove final : public LogitsProcessor {
 public:
  [[nodiscard]] std::string_view name() const override { return "InfNanRemoveLogitsProcessor"; }
  void process(std::span<const std::int32_t> ids, std::span<float> logits) override;
  [[nodiscard]] bool only_lowers(std::span<const std::int32_t>, std::vector<std::int32_t>&) const override {
    return false;  // who computes only large logits does not see NaN
  }
};

/// From `start` new tokens on, an EOS's logit grows by |logit| · (factor ^ (tokens since) - 1).
class ExponentialDecayProcessor final : public LogitsProcessor {
 public:
  ExponentialDecayProcessor(ExponentialDecayLengthPenalty penalty, std::vector<std::int32_t> eos,
                            std::int64_t prompt_length)
      : start_(prompt_length + penalty.start), factor_(static_cast<double>(penalty.factor)), eos_(std::move(eos)) {}
  [[nodiscard]] std::string_view name() const override { return "ExponentialDecayLengthPenalty"; }
  void process(std::span<const std::int32_t> ids, std::span<float> logits) override;
  [[nodiscard]] bool only_lowers(std::span<const std::int32_t> ids, std::vector<std::int32_t>& lowered) const override;

 private:
  std::int64_t start_;
  double factor_;
  std::vector<std::int32_t> eos_;
};

}  // namespace bitnet::generate
