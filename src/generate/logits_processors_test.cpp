#include "generate/logits_processors.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace bitnet::generate {
namespace {

constexpr float kNever = -std::numeric_limits<float>::infinity();

std::vector<float> run(LogitsProcessor&& processor, std::vector<float> logits, std::vector<std::int32_t> ids = {}) {
  processor.process(ids, logits);
  return logits;
}

TEST(LogitsProcessors, RepetitionPenaltyOnceForEachId) {
  EXPECT_EQ(run(RepetitionPenalty(2.0F), {4, -4, 1}, {0, 1, 0}), (std::vector<float>{2, -8, 1}));
}

TEST(LogitsProcessors, TopKKeepsTies) {
  EXPECT_EQ(run(TopK(2), {1, 3, 2, 2, 0}), (std::vector<float>{kNever, 3, 2, 2, kNever}));
  EXPECT_EQ(run(TopK(9), {1, 2}), (std::vector<float>{1, 2}));
}

TEST(LogitsProcessors, TopPKeepsTheSmallestSet) {
  const std::vector<float> logits = {std::log(0.5F), std::log(0.3F), std::log(0.2F)};
  EXPECT_EQ(run(TopP(0.75F), logits), (std::vector<float>{logits[0], logits[1], kNever}));
  EXPECT_EQ(run(TopP(0.4F), logits), (std::vector<float>{logits[0], kNever, kNever}));
  EXPECT_EQ(run(TopP(1e-9F), logits), (std::vector<float>{logits[0], kNever, kNever}));
}

TEST(LogitsProcessors, MinPIsRelativeToTheMostProbable) {
  const std::vector<float> logits = {std::log(0.6F), std::log(0.3F), std::log(0.1F)};
  EXPECT_EQ(run(MinP(0.4F), logits), (std::vector<float>{logits[0], logits[1], kNever}));
}

TEST(LogitsProcessors, OrderIsTheReferences) {
  InferenceSettings s;
  s.min_p = 0.1F;
  const auto list = make_logits_processors(s, 1, 100);
  ASSERT_EQ(list.size(), 5U);
  EXPECT_NE(dynamic_cast<RepetitionPenalty*>(list[0].get()), nullptr);
  EXPECT_NE(dynamic_cast<Temperature*>(list[1].get()), nullptr);
  EXPECT_NE(dynamic_cast<TopK*>(list[2].get()), nullptr);
  EXPECT_NE(dynamic_cast<TopP*>(list[3].get()), nullptr);
  EXPECT_NE(dynamic_cast<MinP*>(list[4].get()), nullptr);
  s.do_sample = false;
  EXPECT_EQ(make_logits_processors(s, 1, 100).size(), 1U);
}

}  // namespace
}  // namespace bitnet::generate
