#include "generate/warpers.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

#include "generate/token_chooser.h"

namespace bitnet::generate {
namespace {

using Logits = std::vector<float>;

Logits warped(LogitsProcessor&& processor, Logits logits) {
  processor.process({}, logits);
  return logits;
}

Logits logs(const std::vector<double>& probabilities) {
  Logits logits;
  for (const double p : probabilities) logits.push_back(static_cast<float>(std::log(p)));
  return logits;
}

/// The ids that can still be chosen.
std::vector<std::size_t> kept(const Logits& logits) {
  std::vector<std::size_t> ids;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (logits[i] != kNever) ids.push_back(i);
  }
  return ids;
}

using Kept = std::vector<std::size_t>;

std::vector<double> softmax(const Logits& logits) {
  std::vector<double> p;
  const double most = *std::max_element(logits.begin(), logits.end());
  for (const float logit : logits) p.push_back(std::exp(static_cast<double>(logit) - most));
  const double total = std::accumulate(p.begin(), p.end(), 0.0);
  for (double& value : p) value /= total;
  return p;
}

TEST(Temperature, Divides) { EXPECT_EQ(warped(Temperature(0.5F), {1, kNever, -3}), (Logits{2, kNever, -6})); }

TEST(TopK, KeepsTies) {
  EXPECT_EQ(warped(TopK(2), {1, 3, 2, 2, 0}), (Logits{kNever, 3, 2, 2, kNever}));
  EXPECT_EQ(warped(TopK(1), {1, 3, 3, 2}), (Logits{kNever, 3, 3, kNever}));
  EXPECT_EQ(warped(TopK(9), {1, 2}), (Logits{1, 2}));
}

TEST(TopP, KeepsTheSmallestSet) {
  const Logits logits = logs({0.2, 0.5, 0.3});
  EXPECT_EQ(kept(warped(TopP(0.75F), logits)), (Kept{1, 2}));
  EXPECT_EQ(kept(warped(TopP(0.4F), logits)), (Kept{1}));
  EXPECT_EQ(kept(warped(TopP(0.0F), logits)), (Kept{1}));
  EXPECT_EQ(kept(warped(TopP(0.4F, 2), logits)), (Kept{1, 2}));
  EXPECT_EQ(kept(warped(TopP(0.4F, 9), logits)), (Kept{0, 1, 2}));
}

TEST(MinP, IsRelativeToTheMostProbable) {
  const Logits logits = logs({0.6, 0.3, 0.1});
  EXPECT_EQ(kept(warped(MinP(0.4F), logits)), (Kept{0, 1}));
  EXPECT_EQ(kept(warped(MinP(1.0F), logits)), (Kept{0}));
  EXPECT_EQ(kept(warped(MinP(1.0F, 2), logits)), (Kept{0, 1}));
}

TEST(Typical, KeepsWhatIsNearTheEntropy) {
  // -log p: 0.69, 1.39, 2.08, 2.08; entropy 1.21: the second is the most typical, then the first.
  const Logits logits = logs({0.5, 0.25, 0.125, 0.125});
  EXPECT_EQ(kept(warped(Typical(0.2F), logits)), (Kept{1}));
  EXPECT_EQ(kept(warped(Typical(0.3F), logits)), (Kept{0, 1}));
  EXPECT_EQ(kept(warped(Typical(0.8F), logits)), (Kept{0, 1, 2, 3})) << "ties stay";
  EXPECT_EQ(kept(warped(Typical(0.2F, 2), logits)), (Kept{0, 1}));
}

TEST(EpsilonCutoff, DropsWhatIsImprobable) {
  const Logits logits = logs({0.6, 0.3, 0.1});
  EXPECT_EQ(kept(warped(EpsilonCutoff(0.2F), logits)), (Kept{0, 1}));
  EXPECT_EQ(kept(warped(EpsilonCutoff(0.9F), logits)), (Kept{0})) << "the most probable one stays";
  EXPECT_EQ(kept(warped(EpsilonCutoff(0.9F, 2), logits)), (Kept{0, 1}));
}

TEST(EtaCutoff, DependsOnTheEntropy) {
  // Entropy 0.95: √0.25 · exp(-0.95) = 0.19 is less than 0.25.
  EXPECT_EQ(kept(warped(EtaCutoff(0.25F), logs({0.6, 0.22, 0.18}))), (Kept{0, 1}));
  // Entropy 0.57: √0.25 · exp(-0.57) = 0.28 is more than 0.25.
  EXPECT_EQ(kept(warped(EtaCutoff(0.25F), logs({0.74, 0.26}))), (Kept{0, 1}));
  EXPECT_EQ(kept(warped(EtaCutoff(0.25F), logs({0.9, 0.1}))), (Kept{0}));
  EXPECT_EQ(kept(warped(EtaCutoff(0.25F, 2), logs({0.9, 0.1}))), (Kept{0, 1}));
}

TEST(TopH, KeepsAShareOfTheEntropy) {
  const Logits logits = logs({0.25, 0.25, 0.25, 0.25});
  EXPECT_EQ(kept(warped(TopH(0.6F), logits)), (Kept{0, 1}));
  EXPECT_EQ(kept(warped(TopH(0.1F), logits)), (Kept{0})) << "the most probable one stays";
  EXPECT_EQ(kept(warped(TopH(1.0F), logits)), (Kept{0, 1, 2, 3}));
  EXPECT_EQ(kept(warped(TopH(1.0F), Logits(300, 0.0F))).size(), 100U);
}

TEST(LogitNormalization, MakesLogProbabilities) {
  const Logits out = warped(LogitNormalization(), {1, kNever, 3});
  EXPECT_NEAR(std::exp(static_cast<double>(out[0])) + std::exp(static_cast<double>(out[2])), 1.0, 1e-6);
  EXPECT_EQ(out[1], kNever);
  EXPECT_NEAR(out[2] - out[0], 2.0F, 1e-6F);
}

// Nothing that a broken model may give leads out of the arrays, or makes a choice out of what is none.
TEST(Warpers, BrokenLogitsStayUnchosen) {
  constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
  const std::vector<Logits> broken = {
      {}, {kNever, kNever}, {kNan, kNan}, {kNan, 1, kNever, 2}, Logits(100, kNan), {-kNever, 1, 2}};
  for (const Logits& logits : broken) {
    std::vector<std::unique_ptr<Warper>> warpers;
    warpers.push_back(std::make_unique<TopH>(0.5F));
    warpers.push_back(std::make_unique<TopK>(2));
    warpers.push_back(std::make_unique<TopP>(0.5F, 2));
    warpers.push_back(std::make_unique<MinP>(0.5F, 2));
    warpers.push_back(std::make_unique<Typical>(0.5F, 2));
    warpers.push_back(std::make_unique<EpsilonCutoff>(0.5F, 2));
    warpers.push_back(std::make_unique<EtaCutoff>(0.5F, 2));
    warpers.push_back(std::make_unique<LogitNormalization>());
    for (const auto& warper : warpers) {
      Logits out = logits;
      warper->process({}, out);
      for (std::size_t i = 0; i < out.size(); ++i) {
        EXPECT_TRUE(logits[i] > kNever || !(out[i] > kNever)) << warper->name() << ", token " << i;
      }
    }
  }
}

/// Different logits of a random size, some of them kNever.
Logits random_logits() {
  Logits logits;
  const auto size = *rc::gen::inRange<std::size_t>(1, 300);
  const auto spread = *rc::gen::inRange(1, 2000);
  for (std::size_t i = 0; i < size; ++i) {
    const bool banned = *rc::gen::inRange(0, 8) == 0 && i != 0;
    logits.push_back(banned ? kNever : static_cast<float>(*rc::gen::inRange(-spread, spread + 1)) / 100.0F);
  }
  return logits;
}

float random_share() { return static_cast<float>(*rc::gen::inRange(1, 1000)) / 1000.0F; }

// The definition: in ascending order, drop while the sum is at most 1 - p. Sums that differ in rounding alone may
// differ by a token there, so none may be near the limit.
RC_GTEST_PROP(TopP, IsItsDefinition, ()) {
  const Logits logits = random_logits();
  const float p = random_share();
  const auto min_keep = *rc::gen::inRange<std::size_t>(1, 4);
  const std::vector<double> probability = softmax(logits);
  Kept order = kept(logits);
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return logits[a] != logits[b] ? logits[a] < logits[b] : a > b;
  });
  double sum = 0;
  std::size_t dropped = 0;
  while (dropped + min_keep < order.size()) {
    sum += probability[order[dropped]];
    RC_PRE(std::fabs(sum - (1.0 - static_cast<double>(p))) > 1e-9);
    if (sum > 1.0 - static_cast<double>(p)) break;
    ++dropped;
  }
  order.erase(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(dropped));
  std::sort(order.begin(), order.end());
  RC_ASSERT(kept(warped(TopP(p, min_keep), logits)) == order);
}

