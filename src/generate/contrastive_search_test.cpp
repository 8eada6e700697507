#include <gtest/gtest.h>

#include <cmath>

#include "base/json.h"
#include "generate/generator.h"
#include "support/fake_model.h"

namespace bitnet::generate {
namespace {

using testing_support::FakeModel;
using testing_support::generate_all;
using testing_support::scrambled;
using Ids = std::vector<std::int32_t>;

/// The model of tests/oracle/contrastive_search.py.
FakeModel oracle_model(std::int64_t vocab, std::int64_t hidden_size) {
  return {vocab, testing_support::scrambled_logits(), hidden_size,
          [](std::span<const std::int32_t> ids, std::span<float> hidden) {
            for (std::size_t d = 0; d < hidden.size(); ++d) {
              const auto what = static_cast<std::uint32_t>(d);
              hidden[d] = static_cast<float>(scrambled(ids.last(1), 1000 + what)) / 32768.0F - 1.0F +
                          (static_cast<float>(scrambled(ids, 2000 + what)) / 32768.0F - 1.0F) / 4.0F;
            }
          }};
}

InferenceSettings contrastive(float alpha, std::int32_t top_k, std::int32_t max_new_tokens) {
  InferenceSettings s = testing_support::greedy_settings(max_new_tokens);
  s.penalty_alpha = alpha;
  s.top_k = top_k;
  return s;
}

TEST(ContrastiveSearch, IsThatOfTheOracle) {
  const Json oracle = read_json_file(BITNET_SOURCE_DIR "/tests/oracle/contrastive_search.json");
  std::vector<Ids> prompts;
  for (const Json& entry : oracle.at("cases")) {
    SCOPED_TRACE(entry.dump());
    InferenceSettings s = contrastive(entry.at("penalty_alpha"), entry.at("top_k"), oracle.at("max_new_tokens"));
    s.eos_token_id = {entry.at("eos_token_id").get<std::int32_t>()};
    FakeModel model = oracle_model(oracle.at("vocab"), oracle.at("hidden"));
    const auto results = generate_all(model, {entry.at("prompt").get<Ids>()}, s);
    EXPECT_EQ(results[0].outcomes[0].ids, entry.at("ids").get<Ids>());
    EXPECT_EQ(results[0].outcomes[0].cause == StopCause::eos,
              results[0].outcomes[0].ids.back() == s.eos_token_id.front());
    prompts.push_back(entry.at("prompt").get<Ids>());
  }
  EXPECT_GE(prompts.size(), 50U);
}

TEST(ContrastiveSearch, CandidatesAreComputedInOnePass) {
  FakeModel model = oracle_model(23, 6);
  const auto results = generate_all(model, {{1, 2}, {3}}, contrastive(0.6F, 4, 3));
  ASSERT_EQ(model.calls.size(), 4U);  // the prompts, then candidates for each of three tokens
  EXPECT_EQ(model.calls[0].size(), 2U);
  EXPECT_EQ(model.calls[1].size(), 8U);
  const auto& seen = static_cast<testing_support::FakeSequence&>(*results[1].outcomes[0].sequence).ids;
  EXPECT_EQ(seen.size(), 3U);
}

TEST(ContrastiveSearch, WhatIsForbiddenIsNoCandidate) {
  FakeModel model = oracle_model(23, 6);
  InferenceSettings s = contrastive(1.0F, 23, 20);  // the hidden states alone decide
  for (std::int32_t id = 3; id < 23; ++id) s.suppress_tokens.push_back(id);
  const auto results = generate_all(model, {{1}}, s);
  for (const std::int32_t id : results[0].outcomes[0].ids) EXPECT_LT(id, 3);
}

TEST(ContrastiveSearch, EndsWhenItMust) {
  FakeModel model = oracle_model(23, 6);
  int passes = 0;
  const auto results = generate_all(model, {{1}}, contrastive(0.6F, 4, 20), [&] { return ++passes == 3; });
  EXPECT_EQ(results[0].outcomes[0].ids.size(), 2U);
  EXPECT_EQ(results[0].outcomes[0].cause, StopCause::caller);
}

TEST(ContrastiveSearch, ScoresAreKept) {
  FakeModel model = oracle_model(23, 6);
  InferenceSettings s = contrastive(0.6F, 4, 5);
  s.output_scores = true;
  const auto results = generate_all(model, {{1}}, s);
  EXPECT_EQ(results[0].scores.size(), 5U);
  EXPECT_EQ(results[0].scores[0].size(), 23U);
}

}  // namespace
}  // namespace bitnet::generate
