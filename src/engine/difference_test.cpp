#include "engine/difference.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

namespace bitnet {
namespace {

TEST(Difference, KnowsLargestMeanAndScale) {
  Difference difference;
  difference.add(std::vector<float>{1, 2}, std::vector<float>{1, 2.5F});
  difference.add(std::vector<float>{-3}, std::vector<float>{-2});
  const Comparison comparison = difference.comparison("x");
  EXPECT_EQ(comparison.name, "x");
  EXPECT_EQ(comparison.elements, 3);
  EXPECT_DOUBLE_EQ(comparison.largest, 1);
  EXPECT_DOUBLE_EQ(comparison.mean, 0.5);
  EXPECT_DOUBLE_EQ(difference.reference_rms(), std::sqrt((1 + 6.25 + 4) / 3));
  EXPECT_TRUE(comparison.ok()) << "not judged yet";
}

TEST(Difference, WhatIsNotANumberIsInfinitelyFar) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const auto& [ours, theirs] : {std::pair{nan, 1.0F}, std::pair{1.0F, nan}}) {
    Difference difference;
    difference.add(std::vector{ours}, std::vector{theirs});
    EXPECT_FALSE(judge_network(difference.comparison("x"), true, 1).ok());
  }
}

TEST(Difference, AnArgmaxMayChangeOnlyWithinTheDifference) {
  Difference near_tie;  // a gap of 0.05 within a difference of 0.1
  near_tie.add_logits(std::vector<float>{1.0F, 1.1F}, std::vector<float>{1.05F, 1.0F});
  EXPECT_EQ(near_tie.comparison("x").argmax_changes, 0);
  Difference wrong;  // a gap of 0.1, each off by 0.06
  wrong.add_logits(std::vector<float>{0.94F, 0.96F}, std::vector<float>{1.0F, 0.9F});
  EXPECT_EQ(wrong.comparison("x").argmax_changes, 1);
  EXPECT_FALSE(wrong.comparison("x").ok());
}

TEST(Difference, WiderBoundsNeedAPossibleFlip) {
  Difference difference;
  difference.add(std::vector<float>(100, 1.0F), std::vector<float>(100, 1.002F));
  EXPECT_FALSE(judge_network(difference.comparison("x"), false, 1).ok());
  EXPECT_TRUE(judge_network(difference.comparison("x"), true, 1).ok());
  EXPECT_TRUE(judge_network(difference.comparison("x"), false, 3).ok()) << "larger values may differ by more";
  Difference everywhere;
  everywhere.add(std::vector<float>(100, 1.0F), std::vector<float>(100, 1.1F));
  EXPECT_FALSE(judge_network(everywhere.comparison("x"), true, 1).ok()) << "the mean is beyond a few flips";
}

}  // namespace
}  // namespace bitnet
