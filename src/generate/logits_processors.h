#pragma once
/// What changes a token's logits before it is chosen: small classes with Hugging Face's names and semantics, run in
/// the order that `generate` runs them.

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "bitnet/settings.h"

namespace bitnet::generate {

class LogitsProcessor {
 public:
  virtual ~LogitsProcessor() = default;
  /// `ids`: prompt and output so far. `logits`: [vocab]; -inf marks what cannot be chosen.
  virtual void process(std::span<const std::int32_t> ids, std::span<float> logits) = 0;
  /// For those who compute only the largest logits: true when all that process() does is to make the logits of some
  /// ids smaller, which it appends, to drop small ones, and to keep the order of the others.
  [[nodiscard]] virtual bool only_lowers(std::span<const std::int32_t> ids,
                                         std::vector<std::int32_t>& lowered) const = 0;
};

/// Keskar et al. 2019 (CTRL): logit < 0: × penalty, else ÷ penalty, once for every id seen.
class RepetitionPenalty final : public LogitsProcessor {
 public:
  explicit RepetitionPenalty(float penalty) : penalty_(penalty) {}
  void process(std::span<const std::int32_t> ids, std::span<float> logits) override;
  [[nodiscard]] bool only_lowers(std::span<const std::int32_t> ids, std::vector<std::int32_t>& lowered) const override;

 private:
  float penalty_;
  std::vector<bool> seen_;  // [vocab]
};

class Temperature final : public LogitsProcessor {
 public:
  explicit Temperature(float temperature) : temperature_(temperature) {}
  void process(std::span<const std::int32_t> ids, std::span<float> logits) override;
  [[nodiscard]] bool only_lowers(std::span<const std::int32_t>, std::vector<std::int32_t>&) const override {
    return true;
  }

 private:
  float temperature_;
};

/// Keeps logits ≥ the k-th largest; ties with it stay.
class TopK final : public LogitsProcessor {
 public:
  explicit TopK(std::int32_t k) : k_(k) {}
  void process(std::span<const std::int32_t> ids, std::span<float> logits) override;
  [[nodiscard]] bool only_lowers(std::span<const std::int32_t>, std::vector<std::int32_t>&) const override {
    return true;
  }

 private:
  std::int32_t k_;
  std::vector<float> sorted_;
};

/// Holtzman et al. 2020: in ascending order drops logits while the cumulative probability is ≤ 1 - p; the most
/// probable one always stays.
class TopP final : public LogitsProcessor {
 public:
  explicit TopP(float p) : p_(p) {}
  void process(std::span<const std::int32_t> ids, std::span<float> logits) override;
  [[nodiscard]] bool only_lowers(std::span<const std::int32_t>, std::vector<std::int32_t>&) const override {
    return true;
  }

 private:
  float p_;
  std::vector<std::int32_t> order_;
};

/// Nguyen et al. 2024: drops tokens less probable than min_p times the most probable one.
class MinP final : public LogitsProcessor {
 public:
  explicit MinP(float min_p) : min_p_(min_p) {}
  void process(std::span<const std::int32_t> ids, std::span<float> logits) override;
  [[nodiscard]] bool only_lowers(std::span<const std::int32_t>, std::vector<std::int32_t>&) const override {
    return true;
  }

 private:
  float min_p_;
};

using LogitsProcessors = std::vector<std::unique_ptr<LogitsProcessor>>;
/// The processors that `settings` ask for, in order. `settings` have passed validate().
[[nodiscard]] LogitsProcessors make_logits_processors(const InferenceSettings& settings, std::int64_t prompt_length,
                                                      std::int64_t max_length);

}  // namespace bitnet::generate
