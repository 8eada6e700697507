#include "generate/settings_check.h"

#include <limits>
#include <span>

#include "base/fail.h"

namespace bitnet {
namespace {

using S = InferenceSettings;
constexpr float kMaxFloat = std::numeric_limits<float>::max();

/// Conditions are written so that NaN does not hold.
template <typename T>
void require(bool holds, const char* name, T value, const char* range) {
  if (!holds) fail(ErrorKind::invalid_argument, "{} is {}; expected {}", name, value, range);
}

/// Two values that contradict each other, and what to do about it.
template <typename A, typename B>
void forbid(bool holds, const char* name, A value, const char* other_name, B other, const char* advice) {
  if (holds) fail(ErrorKind::invalid_argument, "{} is {}, but {} is {}; {}", name, value, other_name, other, advice);
}

/// Calls visit(field's name, ids) for every field that holds token ids.
template <typename Visit>
void for_each_ids(const S& s, Visit visit) {
  const auto visit_one = [&](const char* name, const std::optional<std::int32_t>& id) {
    if (id) visit(name, std::span(&*id, 1));
  };
  for (const auto& word : s.bad_words_ids) visit("bad_words_ids", std::span(word));
  for (const SequenceBias& bias : s.sequence_bias) visit("sequence_bias", std::span(bias.ids));
  visit("suppress_tokens", std::span(s.suppress_tokens));
  visit("begin_suppress_tokens", std::span(s.begin_suppress_tokens));
  visit("eos_token_id", std::span(s.eos_token_id));
  visit_one("bos_token_id", s.bos_token_id);
  visit_one("pad_token_id", s.pad_token_id);
  visit_one("decoder_start_token_id", s.decoder_start_token_id);
  visit_one("forced_bos_token_id", s.forced_bos_token_id);
  visit_one("forced_eos_token_id", s.forced_eos_token_id);
}

void check_sampling(const S& s) {
  require(s.temperature >= 0 && s.temperature <= kMaxFloat, "temperature", s.temperature, "a number greater than 0");
  forbid(s.do_sample && s.temperature == 0, "temperature", s.temperature, "do_sample", s.do_sample,
         "sampling needs a temperature greater than 0 (do_sample false takes the likeliest token)");
  require(s.top_k >= 0, "top_k", s.top_k, "0 (off) or more");
  require(s.top_p >= 0 && s.top_p <= 1, "top_p", s.top_p, "a number in [0, 1]");
  require(s.min_p >= 0 && s.min_p <= 1, "min_p", s.min_p, "a number in [0, 1]");
  require(s.typical_p > 0 && s.typical_p <= 1, "typical_p", s.typical_p, "a number in (0, 1]");
  require(s.epsilon_cutoff >= 0 && s.epsilon_cutoff < 1, "epsilon_cutoff", s.epsilon_cutoff, "a number in [0, 1)");
  require(s.eta_cutoff >= 0 && s.eta_cutoff < 1, "eta_cutoff", s.eta_cutoff, "a number in [0, 1)");
  require(s.top_h >= 0 && s.top_h <= 1, "top_h", s.top_h, "a number in [0, 1]");
  require(s.repetition_penalty > 0 && s.repetition_penalty <= kMaxFloat, "repetition_penalty", s.repetition_penalty,
          "a number greater than 0");
}

void check_length(const S& s) {
  if (s.max_new_tokens) require(*s.max_new_tokens >= 0, "max_new_tokens", *s.max_new_tokens, "0 or more");
  require(s.max_length > 0, "max_length", s.max_length, "1 or more");
  require(s.min_length >= 0, "min_length", s.min_length, "0 or more");
  require(s.min_new_tokens >= 0, "min_new_tokens", s.min_new_tokens, "0 or more");
  if (s.max_new_tokens) {
    forbid(s.min_new_tokens > *s.max_new_tokens, "min_new_tokens", s.min_new_tokens, "max_new_tokens",
           *s.max_new_tokens, "expected at most that many");
  } else {
    forbid(s.min_length > s.max_length, "min_length", s.min_length, "max_length", s.max_length,
           "expected at most that many");
    forbid(s.min_new_tokens > s.max_length, "min_new_tokens", s.min_new_tokens, "max_length", s.max_length,
           "expected at most that many");
  }
  if (s.max_time) require(*s.max_time >= 0 && *s.max_time <= 1e9, "max_time", *s.max_time, "seconds in [0, 1e9]");
  if (const auto& decay = s.exponential_decay_length_penalty) {
    require(decay->start >= 0, "exponential_decay_length_penalty's start", decay->start, "0 or more");
    require(decay->factor > 0 && decay->factor <= kMaxFloat, "exponential_decay_length_penalty's factor", decay->factor,
            "a number greater than 0");
  }
}

void check_search(const S& s) {
  require(s.batch_size >= 1, "batch_size", s.batch_size, "1 or more");
  require(s.num_return_sequences >= 1 && s.num_return_sequences <= 1024, "num_return_sequences", s.num_return_sequences,
          "1 to 1024");
  require(s.num_beams >= 1 && s.num_beams <= 1024, "num_beams", s.num_beams, "1 (no beam search) to 1024");
  require(s.num_beam_groups >= 1, "num_beam_groups", s.num_beam_groups, "1 (no groups) or more");
  require(s.length_penalty >= -kMaxFloat && s.length_penalty <= kMaxFloat, "length_penalty", s.length_penalty,
          "a finite number");
  require(s.diversity_penalty >= 0 && s.diversity_penalty <= kMaxFloat, "diversity_penalty", s.diversity_penalty,
          "0 (off) or more");
  require(s.penalty_alpha >= 0 && s.penalty_alpha <= 1, "penalty_alpha", s.penalty_alpha, "a number in [0, 1]");
  require(s.prompt_lookup_num_tokens >= 0, "prompt_lookup_num_tokens", s.prompt_lookup_num_tokens, "0 (off) or more");
  require(s.max_matching_ngram_size >= 1, "max_matching_ngram_size", s.max_matching_ngram_size, "1 or more");

  forbid(s.num_beams > 1 && s.num_return_sequences > s.num_beams, "num_return_sequences", s.num_return_sequences,
         "num_beams", s.num_beams, "a beam search returns at most as many sequences as it has beams");
  forbid(s.num_beams == 1 && !s.do_sample && s.num_return_sequences > 1, "num_return_sequences", s.num_return_sequences,
         "do_sample", s.do_sample, "greedy search has one result: expected 1, or do_sample true, or num_beams");
  forbid(s.num_beams % s.num_beam_groups != 0, "num_beam_groups", s.num_beam_groups, "num_beams", s.num_beams,
         "expected a divisor of num_beams");
  forbid(s.num_beam_groups > 1 && s.do_sample, "num_beam_groups", s.num_beam_groups, "do_sample", s.do_sample,
         "groups of beams do not sample: set do_sample to false");
  forbid(s.num_beam_groups > 1 && s.diversity_penalty == 0, "num_beam_groups", s.num_beam_groups, "diversity_penalty",
         s.diversity_penalty, "groups need a penalty greater than 0, else they are all the same");
  forbid(s.diversity_penalty != 0 && s.num_beam_groups == 1, "diversity_penalty", s.diversity_penalty,
         "num_beam_groups", s.num_beam_groups, "it works between groups: expected 2 groups or more, or a penalty of 0");
}

/// Contrastive search and prompt lookup are modes of their own.
void check_modes(const S& s) {
  if (s.penalty_alpha > 0) {
    const auto refuse = [&](bool holds, const char* name, auto value, const char* expected) {
      forbid(holds, "penalty_alpha", s.penalty_alpha, name, value, expected);
    };
    refuse(s.do_sample, "do_sample", s.do_sample, "contrastive search needs do_sample false");
    refuse(s.num_beams > 1, "num_beams", s.num_beams, "contrastive search needs num_beams 1");
    refuse(s.top_k < 2, "top_k", s.top_k, "contrastive search needs a top_k of 2 or more, its candidates");
    refuse(s.num_return_sequences > 1, "num_return_sequences", s.num_return_sequences,
           "contrastive search has one result: expected 1");
    refuse(s.prompt_lookup_num_tokens > 0, "prompt_lookup_num_tokens", s.prompt_lookup_num_tokens,
           "contrastive search needs prompt_lookup_num_tokens 0");
  }
  if (s.prompt_lookup_num_tokens > 0) {
    const auto refuse = [&](bool holds, const char* name, auto value, const char* expected) {
      forbid(holds, "prompt_lookup_num_tokens", s.prompt_lookup_num_tokens, name, value, expected);
    };
    refuse(s.num_beams > 1, "num_beams", s.num_beams, "prompt lookup needs num_beams 1");
    refuse(!s.use_cache, "use_cache", s.use_cache, "prompt lookup needs use_cache true");
    const char* states = "states of wrong guesses would be among them: expected one of the two";
    refuse(s.output_hidden_states, "output_hidden_states", s.output_hidden_states, states);
    refuse(s.output_attentions, "output_attentions", s.output_attentions, states);
  }
}

void check_tokens(const S& s) {
  require(s.no_repeat_ngram_size >= 0, "no_repeat_ngram_size", s.no_repeat_ngram_size, "0 (off) or more");
  for_each_ids(s, [](const char* name, std::span<const std::int32_t> ids) {
    for (const std::int32_t id : ids) require(id >= 0, name, id, "token ids of 0 or more");
  });
  for (const auto& word : s.bad_words_ids) {
    if (word.empty()) fail(ErrorKind::invalid_argument, "bad_words_ids holds an empty word; expected at least one id");
  }
  for (const SequenceBias& bias : s.sequence_bias) {
    if (bias.ids.empty()) {
      fail(ErrorKind::invalid_argument, "sequence_bias holds an empty sequence; expected at least one id");
    }
    require(bias.bias >= -kMaxFloat && bias.bias <= kMaxFloat, "sequence_bias's bias", bias.bias, "a finite number");
  }
  for (const std::string& text : s.stop_strings) {
    if (text.empty()) fail(ErrorKind::invalid_argument, "stop_strings holds an empty string; it would match at once");
  }
}

}  // namespace

void InferenceSettings::validate() const {
  check_sampling(*this);
  check_length(*this);
  check_modes(*this);
  check_search(*this);
  check_tokens(*this);
  require(threads >= 1 && threads <= 1024, "threads", threads, "1 to 1024");
}

void generate::check_token_ids(const InferenceSettings& settings, std::int64_t vocab_size) {
  for_each_ids(settings, [&](const char* name, std::span<const std::int32_t> ids) {
    for (const std::int32_t id : ids) {
      if (id >= vocab_size) {
        fail(ErrorKind::invalid_argument, "{} holds the token id {}, but the vocabulary has {} ids; expected 0 to {}",
             name, id, vocab_size, vocab_size - 1);
      }
    }
  });
}

}  // namespace bitnet
