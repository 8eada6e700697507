#pragma once
/// What changes a token's logits before it is chosen: small classes with Hugging Face's names and semantics, run in
/// the order that `generate` runs them. token_constraints.h and warpers.h have the classes.

#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "bitnet/settings.h"

namespace bitnet::generate {

/// The logit of what cannot be chosen.
inline constexpr float kNever = -std::numeric_limits<float>::infinity();

/// For one thread at a time; sequences may share one, as nothing of a call is remembered.
class LogitsProcessor {
 public:
  virtual ~LogitsProcessor() = default;
  /// The reference's name of the class.
  [[nodiscard]] virtual std::string_view name() const = 0;
  /// `ids`: prompt and output so far. `logits`: [vocab]; kNever marks what cannot be chosen. Every id of `ids` and of
  /// the settings is smaller than vocab (check_token_ids).
  virtual void process(std::span<const std::int32_t> ids, std::span<float> logits) = 0;
  /// For those who compute only the largest logits, top_k of them or in greedy search one: true when the same tokens
  /// stay, with the same logits, if all others are kNever. Such a processor may make the logits of some ids smaller,
  /// which it appends, drop small ones, and keep the order of the others; whatever runs after TopK sees no others.
  [[nodiscard]] virtual bool only_lowers(std::span<const std::int32_t> ids,
                                         std::vector<std::int32_t>& lowered) const = 0;
};

using LogitsProcessors = std::vector<std::unique_ptr<LogitsProcessor>>;

/// The processors that `settings` ask for, in order. `settings` have passed validate(), and eos_token_id is complete.
/// `max_length`: prompt and all new tokens that the length allows.
[[nodiscard]] LogitsProcessors make_logits_processors(const InferenceSettings& settings, std::int64_t prompt_length,
                                                      std::int64_t max_length);

}  // namespace bitnet::generate
