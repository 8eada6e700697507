#pragma once
/// How results look in --json and in words; shared by the commands that generate.

#include <cstddef>
#include <span>
#include <string>

#include "base/json.h"
#include "bitnet/session.h"

namespace bitnet::cli {

/// "length", "eos", "stop_string", "max_time", "cancelled"
[[nodiscard]] const char* name_of(FinishReason reason);

/// Prompt tokens that were computed, over the time until the first token's logits; 0 when there was no time.
[[nodiscard]] double prompt_rate(const Generation& generation);
/// New tokens after the first one, over the time that they took; 0 when there was none.
[[nodiscard]] double generation_rate(const Generation& generation);

/// One result: text, ids, reason and timings; in beam modes the score; with return_dict_in_generate the details that
/// are no tensors.
[[nodiscard]] Json to_json(const Generation& generation, const InferenceSettings& settings);

/// Results of several prompts, settings.num_return_sequences for each, as they become complete.
class ResultList {
 public:
  ResultList(const InferenceSettings& settings, bool json) : settings_(settings), json_(json) {}

  /// Prints results of prompts that were computed together; `first` is the place of the first prompt among all.
  /// Results that an interrupt kept from beginning are left out.
  void print(std::span<const Generation> results, std::size_t first);
  /// "[2 prompts, 11 tokens, 523.1 tokens/s; 128 new tokens, 310.2 tokens/s]" of all that was printed.
  [[nodiscard]] std::string summary() const;

 private:
  const InferenceSettings& settings_;
  bool json_;
  std::size_t prompts_ = 0;
  std::int64_t prompt_tokens_ = 0;
  std::int64_t new_tokens_ = 0;
  std::int64_t later_tokens_ = 0;  // without each result's first one, which comes from the prompt
  double prompt_seconds_ = 0;
  double generation_seconds_ = 0;
};

/// "[11 prompt tokens, 523.1 tokens/s; 128 new tokens, 310.2 tokens/s]"
[[nodiscard]] std::string summary(const Generation& generation);

/// "1.18 GB", "14.7 MB": powers of ten, as memory bandwidth is given.
[[nodiscard]] std::string format_bytes(double bytes);

}  // namespace bitnet::cli
