#pragma once
/// From ids to ids. Sees no strings and no network: the model is an interface, so tests bring a fake one.

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "backend/top_rows.h"
#include "bitnet/settings.h"

namespace bitnet::generate {

/// A causal language model with one sequence.
class StepModel {
 public:
  virtual ~StepModel() = default;
  [[nodiscard]] virtual std::int64_t context_length() const = 0;
  /// Appends `ids` (at least one) to the sequence and returns the last one's logits, [vocab]. `needed` says which of
  /// them have to be exact; others may be -inf. The caller may change them; they stay valid until the next call.
  [[nodiscard]] virtual std::span<float> append(std::span<const std::int32_t> ids, const backend::TopRows& needed) = 0;
};

enum class StopCause { length, eos, caller };

struct Outcome {
  std::vector<std::int32_t> ids;  ///< new tokens, an EOS included
  StopCause cause = StopCause::length;
};

/// Sees each new token in turn; false stops the generation after it.
using OnToken = std::function<bool(std::int32_t id)>;

/// How many tokens may follow a prompt: max_new_tokens, else max_length - prompt, at most what the context holds.
/// Throws Error(limit) when the prompt leaves no room.
[[nodiscard]] std::int64_t token_budget(std::int64_t prompt_length, std::int64_t context_length,
                                        const InferenceSettings& settings);

/// Greedy search or sampling, as settings say; settings.eos_token_id is complete and settings are validated.
/// `fresh` are the prompt ids that `model` has not seen yet, the tail of `prompt`.
[[nodiscard]] Outcome generate(StepModel& model, std::span<const std::int32_t> prompt,
                               std::span<const std::int32_t> fresh, const InferenceSettings& settings,
                               const OnToken& on_token);

}  // namespace bitnet::generate
