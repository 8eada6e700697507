#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>

#include "bitnet/error.h"
#include "generate/generator.h"
#include "support/fake_model.h"

namespace bitnet::generate {
namespace {

using testing_support::FakeModel;
using testing_support::FakeSequence;
using testing_support::generate_all;
using testing_support::scrambled_logits;
using Ids = std::vector<std::int32_t>;

constexpr auto greedy = testing_support::greedy_settings;

/// Prefers (last + 1) mod 10.
FakeModel counting_model() {
  return {10, [](std::span<const std::int32_t> ids, std::span<float> logits) {
            for (std::int32_t i = 0; i < 10; ++i) {
              logits[static_cast<std::size_t>(i)] = i == (ids.back() + 1) % 10 ? 5.0F : static_cast<float>(i) * 0.01F;
            }
          }};
}

InferenceSettings sampled(std::int32_t max_new_tokens, std::uint64_t seed) {
  InferenceSettings s = greedy(max_new_tokens);
  s.do_sample = true;
  s.temperature = 1.5F;
  s.seed = seed;
  return s;
}

std::vector<Ids> ids_of(const std::vector<Result>& results) {
  std::vector<Ids> all;
  for (const Result& result : results) {
    for (const Outcome& outcome : result.outcomes) all.push_back(outcome.ids);
  }
  return all;
}

TEST(Sampling, GreedyCountsUpAndStopsAtLength) {
  FakeModel model = counting_model();
  const auto results = generate_all(model, {{3, 4}}, greedy(4));
  EXPECT_EQ(results[0].outcomes[0].ids, (Ids{5, 6, 7, 8}));
  EXPECT_EQ(results[0].outcomes[0].cause, StopCause::length);
  // The prompt goes in at once, then one token at a time; the last one is never computed.
  EXPECT_EQ(model.calls, (std::vector<std::vector<Ids>>{{{3, 4}}, {{5}}, {{6}}, {{7}}}));
  EXPECT_EQ(static_cast<FakeSequence&>(*results[0].outcomes[0].sequence).ids, (Ids{3, 4, 5, 6, 7}));
  EXPECT_TRUE(generate_all(model, {{3}}, greedy(0))[0].outcomes[0].ids.empty());
}

// The model may leave out logits that no setting looks at, and only those.
TEST(Sampling, AsksForTheLogitsThatDecide) {
  const auto kept = [](const InferenceSettings& settings) {
    FakeModel model = counting_model();
    (void)generate_all(model, {{3, 4}}, settings);
    return model.keeps.front();
  };
  InferenceSettings s = greedy(1);
  EXPECT_EQ(kept(s), 1);
  s.repetition_penalty = 1.2F;
  EXPECT_EQ(kept(s), 1);
  s.output_scores = true;
  EXPECT_EQ(kept(s), 0);
  s.output_scores = false;
  s.repetition_penalty = 0.9F;  // raises logits
  EXPECT_EQ(kept(s), 0);
  s.repetition_penalty = 1.2F;
  s.do_sample = true;
  s.top_k = 7;
  s.temperature = 0.5F;
  s.top_p = 0.9F;
  s.min_p = 0.1F;
  EXPECT_EQ(kept(s), 7);
  s.top_k = 0;
  EXPECT_EQ(kept(s), 0);
}

TEST(Sampling, OnlyFreshTokensAreComputed) {
  FakeModel model = counting_model();
  const Ids prompt = {1, 2, 3};
  auto sequence = std::make_unique<FakeSequence>();
  sequence->ids = {1, 2};
  std::vector<Request> requests(1);
  requests[0].prompt = prompt;
  requests[0].sequence = std::move(sequence);
  requests[0].seen = 2;
  (void)generate(model, std::move(requests), greedy(1), {});
  EXPECT_EQ(model.calls.front(), std::vector<Ids>{Ids{3}});
}

TEST(Sampling, StopsAfterAnyEos) {
  FakeModel model = counting_model();
  InferenceSettings s = greedy(9);
  s.eos_token_id = {8, 3};
  const auto results = generate_all(model, {{0}}, s);
  EXPECT_EQ(results[0].outcomes[0].ids, (Ids{1, 2, 3}));
  EXPECT_EQ(results[0].outcomes[0].cause, StopCause::eos);
  s.ignore_eos = true;
  EXPECT_EQ(generate_all(model, {{0}}, s)[0].outcomes[0].ids.size(), 9U);
}

TEST(Sampling, CallerStopsOneResultOrAllOfThem) {
  FakeModel model = counting_model();
  const Ids a = {0};
  const Ids b = {5};
  std::vector<Request> requests(2);
  requests[0].prompt = a;
  requests[1].prompt = b;
  for (Request& request : requests) request.sequence = std::make_unique<FakeSequence>();
  requests[0].on_token = [](std::int32_t, std::int32_t id) { return id != 2; };
  const auto results = generate(model, std::move(requests), greedy(4), {});
  EXPECT_EQ(results[0].outcomes[0].ids, (Ids{1, 2}));
  EXPECT_EQ(results[0].outcomes[0].cause, StopCause::caller);
  EXPECT_EQ(results[1].outcomes[0].ids, (Ids{6, 7, 8, 9}));

  int passes = 0;
  const auto ended = generate_all(model, {{0}, {5}}, greedy(9), [&] { return ++passes == 3; });
  EXPECT_EQ(ids_of(ended), (std::vector<Ids>{{1, 2, 3}, {6, 7, 8}}));
  EXPECT_EQ(ended[1].outcomes[0].cause, StopCause::caller);
}

TEST(Sampling, BudgetFollowsTheSettingsThatWin) {
  InferenceSettings s = greedy(5);
  EXPECT_EQ(token_budget(3, 100, s), 5);
  EXPECT_EQ(token_budget(97, 100, s), 3);  // the context ends
  s.max_new_tokens.reset();
  s.max_length = 10;
  EXPECT_EQ(token_budget(3, 100, s), 7);
  EXPECT_THROW((void)token_budget(10, 100, s), Error);
  EXPECT_THROW((void)token_budget(100, 100, s), Error);
  EXPECT_THROW((void)token_budget(0, 100, s), Error);
}

RC_GTEST_PROP(Sampling, APromptsTokensAreTheSameInAnyCompany, (std::uint64_t seed, bool do_sample)) {
  InferenceSettings s = sampled(8, seed);
  s.do_sample = do_sample;
  s.eos_token_id = {1};
  const auto prompts =
      *rc::gen::container<std::vector<Ids>>(rc::gen::nonEmpty(rc::gen::container<Ids>(rc::gen::inRange(0, 12))));
  FakeModel model(12, scrambled_logits());
  std::vector<Ids> alone;
  for (const Ids& prompt : prompts) alone.push_back(ids_of(generate_all(model, {prompt}, s)).front());
  RC_ASSERT(ids_of(generate_all(model, prompts, s)) == alone);
}

TEST(Sampling, ResultsOfOnePromptDifferAndTheFirstIsTheSingleOne) {
  FakeModel model(50, scrambled_logits());
  InferenceSettings s = sampled(20, 7);
  const Ids single = ids_of(generate_all(model, {{4, 2}}, s)).front();
  s.num_return_sequences = 3;
  const auto before = model.calls.size();
  const auto three = ids_of(generate_all(model, {{4, 2}}, s));
  EXPECT_EQ(model.calls[before].size(), 1U) << "the prompt is computed once";
  ASSERT_EQ(three.size(), 3U);
  EXPECT_EQ(three[0], single);
  EXPECT_NE(three[1], three[0]);
  EXPECT_NE(three[2], three[0]);
  EXPECT_NE(three[2], three[1]);
}

// A model that repeats itself, so that guesses are right often, and wrong often too.
FakeModel repeating_model() {
  return {6, [](std::span<const std::int32_t> ids, std::span<float> logits) {
            scrambled_logits(0.3F)(ids.last(1), logits);
            logits[static_cast<std::size_t>((ids.back() * 2 + 1) % 6)] += 2.0F;
          }};
}

RC_GTEST_PROP(Sampling, PromptLookupChangesNothing, (std::uint64_t seed, bool do_sample)) {
  InferenceSettings s = sampled(*rc::gen::inRange(1, 30), seed);
  s.do_sample = do_sample;
  s.temperature = 0.7F;
  s.repetition_penalty = *rc::gen::element(1.0F, 1.1F, 0.9F);
  s.output_scores = *rc::gen::arbitrary<bool>();
  if (*rc::gen::arbitrary<bool>()) s.eos_token_id = {2};
  s.num_return_sequences = do_sample ? *rc::gen::inRange(1, 3) : 1;
  const auto prompt = *rc::gen::nonEmpty(rc::gen::container<Ids>(rc::gen::inRange(0, 6)));
  FakeModel plain = repeating_model();
  const auto want = generate_all(plain, {prompt}, s);
  s.prompt_lookup_num_tokens = *rc::gen::inRange(1, 6);
  s.max_matching_ngram_size = *rc::gen::inRange(1, 4);
  FakeModel guessing = repeating_model();
  const auto got = generate_all(guessing, {prompt}, s);
  RC_ASSERT(ids_of(got) == ids_of(want));
  RC_ASSERT(got[0].scores == want[0].scores);
  RC_ASSERT(guessing.calls.size() <= plain.calls.size());
  for (const Outcome& outcome : got[0].outcomes) {
    Ids seen = prompt;
    seen.insert(seen.end(), outcome.ids.begin(), outcome.ids.end() - 1);
    RC_ASSERT(static_cast<FakeSequence&>(*outcome.sequence).ids == seen);
  }
}

TEST(Sampling, PromptLookupSavesPasses) {
  FakeModel model = counting_model();
  InferenceSettings s = greedy(40);
  s.prompt_lookup_num_tokens = 8;
  const auto results = generate_all(model, {{0, 1, 2}}, s);
  EXPECT_EQ(results[0].outcomes[0].ids.size(), 40U);
  EXPECT_LT(model.calls.size(), 20U);  // ten tokens until it repeats, then nine at a time
}

TEST(Sampling, ScoresAreWhatTheProcessorsLeave) {
  FakeModel model = counting_model();
  InferenceSettings s = greedy(3);
  s.repetition_penalty = 2.0F;
  s.output_scores = true;
  const auto results = generate_all(model, {{9, 0}}, s);
  ASSERT_EQ(results[0].scores.size(), 3U);
  ASSERT_EQ(results[0].scores[0].size(), 10U);
  EXPECT_FLOAT_EQ(results[0].scores[0][9], 0.045F);
  EXPECT_FLOAT_EQ(results[0].scores[0][1], 5.0F);
  EXPECT_FLOAT_EQ(results[0].scores[1][1], 0.005F);
}

TEST(Sampling, ScoresOfResultsThatHaveEndedAreZero) {
  FakeModel model(4, scrambled_logits(0.2F));
  InferenceSettings s = sampled(12, 3);
  s.num_return_sequences = 4;
  s.output_scores = true;
  s.eos_token_id = {1};
  const auto results = generate_all(model, {{0}}, s);
  std::size_t longest = 0;
  for (const Outcome& outcome : results[0].outcomes) longest = std::max(longest, outcome.ids.size());
  ASSERT_EQ(results[0].scores.size(), longest);
  bool some_ended = false;
  for (std::size_t t = 0; t < longest; ++t) {
    for (std::size_t row = 0; row < 4; ++row) {
      const bool ended = t >= results[0].outcomes[row].ids.size();
      const auto scores = std::span(results[0].scores[t]).subspan(row * 4, 4);
      EXPECT_EQ(std::all_of(scores.begin(), scores.end(), [](float x) { return x == 0.0F; }), ended);
      some_ended = some_ended || ended;
    }
  }
  EXPECT_TRUE(some_ended);
}

}  // namespace
}  // namespace bitnet::generate