// Every kept token is at least as typical as every dropped one, and without the least typical ones there is too little.
RC_GTEST_PROP(Typical, IsItsDefinition, ()) {
  const Logits logits = random_logits();
  const float p = random_share();
  const Kept chosen = kept(warped(Typical(p), logits));
  const std::vector<double> probability = softmax(logits);
  double entropy = 0;
  for (const std::size_t i : kept(logits)) {
    if (probability[i] > 0) entropy -= probability[i] * std::log(probability[i]);
  }
  const auto distance = [&](std::size_t i) { return std::fabs(-std::log(probability[i]) - entropy); };
  double farthest = 0;
  double mass = 0;
  for (const std::size_t i : chosen) farthest = std::max(farthest, distance(i)), mass += probability[i];
  RC_ASSERT(mass >= static_cast<double>(p) - 1e-9);
  double nearer = 0;
  for (const std::size_t i : chosen) nearer += distance(i) < farthest - 1e-4 ? probability[i] : 0.0;
  RC_ASSERT(nearer < static_cast<double>(p) + 1e-9);
  for (const std::size_t i : kept(logits)) {
    const bool is_chosen = std::find(chosen.begin(), chosen.end(), i) != chosen.end();
    RC_ASSERT(is_chosen || distance(i) > farthest - 1e-4);
  }
}

