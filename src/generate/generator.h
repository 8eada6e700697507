#pragma once
/// From ids to ids. Sees no strings and no network.

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "bitnet/settings.h"
#include "generate/sequence_model.h"

namespace bitnet::generate {

enum class StopCause { length, eos, caller };

/// One prompt to continue.
struct Request {
  std::span<const std::int32_t> prompt;
  std::unique_ptr<Sequence> sequence;  ///< has seen the first `seen` ids of the prompt
  std::int64_t seen = 0;               ///< < prompt.size()
  /// Sees each new token of result `result` in turn; false ends this result after it. Not called by beam searches,
  /// whose text is only known at the end.
  std::function<bool(std::int32_t result, std::int32_t id)> on_token;
  /// Beam searches: whether a hypothesis, prompt and new ids, is finished by what it says.
  std::function<bool(std::span<const std::int32_t> ids)> is_finished;
};

struct Outcome {
  std::vector<std::int32_t> ids;  ///< new tokens, an EOS included
  StopCause cause = StopCause::length;
  std::unique_ptr<Sequence> sequence;      ///< has seen the prompt and all of `ids` but the last; null in beam modes
  float score = 0.0F;                      ///< beam modes: Σ log p / length^length_penalty
  std::vector<std::int32_t> beam_indices;  ///< beam modes: for each new token the beam that it continued
};

struct Result {
  std::vector<Outcome> outcomes;  ///< settings.num_return_sequences; beam modes: the best first
  /// With settings.output_scores, after the processors: for each new token [num_return_sequences, vocab], 0 where a
  /// result has ended. Beam modes: for each step [beams that still run, vocab]; in the first step one row for each
  /// group, as all beams of a group are equal then.
  std::vector<std::vector<float>> scores;
};

/// How many tokens may follow a prompt: max_new_tokens, else max_length - prompt, at most what the context holds.
/// Throws Error(limit) when the prompt leaves no room.
[[nodiscard]] std::int64_t token_budget(std::int64_t prompt_length, std::int64_t context_length,
                                        const InferenceSettings& settings);

/// Continues all prompts together, one pass for all of them at a time. A prompt's result is the same alone and in any
/// company. settings.eos_token_id is complete and settings are validated. `must_end` is asked after each pass; true
/// ends everything with what is there, as a length that is reached.
[[nodiscard]] std::vector<Result> generate(SequenceModel& model, std::vector<Request> requests,
                                           const InferenceSettings& settings, const std::function<bool()>& must_end);

}  // namespace bitnet::generate
