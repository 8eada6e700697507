#include "generate/settings_check.h"

#include <gtest/gtest.h>

#include <limits>
#include <map>

#include "bitnet/error.h"

namespace bitnet {
namespace {

using S = InferenceSettings;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

std::string error_of(const S& settings) {
  try {
    settings.validate();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::invalid_argument);
    return error.what();
  }
  return "";
}

struct BadValue {
  const char* name;
  void (*change)(S&);
};

constexpr BadValue kOutOfRange[] = {
    {"temperature", [](S& s) { s.temperature = -1; }},
    {"temperature", [](S& s) { s.temperature = kNan; }},
    {"temperature", [](S& s) { s.temperature = kInfinity; }},
    {"temperature", [](S& s) { s.do_sample = false, s.temperature = kNan; }},
    {"top_k", [](S& s) { s.top_k = -1; }},
    {"top_p", [](S& s) { s.top_p = -0.5F; }},
    {"top_p", [](S& s) { s.top_p = 1.5F; }},
    {"top_p", [](S& s) { s.top_p = kNan; }},
    {"min_p", [](S& s) { s.min_p = -0.1F; }},
    {"min_p", [](S& s) { s.min_p = 1.1F; }},
    {"min_p", [](S& s) { s.min_p = kNan; }},
    {"typical_p", [](S& s) { s.typical_p = 0; }},
    {"typical_p", [](S& s) { s.typical_p = 1.5F; }},
    {"typical_p", [](S& s) { s.typical_p = kNan; }},
    {"epsilon_cutoff", [](S& s) { s.epsilon_cutoff = -0.1F; }},
    {"epsilon_cutoff", [](S& s) { s.epsilon_cutoff = 1; }},
    {"epsilon_cutoff", [](S& s) { s.epsilon_cutoff = kNan; }},
    {"eta_cutoff", [](S& s) { s.eta_cutoff = -0.1F; }},
    {"eta_cutoff", [](S& s) { s.eta_cutoff = 1; }},
    {"eta_cutoff", [](S& s) { s.eta_cutoff = kNan; }},
    {"top_h", [](S& s) { s.top_h = -0.1F; }},
    {"top_h", [](S& s) { s.top_h = 1.1F; }},
    {"top_h", [](S& s) { s.top_h = kNan; }},
    {"repetition_penalty", [](S& s) { s.repetition_penalty = 0; }},
    {"repetition_penalty", [](S& s) { s.repetition_penalty = kInfinity; }},
    {"repetition_penalty", [](S& s) { s.repetition_penalty = kNan; }},
    {"max_new_tokens", [](S& s) { s.max_new_tokens = -1; }},
    {"max_length", [](S& s) { s.max_length = 0; }},
    {"min_length", [](S& s) { s.min_length = -1; }},
    {"min_new_tokens", [](S& s) { s.min_new_tokens = -1; }},
    {"max_time", [](S& s) { s.max_time = -1; }},
    {"max_time", [](S& s) { s.max_time = 1e10; }},
    {"max_time", [](S& s) { s.max_time = kNan; }},
    {"exponential_decay_length_penalty",
     [](S& s) {
       s.exponential_decay_length_penalty = {-1, 1.0F};
     }},
    {"exponential_decay_length_penalty",
     [](S& s) {
       s.exponential_decay_length_penalty = {1, 0.0F};
     }},
    {"exponential_decay_length_penalty",
     [](S& s) {
       s.exponential_decay_length_penalty = {1, kNan};
     }},
    {"batch_size", [](S& s) { s.batch_size = 0; }},
    {"num_return_sequences", [](S& s) { s.num_return_sequences = 0; }},
    {"num_beams", [](S& s) { s.num_beams = 0; }},
    {"num_beams", [](S& s) { s.num_beams = 1025; }},
    {"num_beam_groups", [](S& s) { s.num_beam_groups = 0; }},
    {"length_penalty", [](S& s) { s.length_penalty = kNan; }},
    {"length_penalty", [](S& s) { s.length_penalty = -kInfinity; }},
    {"diversity_penalty", [](S& s) { s.diversity_penalty = -1; }},
    {"diversity_penalty", [](S& s) { s.diversity_penalty = kNan; }},
    {"penalty_alpha", [](S& s) { s.penalty_alpha = -0.1F; }},
    {"penalty_alpha", [](S& s) { s.do_sample = false, s.penalty_alpha = 1.1F; }},
    {"penalty_alpha", [](S& s) { s.penalty_alpha = kNan; }},
    {"prompt_lookup_num_tokens", [](S& s) { s.prompt_lookup_num_tokens = -1; }},
    {"max_matching_ngram_size", [](S& s) { s.max_matching_ngram_size = 0; }},
    {"no_repeat_ngram_size", [](S& s) { s.no_repeat_ngram_size = -1; }},
    {"bad_words_ids",
     [](S& s) {
       s.bad_words_ids = {{1}, {}};
     }},
    {"bad_words_ids",
     [](S& s) {
       s.bad_words_ids = {{1, -1}};
     }},
    {"sequence_bias",
     [](S& s) {
       s.sequence_bias = {{{}, 1.0F}};
     }},
    {"sequence_bias",
     [](S& s) {
       s.sequence_bias = {{{-1}, 1.0F}};
     }},
    {"sequence_bias",
     [](S& s) {
       s.sequence_bias = {{{1}, kNan}};
     }},
    {"suppress_tokens", [](S& s) { s.suppress_tokens = {-1}; }},
    {"begin_suppress_tokens",
     [](S& s) {
       s.begin_suppress_tokens = {3, -1};
     }},
    {"eos_token_id", [](S& s) { s.eos_token_id = {-1}; }},
    {"bos_token_id", [](S& s) { s.bos_token_id = -1; }},
    {"pad_token_id", [](S& s) { s.pad_token_id = -1; }},
    {"decoder_start_token_id", [](S& s) { s.decoder_start_token_id = -1; }},
    {"forced_bos_token_id", [](S& s) { s.forced_bos_token_id = -1; }},
    {"forced_eos_token_id", [](S& s) { s.forced_eos_token_id = -1; }},
    {"stop_strings", [](S& s) { s.stop_strings = {""}; }},
    {"threads", [](S& s) { s.threads = 0; }},
    {"threads", [](S& s) { s.threads = 1025; }},
};

TEST(InferenceSettings, RangesAreChecked) {
  for (const BadValue& bad : kOutOfRange) {
    S s;
    bad.change(s);
    const std::string error = error_of(s);
    EXPECT_EQ(error.rfind(bad.name, 0), 0U) << bad.name << ": " << error;
  }
}

struct Contradiction {
  const char* first;   ///< "field is value"
  const char* second;  ///< likewise
  void (*change)(S&);
};

constexpr Contradiction kContradictions[] = {
    {"temperature is 0", "do_sample is true", [](S& s) { s.temperature = 0; }},
    {"min_new_tokens is 6", "max_new_tokens is 5", [](S& s) { s.min_new_tokens = 6, s.max_new_tokens = 5; }},
    {"min_length is 6", "max_length is 5", [](S& s) { s.min_length = 6, s.max_length = 5, s.max_new_tokens.reset(); }},
    {"min_new_tokens is 6", "max_length is 5",
     [](S& s) { s.min_new_tokens = 6, s.max_length = 5, s.max_new_tokens.reset(); }},
    {"num_return_sequences is 5", "num_beams is 4", [](S& s) { s.num_beams = 4, s.num_return_sequences = 5; }},
    {"num_return_sequences is 2", "do_sample is false", [](S& s) { s.do_sample = false, s.num_return_sequences = 2; }},
    {"num_beam_groups is 3", "num_beams is 4",
     [](S& s) { s.do_sample = false, s.num_beams = 4, s.num_beam_groups = 3, s.diversity_penalty = 1; }},
    {"num_beam_groups is 2", "do_sample is true",
     [](S& s) { s.num_beams = 4, s.num_beam_groups = 2, s.diversity_penalty = 1; }},
    {"num_beam_groups is 2", "diversity_penalty is 0",
     [](S& s) { s.do_sample = false, s.num_beams = 4, s.num_beam_groups = 2; }},
    {"diversity_penalty is 1", "num_beam_groups is 1", [](S& s) { s.num_beams = 4, s.diversity_penalty = 1; }},
    {"penalty_alpha is 0.5", "do_sample is true", [](S& s) { s.penalty_alpha = 0.5F; }},
    {"penalty_alpha is 0.5", "num_beams is 2",
     [](S& s) { s.penalty_alpha = 0.5F, s.do_sample = false, s.num_beams = 2; }},
    {"penalty_alpha is 0.5", "top_k is 1", [](S& s) { s.penalty_alpha = 0.5F, s.do_sample = false, s.top_k = 1; }},
    {"penalty_alpha is 0.5", "num_return_sequences is 2",
     [](S& s) { s.penalty_alpha = 0.5F, s.do_sample = false, s.num_return_sequences = 2; }},
    {"penalty_alpha is 0.5", "prompt_lookup_num_tokens is 3",
     [](S& s) { s.penalty_alpha = 0.5F, s.do_sample = false, s.prompt_lookup_num_tokens = 3; }},
    {"prompt_lookup_num_tokens is 3", "num_beams is 2", [](S& s) { s.prompt_lookup_num_tokens = 3, s.num_beams = 2; }},
    {"prompt_lookup_num_tokens is 3", "output_hidden_states is true",
     [](S& s) { s.prompt_lookup_num_tokens = 3, s.output_hidden_states = true; }},
    {"prompt_lookup_num_tokens is 3", "output_attentions is true",
     [](S& s) { s.prompt_lookup_num_tokens = 3, s.output_attentions = true; }},
    {"prompt_lookup_num_tokens is 3", "use_cache is false",
     [](S& s) { s.prompt_lookup_num_tokens = 3, s.use_cache = false; }},
};

TEST(InferenceSettings, ContradictionsNameBothFields) {
  for (const Contradiction& bad : kContradictions) {
    S s;
    bad.change(s);
    const std::string error = error_of(s);
    EXPECT_EQ(error.rfind(bad.first, 0), 0U) << bad.first << ": " << error;
    EXPECT_NE(error.find(bad.second), std::string::npos) << bad.second << ": " << error;
  }
}

TEST(InferenceSettings, WhatHasNoEffectOrFitsIsAccepted) {
  const auto accepted = [](auto change) {
    S s;
    change(s);
    EXPECT_EQ(error_of(s), "");
  };
  accepted([](S& s) { s.do_sample = false, s.temperature = 0; });  // checkpoints for greedy search carry such
  accepted([](S& s) { s.num_beams = 4, s.num_return_sequences = 4; });
  accepted([](S& s) { s.num_return_sequences = 3; });
  accepted([](S& s) { s.do_sample = false, s.num_beams = 4, s.num_beam_groups = 2, s.diversity_penalty = 0.5F; });
  accepted([](S& s) { s.do_sample = false, s.penalty_alpha = 0.6F, s.top_k = 4; });
  accepted([](S& s) { s.prompt_lookup_num_tokens = 10; });
  accepted([](S& s) { s.min_length = 6, s.max_length = 5; });  // max_new_tokens counts
  accepted([](S& s) { s.max_new_tokens = 0, s.max_time = 0; });
  accepted([](S& s) { s.top_p = 0, s.min_p = 1, s.top_h = 1, s.top_k = 0; });
  accepted([](S& s) { s.length_penalty = -1; });
}

TEST(CheckTokenIds, NamesFieldIdAndVocabulary) {
  const std::map<std::string, void (*)(S&)> fields = {
      {"bad_words_ids",
       [](S& s) {
         s.bad_words_ids = {{1}, {2, 10}};
       }},
      {"sequence_bias",
       [](S& s) {
         s.sequence_bias = {{{10, 1}, 1.0F}};
       }},
      {"suppress_tokens",
       [](S& s) {
         s.suppress_tokens = {9, 10};
       }},
      {"begin_suppress_tokens", [](S& s) { s.begin_suppress_tokens = {10}; }},
      {"eos_token_id", [](S& s) { s.eos_token_id = {10}; }},
      {"bos_token_id", [](S& s) { s.bos_token_id = 10; }},
      {"pad_token_id", [](S& s) { s.pad_token_id = 10; }},
      {"decoder_start_token_id", [](S& s) { s.decoder_start_token_id = 10; }},
      {"forced_bos_token_id", [](S& s) { s.forced_bos_token_id = 10; }},
      {"forced_eos_token_id", [](S& s) { s.forced_eos_token_id = 10; }},
  };
  for (const auto& [name, change] : fields) {
    S s;
    change(s);
    EXPECT_NO_THROW(generate::check_token_ids(s, 11)) << name;
    try {
      generate::check_token_ids(s, 10);
      ADD_FAILURE() << name;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::invalid_argument);
      EXPECT_EQ(std::string(error.what()),
                name + " holds the token id 10, but the vocabulary has 10 ids; expected 0 to 9");
    }
  }
}

}  // namespace
}  // namespace bitnet