/// Chi-square stays below it with probability 1 - 1e-4, by degrees of freedom.
constexpr double kQuantile[] = {0.0,  15.1, 18.4, 21.1, 23.5, 25.7, 27.9, 29.9,
                                31.8, 33.7, 35.6, 37.4, 39.1, 40.9, 42.6, 44.3};

struct Drawn {
  const char* name;
  std::function<std::unique_ptr<Warper>()> make;
  std::function<bool(double p, double most)> keeps;  ///< of the 16 probabilities
  float temperature = 1.0F;
};

TEST(Sampler, DrawsWhatWarpersKeepAsOftenAsItsProbability) {
  // Probabilities in proportion to 16, 15, … 1 of 136; those of the first n sum to n(33 - n)/272.
  std::vector<double> shares;
  for (int i = 16; i >= 1; --i) shares.push_back(i / 136.0);
  const Logits logits = logs(shares);
  const std::vector<Drawn> cases = {
      {"temperature", [] { return std::make_unique<Temperature>(2.0F); }, [](double, double) { return true; }, 2.0F},
      {"top_k", [] { return std::make_unique<TopK>(5); }, [](double p, double) { return p > 11.5 / 136; }},
      {"top_p", [] { return std::make_unique<TopP>(0.6F); }, [](double p, double) { return p > 9.5 / 136; }},
      {"min_p", [] { return std::make_unique<MinP>(0.3F); }, [](double p, double most) { return p > 0.3 * most; }},
      // The entropy is -log of 10.03/136; the nearest are 10, 11, 9, 12, 8 (0.368 of all), then 13 (0.463).
      {"typical_p", [] { return std::make_unique<Typical>(0.4F); },
       [](double p, double) { return p > 7.5 / 136 && p < 13.5 / 136; }},
      {"epsilon_cutoff", [] { return std::make_unique<EpsilonCutoff>(0.05F); },
       [](double p, double) { return p > 0.05; }},
  };
  for (const Drawn& drawn : cases) {
    SCOPED_TRACE(drawn.name);
    std::vector<double> expected;
    for (const double p : shares) {
      expected.push_back(drawn.keeps(p, shares[0]) ? std::pow(p, 1.0 / static_cast<double>(drawn.temperature)) : 0.0);
    }
    const double total = std::accumulate(expected.begin(), expected.end(), 0.0);
    constexpr int kDraws = 20000;
    std::vector<int> counts(shares.size());
    Sampler sampler(2026);
    for (int i = 0; i < kDraws; ++i) {
      Logits step = logits;
      drawn.make()->process({}, step);
      ++counts[static_cast<std::size_t>(sampler.draw(step))];
    }
    double chi_square = 0;
    std::size_t choices = 0;
    for (std::size_t i = 0; i < counts.size(); ++i) {
      if (expected[i] == 0.0) {
        EXPECT_EQ(counts[i], 0) << "token " << i;
        continue;
      }
      const double mean = kDraws * expected[i] / total;
      chi_square += (counts[i] - mean) * (counts[i] - mean) / mean;
      ++choices;
    }
    ASSERT_GE(choices, 2U);
    EXPECT_LT(chi_square, kQuantile[choices - 1]);
  }
}

}  // namespace
}  // namespace bitnet::generate
