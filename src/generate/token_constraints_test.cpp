#include "generate/token_constraints.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

namespace bitnet::generate {
namespace {

using Ids = std::vector<std::int32_t>;
using Logits = std::vector<float>;

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kMost = std::numeric_limits<float>::max();

Logits processed(LogitsProcessor&& processor, Logits logits, const Ids& ids = {}) {
  processor.process(ids, logits);
  return logits;
}

/// What only_lowers() answers, and the ids that it names.
std::pair<bool, Ids> lowers(const LogitsProcessor& processor, const Ids& ids) {
  Ids lowered;
  const bool only = processor.only_lowers(ids, lowered);
  return {only, lowered};
}

TEST(SequenceBiasProcessor, BiasesWhatWouldCompleteASequence) {
  const std::vector<SequenceBias> biases = {{{2}, 1.0F}, {{7, 1}, -2.0F}, {{8, 7, 0}, 4.0F}, {{9, 7, 3}, 9.0F}};
  EXPECT_EQ(processed(SequenceBiasProcessor(biases), {0, 0, 0, 0}, {8, 8, 7}), (Logits{4, -2, 1, 0}));
  EXPECT_EQ(processed(SequenceBiasProcessor(biases), {0, 0, 0, 0}, {}), (Logits{0, 0, 1, 0}));
  // As in the reference, a sequence that is longer than what there is does not match, even if its beginning does.
  EXPECT_EQ(processed(SequenceBiasProcessor({{{7, 1}, -2.0F}}), {0, 0}, {7}), (Logits{0, 0}));
  EXPECT_EQ(processed(SequenceBiasProcessor({{{1}, 5.0F}, {{1}, 2.0F}}), {0, 0}, {}), (Logits{0, 2}))
      << "the last counts";
}

TEST(SequenceBiasProcessor, OnlyNegativeBiasesLower) {
  const SequenceBiasProcessor processor({{{2}, -1.0F}, {{7, 1}, 3.0F}});
  EXPECT_EQ(lowers(processor, {7, 7}).first, false);
  EXPECT_EQ(lowers(processor, {7, 6}), std::make_pair(true, Ids{2}));
}

TEST(NoBadWords, BansTheLastIdOfAWordAfterTheOthers) {
  const NoBadWords words({{1}, {3}, {5, 2}, {6, 0}}, {3});
  EXPECT_EQ(processed(NoBadWords(words), {0, 0, 0, 0}, {4, 5}), (Logits{0, kNever, kNever, 0})) << "3 is an EOS";
  auto [only, lowered] = lowers(words, {4, 5});
  std::sort(lowered.begin(), lowered.end());
  EXPECT_TRUE(only);
  EXPECT_EQ(lowered, (Ids{1, 2}));
}

TEST(RepetitionPenalty, OnceForEachId) {
  EXPECT_EQ(processed(RepetitionPenalty(2.0F), {4, -4, 1}, {0, 1, 0}), (Logits{2, -8, 1}));
  EXPECT_EQ(processed(RepetitionPenalty(2.0F, 1), {4, -4, 1}, {0, 1}), (Logits{4, -8, 1}))
      << "the first does not count";
  EXPECT_EQ(processed(RepetitionPenalty(2.0F, 9), {4, -4, 1}, {0, 1}), (Logits{4, -4, 1}));
  EXPECT_TRUE(lowers(RepetitionPenalty(2.0F), {0, 1}).first);
  EXPECT_FALSE(lowers(RepetitionPenalty(0.5F), {0, 1}).first);
}

TEST(NoRepeatNGram, BansTheCompletionOfWhatWasSeen) {
  const Ids ids = {1, 2, 3, 1, 2};
  EXPECT_EQ(processed(NoRepeatNGram(3), {0, 0, 0, 0}, ids), (Logits{0, 0, 0, kNever}));
  EXPECT_EQ(processed(NoRepeatNGram(1), {0, 0, 0, 0}, ids), (Logits{0, kNever, kNever, kNever}));
  EXPECT_EQ(processed(NoRepeatNGram(4), {0, 0, 0, 0}, ids), (Logits{0, 0, 0, 0}));
  EXPECT_EQ(processed(NoRepeatNGram(9), {0, 0, 0, 0}, ids), (Logits{0, 0, 0, 0}));
}

RC_GTEST_PROP(NoRepeatNGram, ObeyedToTheEndNoNGramAppearsTwice, ()) {
  constexpr std::int32_t kVocab = 4;
  const auto size = *rc::gen::inRange(1, 4);
  NoRepeatNGram processor(size);
  Ids ids;
  for (;;) {
    Logits logits(kVocab, 0.0F);
    processor.process(ids, logits);
    Ids allowed;
    for (std::int32_t id = 0; id < kVocab; ++id) {
      if (logits[static_cast<std::size_t>(id)] == 0.0F) allowed.push_back(id);
    }
    if (allowed.empty() || ids.size() > 100) break;
    ids.push_back(*rc::gen::elementOf(allowed));
  }
  std::set<Ids> seen;
  for (std::size_t i = 0; i + static_cast<std::size_t>(size) <= ids.size(); ++i) {
    const auto begin = ids.begin() + static_cast<std::ptrdiff_t>(i);
    RC_ASSERT(seen.emplace(begin, begin + size).second);
  }
}

TEST(SuppressTokens, NeverOrOnlyAtFirst) {
  EXPECT_EQ(processed(SuppressTokens({0, 2}), {1, 1, 1}, {1, 1, 1, 1}), (Logits{kNever, 1, kNever}));
  EXPECT_EQ(processed(SuppressTokensAtBegin({0, 2}, 2), {1, 1, 1}, {1, 1}), (Logits{kNever, 1, kNever}));
  EXPECT_EQ(processed(SuppressTokensAtBegin({0, 2}, 2), {1, 1, 1}, {1, 1, 1}), (Logits{1, 1, 1}));
  EXPECT_EQ(lowers(SuppressTokens({0, 2}), {1}), std::make_pair(true, Ids{0, 2}));
  EXPECT_EQ(lowers(SuppressTokensAtBegin({0}, 2), {1}), std::make_pair(true, Ids{}));
}

TEST(MinLength, NoEosBefore) {
  EXPECT_EQ(processed(MinLength(3, {1}), {0, 0}, {0, 0}), (Logits{0, kNever}));
  EXPECT_EQ(processed(MinLength(3, {1}), {0, 0}, {0, 0, 0}), (Logits{0, 0}));
  EXPECT_EQ(processed(MinNewTokensLength(2, 1, {1}), {0, 0}, {0, 0}), (Logits{0, kNever}));
  EXPECT_EQ(processed(MinNewTokensLength(2, 1, {1}), {0, 0}, {0, 0, 0}), (Logits{0, 0}));
}

TEST(ForcedTokens, AreTheOnlyChoiceAtTheirLength) {
  EXPECT_EQ(processed(ForcedEOSToken(3, {0, 2}), {5, 6, 7}, {1, 1}), (Logits{0, kNever, 0}));
  EXPECT_EQ(processed(ForcedEOSToken(3, {0, 2}), {5, 6, 7}, {1}), (Logits{5, 6, 7}));
  EXPECT_EQ(processed(ForcedBOSToken(1), {5, 6, 7}, {2}), (Logits{kNever, 0, kNever}));
  EXPECT_EQ(processed(ForcedBOSToken(1), {5, 6, 7}, {2, 2}), (Logits{5, 6, 7}));
  EXPECT_EQ(processed(ForcedBOSToken(1), {5, kNever, 7}, {2}), (Logits{kNever, 0, kNever})) << "whatever its logit was";
}

TEST(InfNanRemove, MakesEverythingFinite) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(processed(InfNanRemove(), {nan, kInfinity, -kInfinity, 3}), (Logits{0, kMost, -kMost, 3}));
  EXPECT_FALSE(lowers(InfNanRemove(), {}).first);
}

TEST(ExponentialDecay, RaisesEosAfterItsStart) {
  const auto processor = [] { return ExponentialDecayProcessor({1, 2.0F}, {0, 1}, 2); };
  EXPECT_EQ(processed(processor(), {1, -1, 5}, {9, 9, 9}), (Logits{1, -1, 5}));
  EXPECT_EQ(processed(processor(), {1, -1, 5}, {9, 9, 9, 9}), (Logits{2, 0, 5}));
  EXPECT_EQ(processed(processor(), {1, -1, 5}, {9, 9, 9, 9, 9}), (Logits{4, 2, 5}));
  EXPECT_TRUE(lowers(processor(), {9, 9, 9}).first);
  EXPECT_FALSE(lowers(processor(), {9, 9, 9, 9}).first);
  EXPECT_EQ(lowers(ExponentialDecayProcessor({0, 0.5F}, {1}, 0), {9}), std::make_pair(true, Ids{1}));
}

// A power beyond the range of numbers makes neither NaN nor infinity, and what cannot be chosen stays so.
TEST(ExponentialDecay, StaysFinite) {
  const Logits logits = processed(ExponentialDecayProcessor({0, 10.0F}, {0, 1, 2}, 0), {0, kNever, 3}, Ids(1000, 5));
  EXPECT_EQ(logits[0], 0.0F);
  EXPECT_EQ(logits[1], kNever);
  EXPECT_TRUE(std::isfinite(logits[2] / 0.01F) && logits[2] > 1e20F) << logits[2];
}

TEST(HammingDiversity, CountsWhatOtherGroupsTook) {
  Logits scores = {1, 1, 1, 1};
  hamming_diversity(Ids{2, 0, 2}, 0.5F, scores);
  EXPECT_EQ(scores, (Logits{0.5F, 1, 0, 1}));
}

}  // namespace
}  // namespace bitnet::generate
