#include "generate/generator.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>
#include <limits>

#include "bitnet/error.h"
#include "generate/logits_processors.h"
#include "generate/token_chooser.h"

namespace bitnet::generate {
namespace {

/// Prefers (last + 1) mod vocab; records what it was asked.
class CountingModel final : public StepModel {
 public:
  explicit CountingModel(std::int32_t vocab, std::int64_t context = 1000) : context_(context), logits_(vocab) {}
  [[nodiscard]] std::int64_t context_length() const override { return context_; }
  std::span<float> append(std::span<const std::int32_t> ids, const backend::TopRows& needed) override {
    keeps.push_back(needed.keep);
    calls.emplace_back(ids.begin(), ids.end());
    const auto vocab = static_cast<std::int32_t>(logits_.size());
    for (std::int32_t i = 0; i < vocab; ++i) {
      logits_[static_cast<std::size_t>(i)] = i == (ids.back() + 1) % vocab ? 5.0F : static_cast<float>(i) * 0.01F;
    }
    return logits_;
  }
  std::vector<std::vector<std::int32_t>> calls;
  std::vector<std::int64_t> keeps;

 private:
  std::int64_t context_;
  std::vector<float> logits_;
};

InferenceSettings greedy(int max_new_tokens) {
  InferenceSettings s;
  s.do_sample = false;
  s.repetition_penalty = 1.0F;
  s.max_new_tokens = max_new_tokens;
  return s;
}

TEST(Generator, GreedyCountsUpAndStopsAtLength) {
  CountingModel model(10);
  const std::int32_t prompt[] = {3, 4};
  const Outcome out = generate(model, prompt, prompt, greedy(4), {});
  EXPECT_EQ(out.ids, (std::vector<std::int32_t>{5, 6, 7, 8}));
  EXPECT_EQ(out.cause, StopCause::length);
  // The prompt goes in at once, then one token at a time; the last one is never computed.
  EXPECT_EQ(model.calls, (std::vector<std::vector<std::int32_t>>{{3, 4}, {5}, {6}, {7}}));
}

// The model may leave out logits that no setting looks at, and only those.
TEST(Generator, AsksForTheLogitsThatDecide) {
  const auto kept = [](const InferenceSettings& settings) {
    CountingModel model(10);
    const std::int32_t prompt[] = {3, 4};
    (void)generate(model, prompt, prompt, settings, {});
    return model.keeps.front();
  };
  InferenceSettings s = greedy(1);
  EXPECT_EQ(kept(s), 1);
  s.repetition_penalty = 1.2F;
  EXPECT_EQ(kept(s), 1);
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

TEST(Generator, OnlyFreshTokensAreComputed) {
  CountingModel model(10);
  const std::int32_t prompt[] = {1, 2, 3};
  (void)generate(model, prompt, std::span(prompt).subspan(2), greedy(1), {});
  EXPECT_EQ(model.calls.front(), std::vector<std::int32_t>{3});
}

TEST(Generator, StopsAfterAnyEos) {
  CountingModel model(10);
  const std::int32_t prompt[] = {0};
  InferenceSettings s = greedy(9);
  s.eos_token_id = {8, 3};
  const Outcome out = generate(model, prompt, prompt, s, {});
  EXPECT_EQ(out.ids, (std::vector<std::int32_t>{1, 2, 3}));
  EXPECT_EQ(out.cause, StopCause::eos);
  s.ignore_eos = true;
  EXPECT_EQ(generate(model, prompt, prompt, s, {}).ids.size(), 9U);
}

TEST(Generator, CallerStops) {
  CountingModel model(10);
  const std::int32_t prompt[] = {0};
  const Outcome out = generate(model, prompt, prompt, greedy(9), [](std::int32_t id) { return id != 2; });
  EXPECT_EQ(out.ids, (std::vector<std::int32_t>{1, 2}));
  EXPECT_EQ(out.cause, StopCause::caller);
}

TEST(Generator, BudgetFollowsTheSettingsThatWin) {
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

TEST(TokenChooser, ArgmaxTakesTheFirstOfTies) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(argmax(std::vector<float>{1, 3, 3, 2}), 1);
  EXPECT_EQ(argmax(std::vector<float>{kNan, kNever, -7}), 2);
}

// Frequencies of a fixed seed against the softmax: chi-square with 5 degrees of freedom stays under 20.5 with
// probability 0.999.
TEST(TokenChooser, DrawsFollowTheDistribution) {
  const std::vector<float> logits = {0.0F, 1.0F, -1.0F, 2.0F, 0.5F, kNever, -0.5F};
  double total = 0;
  for (const float logit : logits) total += std::exp(static_cast<double>(logit));
  constexpr int kDraws = 200000;
  std::vector<int> counts(logits.size());
  Sampler sampler(2026);
  for (int i = 0; i < kDraws; ++i) ++counts[static_cast<std::size_t>(sampler.draw(logits))];
  EXPECT_EQ(counts[5], 0);
  double chi_square = 0;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (logits[i] == kNever) continue;
    const double expected = kDraws * std::exp(static_cast<double>(logits[i])) / total;
    chi_square += (counts[i] - expected) * (counts[i] - expected) / expected;
  }
  EXPECT_LT(chi_square, 20.5);
}

TEST(TokenChooser, NothingToChooseIsAnError) {
  Sampler sampler(1);
  EXPECT_THROW((void)sampler.draw(std::vector<float>{kNever, kNever}), Error);
}

RC_GTEST_PROP(TokenChooser, SameSeedSameTokens, (std::uint64_t seed)) {
  const auto draw_all = [&] {
    CountingModel model(10);
    InferenceSettings s = greedy(20);
    s.do_sample = true;
    s.temperature = 3.0F;
    s.seed = seed;
    const std::int32_t prompt[] = {0};
    return generate(model, prompt, prompt, s, {}).ids;
  };
  RC_ASSERT(draw_all() == draw_all());
}

}  // namespace
}  // namespace bitnet::generate
