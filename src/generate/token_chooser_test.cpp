#include "generate/token_chooser.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "bitnet/error.h"
#include "generate/logits_processors.h"

namespace bitnet::generate {
namespace {

TEST(TokenChooser, ArgmaxTakesTheFirstOfTies) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(argmax(std::vector<float>{1, 3, 3, 2}), 1);
  EXPECT_EQ(argmax(std::vector<float>{kNan, kNever, -7}), 2);
}

TEST(TokenChooser, ArgmaxLooksAtAllOfALargeVocabulary) {
  std::vector<float> logits(1000, kNever);
  for (const std::size_t place : {999, 640, 639, 130, 63}) {
    logits[place] = 3;  // the same as the ones after it
    EXPECT_EQ(argmax(logits), static_cast<std::int32_t>(place));
  }
  logits[998] = 4;
  EXPECT_EQ(argmax(logits), 998);
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

}  // namespace
}  // namespace bitnet::generate
