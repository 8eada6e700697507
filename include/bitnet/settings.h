#pragma once
/// The generation settings that users know from Hugging Face `generate`, with the same names and semantics.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bitnet {

/// When beam search ends: no: when a better hypothesis has become unlikely (judged at the current length); yes: as soon
/// as num_beams hypotheses are finished; never: when no better one is possible (judged at the longest length).
enum class EarlyStopping { no, yes, never };

/// A bias for the logit of the last id of `ids`, wherever the others have just been seen.
struct SequenceBias {
  std::vector<std::int32_t> ids;
  float bias = 0.0F;
};

/// From `start` new tokens on, an end-of-sequence token's logit grows by |logit| · (factor ^ (tokens since) - 1).
struct ExponentialDecayLengthPenalty {
  std::int32_t start = 0;
  float factor = 1.0F;
};

/// One generation's settings. A plain value; validate() says whether the values agree with each other.
///
/// Logits (greedy search, sampling) or log-probabilities (beams) pass through the processors in this order, the
/// reference's: diversity_penalty, sequence_bias, repetition_penalty, no_repeat_ngram_size, bad_words_ids, min_length,
/// min_new_tokens, forced_bos_token_id, forced_eos_token_id, remove_invalid_values, exponential_decay_length_penalty,
/// suppress_tokens, begin_suppress_tokens; then, only when do_sample: temperature, top_h, top_k, top_p, min_p,
/// typical_p, epsilon_cutoff, eta_cutoff; then renormalize_logits.
/// Generation stops at the first of: max length, max_time, stop strings, EOS.
struct InferenceSettings {
  // --- sampling
  bool do_sample = true;            ///< false: greedy, the first index on ties
  float temperature = 0.7F;         ///< divides the logits; > 0
  std::int32_t top_k = 50;          ///< keeps logits ≥ the k-th largest; 0: off
  float top_p = 0.9F;               ///< keeps the smallest set with this probability; in [0, 1]; 1: off
  float min_p = 0.0F;               ///< drops p < min_p · max p; in [0, 1]; 0: off
  float typical_p = 1.0F;           ///< keeps the most typical tokens with this probability; in (0, 1]; 1: off
  float epsilon_cutoff = 0.0F;      ///< drops p < epsilon_cutoff; in [0, 1); 0: off
  float eta_cutoff = 0.0F;          ///< drops p < min(eta, √eta · exp(-entropy)); in [0, 1); 0: off
  float top_h = 0.0F;               ///< keeps the likeliest tokens up to this share of the entropy; in [0, 1]; 0: off
  float repetition_penalty = 1.1F;  ///< logit < 0: × p, else ÷ p, once for each id seen; > 0; 1: off
  bool renormalize_logits = false;  ///< log-softmax after all processors
  std::uint64_t seed = 42;          ///< the same seed gives the same tokens, whatever the number of threads

  // --- length
  std::optional<std::int32_t> max_new_tokens = 512;  ///< wins over max_length; none: max_length counts
  std::int32_t max_length = 4096;                    ///< prompt + new tokens
  std::int32_t min_length = 0;                       ///< prompt + new tokens before an EOS may come
  std::int32_t min_new_tokens = 0;                   ///< new tokens before an EOS may come
  std::optional<double> max_time;                    ///< seconds since the start; what is there then is returned
  std::optional<ExponentialDecayLengthPenalty> exponential_decay_length_penalty;

  // --- beams and several results
  std::int32_t batch_size = 1;            ///< prompts of a list that are generated together
  std::int32_t num_return_sequences = 1;  ///< results for each prompt; at most num_beams in beam modes
  std::int32_t num_beams = 1;             ///< 1: no beam search
  std::int32_t num_beam_groups = 1;       ///< diverse beam search (Vijayakumar et al. 2016); divides num_beams
  EarlyStopping early_stopping = EarlyStopping::no;
  float length_penalty = 1.0F;     ///< a finished hypothesis scores Σ log p / (new tokens)^length_penalty
  float diversity_penalty = 0.0F;  ///< × how often an earlier group took the token in this step; > 0 with groups
  float penalty_alpha = 0.0F;      ///< contrastive search (Su et al. 2022) among top_k candidates; in [0, 1]; 0: off

  // --- prompt lookup: n-grams of the context as drafts (Saxena 2023). Changes speed, not the results
  std::int32_t prompt_lookup_num_tokens = 0;  ///< drafts of at most so many tokens; 0: off
  std::int32_t max_matching_ngram_size = 2;   ///< the longest n-gram that is looked up; ≥ 1

  // --- token constraints
  std::int32_t no_repeat_ngram_size = 0;                 ///< no n-gram appears twice, the prompt included; 0: off
  std::vector<std::vector<std::int32_t>> bad_words_ids;  ///< sequences that must not appear
  std::vector<SequenceBias> sequence_bias;
  std::vector<std::int32_t> suppress_tokens;        ///< must not appear
  std::vector<std::int32_t> begin_suppress_tokens;  ///< must not be the first new token
  bool remove_invalid_values = false;               ///< NaN → 0, ±inf → the largest and smallest finite value

  // --- special tokens; unset or empty: the checkpoint's
  std::vector<std::int32_t> eos_token_id;              ///< generation stops after any of them
  bool ignore_eos = false;                             ///< as if the model had no end-of-sequence token
  std::optional<std::int32_t> bos_token_id;            ///< an empty prompt starts with it
  std::optional<std::int32_t> pad_token_id;            ///< fills sequences that ended early; unset: the first EOS
  std::optional<std::int32_t> decoder_start_token_id;  ///< an empty prompt starts with it rather than with bos_token_id
  std::optional<std::int32_t> forced_bos_token_id;     ///< the only choice after a prompt of one token
  std::optional<std::int32_t> forced_eos_token_id;     ///< the only choice for the last token that the length allows

  // --- text
  std::vector<std::string> stop_strings;  ///< generation stops where one appears; it is not part of the text
  std::string prefix;                     ///< put before the prompt
  std::string system_prompt;              ///< first message of a chat

  // --- how to run
  std::int32_t threads = 2;
  bool use_cache = true;       ///< false: every step computes the whole sequence again; the same tokens
  bool attention_mask = true;  ///< pad_token_ids before a prompt are padding; false: ordinary tokens

  // --- what the result carries (Generation::details)
  bool output_attentions = false;
  bool output_hidden_states = false;
  bool output_scores = false;            ///< after the processors
  bool return_dict_in_generate = false;  ///< details even when none of the three above is set

  /// Throws Error(invalid_argument) for a value out of its range, naming field, value and range, and for two values
  /// that contradict each other, naming both.
  void validate() const;

  /// Overrides fields with those of a JSON object: a generation_config.json, or when `strict` what a user wrote, where
  /// keys that are not fields are refused and max_length without max_new_tokens unsets the latter. Null leaves a field
  /// as it is, but unsets max_new_tokens. `source` names the text in errors. Throws Error.
  void apply_json(std::string_view json, std::string_view source, bool strict);
};

}  // namespace bitnet
