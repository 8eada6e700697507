#include "bitnet/settings.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <map>

#include "bitnet/error.h"

namespace bitnet {
namespace {

using S = InferenceSettings;

S from(const std::string& json) {
  S settings;
  settings.apply_json(json, "test", true);
  return settings;
}

template <typename T>
std::string text(const T& value) {
  return fmt::format("{}", value);
}
std::string text(const EarlyStopping& value) { return std::to_string(static_cast<int>(value)); }
std::string text(const SequenceBias& value);
std::string text(const ExponentialDecayLengthPenalty& value) { return fmt::format("{}:{}", value.start, value.factor); }
template <typename T>
std::string text(const std::optional<T>& value) {
  return value ? text(*value) : "unset";
}
template <typename T>
std::string text(const std::vector<T>& list) {
  std::string all = "[";
  for (const T& value : list) all += text(value) + ",";
  return all + "]";
}
std::string text(const SequenceBias& value) { return fmt::format("{}:{}", text(value.ids), value.bias); }

/// Every field by its name. Does not compile when InferenceSettings has a field that is not listed.
std::map<std::string, std::string> fields_of(const S& settings) {
  const auto& [do_sample, temperature, top_k, top_p, min_p, typical_p, epsilon_cutoff, eta_cutoff, top_h,
               repetition_penalty, renormalize_logits, seed, max_new_tokens, max_length, min_length, min_new_tokens,
               max_time, exponential_decay_length_penalty, batch_size, num_return_sequences, num_beams, num_beam_groups,
               early_stopping, length_penalty, diversity_penalty, penalty_alpha, prompt_lookup_num_tokens,
               max_matching_ngram_size, no_repeat_ngram_size, bad_words_ids, sequence_bias, suppress_tokens,
               begin_suppress_tokens, remove_invalid_values, eos_token_id, ignore_eos, bos_token_id, pad_token_id,
               decoder_start_token_id, forced_bos_token_id, forced_eos_token_id, stop_strings, prefix, system_prompt,
               threads, use_cache, attention_mask, output_attentions, output_hidden_states, output_scores,
               return_dict_in_generate] = settings;
  std::map<std::string, std::string> fields;
#define FIELD(name) fields[#name] = text(name)
  FIELD(do_sample);
  FIELD(temperature);
  FIELD(top_k);
  FIELD(top_p);
  FIELD(min_p);
  FIELD(typical_p);
  FIELD(epsilon_cutoff);
  FIELD(eta_cutoff);
  FIELD(top_h);
  FIELD(repetition_penalty);
  FIELD(renormalize_logits);
  FIELD(seed);
  FIELD(max_new_tokens);
  FIELD(max_length);
  FIELD(min_length);
  FIELD(min_new_tokens);
  FIELD(max_time);
  FIELD(exponential_decay_length_penalty);
  FIELD(batch_size);
  FIELD(num_return_sequences);
  FIELD(num_beams);
  FIELD(num_beam_groups);
  FIELD(early_stopping);
  FIELD(length_penalty);
  FIELD(diversity_penalty);
  FIELD(penalty_alpha);
  FIELD(prompt_lookup_num_tokens);
  FIELD(max_matching_ngram_size);
  FIELD(no_repeat_ngram_size);
  FIELD(bad_words_ids);
  FIELD(sequence_bias);
  FIELD(suppress_tokens);
  FIELD(begin_suppress_tokens);
  FIELD(remove_invalid_values);
  FIELD(eos_token_id);
  FIELD(ignore_eos);
  FIELD(bos_token_id);
  FIELD(pad_token_id);
  FIELD(decoder_start_token_id);
  FIELD(forced_bos_token_id);
  FIELD(forced_eos_token_id);
  FIELD(stop_strings);
  FIELD(prefix);
  FIELD(system_prompt);
  FIELD(threads);
  FIELD(use_cache);
  FIELD(attention_mask);
  FIELD(output_attentions);
  FIELD(output_hidden_states);
  FIELD(output_scores);
  FIELD(return_dict_in_generate);
#undef FIELD
  return fields;
}

struct FieldCase {
  const char* name;
  const char* json;  ///< a value that is not the default
  const char* text;  ///< how text() writes it
};

constexpr FieldCase kCases[] = {
    {"do_sample", "false", "false"},
    {"temperature", "0.25", "0.25"},
    {"top_k", "3", "3"},
    {"top_p", "0.5", "0.5"},
    {"min_p", "0.125", "0.125"},
    {"typical_p", "0.5", "0.5"},
    {"epsilon_cutoff", "0.25", "0.25"},
    {"eta_cutoff", "0.25", "0.25"},
    {"top_h", "0.5", "0.5"},
    {"repetition_penalty", "1.5", "1.5"},
    {"renormalize_logits", "true", "true"},
    {"seed", "18446744073709551615", "18446744073709551615"},
    {"max_new_tokens", "7", "7"},
    {"max_length", "99", "99"},
    {"min_length", "3", "3"},
    {"min_new_tokens", "4", "4"},
    {"max_time", "1.5", "1.5"},
    {"exponential_decay_length_penalty", "[5, 1.25]", "5:1.25"},
    {"batch_size", "2", "2"},
    {"num_return_sequences", "2", "2"},
    {"num_beams", "4", "4"},
    {"num_beam_groups", "2", "2"},
    {"early_stopping", "\"never\"", "2"},
    {"length_penalty", "-0.5", "-0.5"},
    {"diversity_penalty", "0.5", "0.5"},
    {"penalty_alpha", "0.5", "0.5"},
    {"prompt_lookup_num_tokens", "6", "6"},
    {"max_matching_ngram_size", "5", "5"},
    {"no_repeat_ngram_size", "2", "2"},
    {"bad_words_ids", "[[1, 2], [3]]", "[[1,2,],[3,],]"},
    {"sequence_bias", "[[[1, 2], -0.5], [[3], 2]]", "[[1,2,]:-0.5,[3,]:2,]"},
    {"suppress_tokens", "[1, 2]", "[1,2,]"},
    {"begin_suppress_tokens", "[3]", "[3,]"},
    {"remove_invalid_values", "true", "true"},
    {"eos_token_id", "[4, 5]", "[4,5,]"},
    {"ignore_eos", "true", "true"},
    {"bos_token_id", "6", "6"},
    {"pad_token_id", "6", "6"},
    {"decoder_start_token_id", "6", "6"},
    {"forced_bos_token_id", "6", "6"},
    {"forced_eos_token_id", "6", "6"},
    {"stop_strings", "[\"a\", \"b\"]", "[a,b,]"},
    {"prefix", "\"p\"", "p"},
    {"system_prompt", "\"s\"", "s"},
    {"threads", "3", "3"},
    {"use_cache", "false", "false"},
    {"attention_mask", "false", "false"},
    {"output_attentions", "true", "true"},
    {"output_hidden_states", "true", "true"},
    {"output_scores", "true", "true"},
    {"return_dict_in_generate", "true", "true"},
};

TEST(InferenceSettings, JsonSetsEveryFieldAndNoOther) {
  const auto defaults = fields_of(S{});
  ASSERT_EQ(std::size(kCases), defaults.size()) << "a field has no case here";
  for (const FieldCase& field : kCases) {
    SCOPED_TRACE(field.name);
    ASSERT_EQ(defaults.count(field.name), 1U);
    ASSERT_NE(defaults.at(field.name), field.text) << "the case has to differ from the default";
    S s;
    s.apply_json(fmt::format("{{\"{}\": {}}}", field.name, field.json), "test", false);
    auto expected = defaults;
    expected[field.name] = field.text;
    EXPECT_EQ(fields_of(s), expected);
    EXPECT_NO_THROW(from(fmt::format("{{\"{}\": {}}}", field.name, field.json))) << "strict";
  }
}

TEST(InferenceSettings, NullLeavesEveryFieldAsItIs) {
  for (const FieldCase& field : kCases) {
    S s;
    s.apply_json(fmt::format("{{\"{}\": {}}}", field.name, field.json), "test", true);
    auto expected = fields_of(s);
    s.apply_json(fmt::format("{{\"{}\": null}}", field.name), "test", true);
    if (field.name == std::string("max_new_tokens")) expected["max_new_tokens"] = "unset";
    EXPECT_EQ(fields_of(s), expected) << field.name;
  }
}

TEST(InferenceSettings, NoFieldTakesAnObject) {
  for (const FieldCase& field : kCases) {
    try {
      from(fmt::format("{{\"{}\": {{}}}}", field.name));
      ADD_FAILURE() << field.name;
    } catch (const Error& error) {
      EXPECT_EQ(std::string(error.what()).rfind(fmt::format("test: {} is {{}}; expected ", field.name), 0), 0U)
          << error.what();
    }
  }
}

TEST(InferenceSettings, DefaultsAreTheContract) {
  const S s;
  EXPECT_EQ(s.temperature, 0.7F);
  EXPECT_EQ(s.top_p, 0.9F);
  EXPECT_EQ(s.top_k, 50);
  EXPECT_EQ(s.repetition_penalty, 1.1F);
  EXPECT_EQ(s.max_new_tokens, 512);
  EXPECT_EQ(s.max_length, 4096);
  EXPECT_EQ(s.threads, 2);
  EXPECT_EQ(s.seed, 42U);
  EXPECT_TRUE(s.do_sample && s.use_cache && s.attention_mask);
  EXPECT_NO_THROW(s.validate());
}

TEST(InferenceSettings, OtherFormsOfJson) {
  EXPECT_EQ(from(R"({"eos_token_id": 9})").eos_token_id, std::vector<std::int32_t>{9});
  EXPECT_EQ(from(R"({"stop_strings": "END"})").stop_strings, std::vector<std::string>{"END"});
  EXPECT_EQ(from(R"({"early_stopping": true})").early_stopping, EarlyStopping::yes);
  EXPECT_EQ(from(R"({"early_stopping": false})").early_stopping, EarlyStopping::no);
  EXPECT_EQ(from(R"({"temperature": 1})").temperature, 1.0F);
}

// A checkpoint's max_length is a limit of the model; a user's is what was asked for.
TEST(InferenceSettings, AUsersMaxLengthIsNotOverruledByTheDefault) {
  EXPECT_FALSE(from(R"({"max_length": 15})").max_new_tokens.has_value());
  EXPECT_EQ(from(R"({"max_length": 15, "max_new_tokens": 9})").max_new_tokens, 9);
  S s;
  s.apply_json(R"({"max_length": 15})", "generation_config.json", false);
  EXPECT_EQ(s.max_new_tokens, 512);
}

TEST(InferenceSettings, UnknownKeysAreRefusedWhenStrict) {
  EXPECT_THROW(from(R"({"temprature": 1})"), Error);
  S s;
  s.apply_json(R"({"transformers_version": "4.52", "temperature": 0.3})", "generation_config.json", false);
  EXPECT_EQ(s.temperature, 0.3F);
}

TEST(InferenceSettings, WrongTypesAreRefused) {
  for (const char* json : {R"({"top_k": "many"})",
                           R"({"top_k": 1.5})",
                           R"({"temperature": true})",
                           R"({"temperature": 1e60})",
                           R"({"do_sample": 1})",
                           R"({"eos_token_id": [1, "x"]})",
                           R"({"eos_token_id": -1})",
                           R"({"bad_words_ids": [1]})",
                           R"({"stop_strings": 3})",
                           R"({"stop_strings": ["a", 3]})",
                           R"({"top_k": 99999999999})",
                           R"({"seed": -1})",
                           R"({"seed": 18446744073709551616})",
                           R"({"early_stopping": "always"})",
                           R"({"sequence_bias": [[[1], 2, 3]]})",
                           R"({"sequence_bias": [[1, 2]]})",
                           R"({"sequence_bias": [[[1], "a"]]})",
                           R"({"sequence_bias": [[[1], 1e300]]})",
                           R"({"sequence_bias": {"1": 2}})",
                           R"({"exponential_decay_length_penalty": [1]})",
                           R"({"exponential_decay_length_penalty": [1.5, 2]})",
                           R"({"exponential_decay_length_penalty": 3})",
                           R"({"suppress_tokens": 4})",
                           R"({"suppress_tokens": [4294967296]})",
                           R"({"pad_token_id": -1})",
                           "[]",
                           "{",
                           ""}) {
    EXPECT_THROW(from(json), Error) << json;
  }
}

}  // namespace
}  // namespace bitnet
