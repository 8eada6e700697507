#pragma once
/// The generation settings that users know from Hugging Face `generate`, with the same names and semantics.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bitnet {

enum class EarlyStopping { no, yes, never };

/// One generation's settings. A plain value; validate() says whether the values agree with each other.
///
/// Logits pass through the processors in this order: repetition_penalty, then, only when do_sample: temperature,
/// top_k, top_p, min_p. Generation stops at the first of: max length, stop strings, EOS.
struct InferenceSettings {
  // --- sampling
  bool do_sample = true;            ///< false: greedy, the first index on ties
  float temperature = 0.7F;         ///< divides the logits; > 0
  std::int32_t top_k = 50;          ///< keeps logits ≥ the k-th largest; 0: off
  float top_p = 0.9F;               ///< keeps the smallest set with this probability; in [0, 1]; 1: off
  float min_p = 0.0F;               ///< drops p < min_p · max p; in [0, 1]; 0: off
  float repetition_penalty = 1.1F;  ///< logit < 0: × p, else ÷ p, once for each id seen; > 0; 1: off
  std::uint64_t seed = 42;          ///< the same seed gives the same tokens, whatever the number of threads

  // --- length
  std::optional<std::int32_t> max_new_tokens = 512;  ///< wins over max_length; none: max_length counts
  std::int32_t max_length = 4096;                    ///< prompt + new tokens
  std::int32_t min_length = 0;
  std::int32_t min_new_tokens = 0;
  std::optional<double> max_time;  ///< seconds

  // --- beams and several results
  std::int32_t batch_size = 1;
  std::int32_t num_return_sequences = 1;
  std::int32_t num_beams = 1;
  std::int32_t num_beam_groups = 1;
  EarlyStopping early_stopping = EarlyStopping::no;
  float length_penalty = 1.0F;
  float diversity_penalty = 0.0F;
  float penalty_alpha = 0.0F;  ///< contrastive search

  // --- token constraints
  std::int32_t no_repeat_ngram_size = 0;
  std::vector<std::vector<std::int32_t>> bad_words_ids;
  std::vector<std::int32_t> suppress_tokens;
  bool remove_invalid_values = false;

  // --- special tokens; unset or empty: the checkpoint's
  std::vector<std::int32_t> eos_token_id;    ///< generation stops after any of them
  bool ignore_eos = false;                   ///< go on after an end-of-sequence token
  std::optional<std::int32_t> bos_token_id;  ///< an empty prompt starts with it
  std::optional<std::int32_t> pad_token_id;  ///< fills rows of a batch that have ended; a single sequence has none
  std::optional<std::int32_t> decoder_start_token_id;
  std::optional<std::int32_t> forced_bos_token_id;
  std::optional<std::int32_t> forced_eos_token_id;

  // --- text
  std::vector<std::string> stop_strings;  ///< generation stops where one appears; it is not part of the text
  std::string prefix;                     ///< put before the prompt
  std::string system_prompt;              ///< first message of a chat

  // --- how to run
  std::int32_t threads = 2;
  bool use_cache = true;
  bool attention_mask = true;

  // --- what the result carries
  bool output_attentions = false;
  bool output_hidden_states = false;
  bool output_scores = false;
  bool return_dict_in_generate = false;

  /// Throws Error(invalid_argument) for a value out of its range, naming field, value and range, and
  /// Error(unsupported) for a field that this version cannot honour and that differs from its default.
  void validate() const;

  /// Overrides fields with those of a JSON object (a generation_config.json, or a file of a user). Keys that are not
  /// fields are refused when `strict`, else left alone. `source` names the text in errors.
  void apply_json(std::string_view json, std::string_view source, bool strict);
};

}  // namespace bitnet
