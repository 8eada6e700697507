#include "bitnet/settings.h"

#include <gtest/gtest.h>

#include <limits>

#include "bitnet/error.h"

namespace bitnet {
namespace {

std::string error_of(const InferenceSettings& settings) {
  try {
    settings.validate();
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

InferenceSettings from(const char* json) {
  InferenceSettings settings;
  settings.apply_json(json, "test", true);
  return settings;
}

TEST(InferenceSettings, DefaultsAreTheContract) {
  const InferenceSettings s;
  EXPECT_EQ(s.temperature, 0.7F);
  EXPECT_EQ(s.top_p, 0.9F);
  EXPECT_EQ(s.top_k, 50);
  EXPECT_EQ(s.repetition_penalty, 1.1F);
  EXPECT_EQ(s.max_new_tokens, 512);
  EXPECT_EQ(s.max_length, 4096);
  EXPECT_EQ(s.threads, 2);
  EXPECT_EQ(s.seed, 42U);
  EXPECT_TRUE(s.do_sample && s.use_cache && s.attention_mask);
  EXPECT_EQ(error_of(s), "");
}

TEST(InferenceSettings, ReadsJson) {
  const InferenceSettings s = from(R"({"do_sample": false, "temperature": 0.5, "top_k": 3, "eos_token_id": [4, 5],
      "stop_strings": "END", "max_new_tokens": null, "max_length": 15, "early_stopping": "never", "seed": 7})");
  EXPECT_FALSE(s.do_sample);
  EXPECT_EQ(s.temperature, 0.5F);
  EXPECT_EQ(s.eos_token_id, (std::vector<std::int32_t>{4, 5}));
  EXPECT_EQ(s.stop_strings, std::vector<std::string>{"END"});
  EXPECT_FALSE(s.max_new_tokens.has_value());
  EXPECT_EQ(s.max_length, 15);
  EXPECT_EQ(s.early_stopping, EarlyStopping::never);
  EXPECT_EQ(from(R"({"eos_token_id": 9})").eos_token_id, std::vector<std::int32_t>{9});
}

TEST(InferenceSettings, UnknownKeysAreRefusedWhenStrict) {
  EXPECT_THROW(from(R"({"temprature": 1})"), Error);
  InferenceSettings s;
  s.apply_json(R"({"transformers_version": "4.52", "temperature": 0.3})", "generation_config.json", false);
  EXPECT_EQ(s.temperature, 0.3F);
}

TEST(InferenceSettings, WrongTypesAreRefused) {
  for (const char* json :
       {R"({"top_k": "many"})", R"({"temperature": true})", R"({"do_sample": 1})", R"({"eos_token_id": [1, "x"]})",
        R"({"bad_words_ids": [1]})", R"({"stop_strings": 3})", R"({"top_k": 99999999999})", "[]", "{", ""}) {
    EXPECT_THROW(from(json), Error) << json;
  }
}

// Every field that does not work yet says so by its name, whatever its value is set to.
TEST(InferenceSettings, UnsupportedFieldsAreRefusedByName) {
  const std::pair<const char*, const char*> cases[] = {{"min_length", "3"},
                                                       {"min_new_tokens", "3"},
                                                       {"max_time", "1.5"},
                                                       {"batch_size", "2"},
                                                       {"num_return_sequences", "2"},
                                                       {"num_beams", "4"},
                                                       {"num_beam_groups", "2"},
                                                       {"early_stopping", "true"},
                                                       {"length_penalty", "2.0"},
                                                       {"diversity_penalty", "0.5"},
                                                       {"penalty_alpha", "0.6"},
                                                       {"no_repeat_ngram_size", "2"},
                                                       {"bad_words_ids", "[[1, 2]]"},
                                                       {"suppress_tokens", "[1]"},
                                                       {"remove_invalid_values", "true"},
                                                       {"decoder_start_token_id", "1"},
                                                       {"forced_bos_token_id", "1"},
                                                       {"forced_eos_token_id", "1"},
                                                       {"use_cache", "false"},
                                                       {"attention_mask", "false"},
                                                       {"output_attentions", "true"},
                                                       {"output_hidden_states", "true"},
                                                       {"output_scores", "true"},
                                                       {"return_dict_in_generate", "true"}};
  for (const auto& [name, value] : cases) {
    const std::string json = std::string("{\"") + name + "\": " + value + "}";
    const std::string message = error_of(from(json.c_str()));
    EXPECT_NE(message.find(name), std::string::npos) << json << " gave: " << message;
    EXPECT_NE(message.find("does not support it yet"), std::string::npos) << message;
  }
}

TEST(InferenceSettings, RangesAreChecked) {
  const auto expect_refused = [](auto change, const char* name) {
    InferenceSettings s;
    change(s);
    EXPECT_EQ(error_of(s).rfind(name, 0), 0U) << name << ": " << error_of(s);
  };
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  expect_refused([](auto& s) { s.temperature = 0; }, "temperature");
  expect_refused([](auto& s) { s.temperature = kNan; }, "temperature");
  expect_refused([](auto& s) { s.temperature = std::numeric_limits<float>::infinity(); }, "temperature");
  expect_refused([](auto& s) { s.top_k = -1; }, "top_k");
  expect_refused([](auto& s) { s.top_p = -0.5F; }, "top_p");
  expect_refused([](auto& s) { s.top_p = 1.5; }, "top_p");
  expect_refused([](auto& s) { s.top_p = kNan; }, "top_p");
  expect_refused([](auto& s) { s.min_p = -0.1F; }, "min_p");
  expect_refused([](auto& s) { s.repetition_penalty = 0; }, "repetition_penalty");
  expect_refused([](auto& s) { s.max_new_tokens = -1; }, "max_new_tokens");
  expect_refused([](auto& s) { s.max_length = 0; }, "max_length");
  expect_refused([](auto& s) { s.threads = 0; }, "threads");
  expect_refused([](auto& s) { s.stop_strings = {""}; }, "stop_strings");
  InferenceSettings greedy;
  greedy.do_sample = false;
  greedy.temperature = 0;  // not used, so not checked
  EXPECT_EQ(error_of(greedy), "");
}

}  // namespace
}  // namespace bitnet
