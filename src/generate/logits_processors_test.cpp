#include "generate/logits_processors.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <functional>
#include <string>

namespace bitnet::generate {
namespace {

using S = InferenceSettings;
using Ids = std::vector<std::int32_t>;
using Logits = std::vector<float>;

/// No processor at all.
S plain() {
  S s;
  s.temperature = 1.0F;
  s.top_k = 0;
  s.top_p = 1.0F;
  s.repetition_penalty = 1.0F;
  s.eos_token_id = {1, 2};
  return s;
}

std::vector<std::string> names(const S& settings, std::int64_t prompt_length = 2) {
  std::vector<std::string> all;
  for (const auto& processor : make_logits_processors(settings, prompt_length, 9)) all.emplace_back(processor->name());
  return all;
}

Logits process(const S& settings, const Ids& ids, Logits logits, std::int64_t prompt_length = 2) {
  for (const auto& processor : make_logits_processors(settings, prompt_length, 9)) processor->process(ids, logits);
  return logits;
}

/// One setting by itself, what it makes of the logits 0, 1, 2, 3, 4, 5 after the ids 5, 4, 4 (a prompt of two and one
/// new token; the longest length is 9).
struct Effect {
  const char* processor;
  void (*set)(S&);
  Logits out;
  Ids ids = {5, 4, 4};
};

const std::vector<Effect> kEffects = {
    {"SequenceBiasLogitsProcessor",
     [](S& s) {
       s.sequence_bias = {{{4, 0}, 1.5F}};
     },
     {1.5F, 1, 2, 3, 4, 5}},
    {"RepetitionPenaltyLogitsProcessor", [](S& s) { s.repetition_penalty = 2.0F; }, {0, 1, 2, 3, 2, 2.5F}},
    {"NoRepeatNGramLogitsProcessor", [](S& s) { s.no_repeat_ngram_size = 2; }, {0, 1, 2, 3, kNever, 5}},
    {"NoBadWordsLogitsProcessor",
     [](S& s) {
       s.bad_words_ids = {{3}, {1}};
     },
     {0, 1, 2, kNever, 4, 5}},
    {"MinLengthLogitsProcessor", [](S& s) { s.min_length = 4; }, {0, kNever, kNever, 3, 4, 5}},
    {"MinNewTokensLengthLogitsProcessor", [](S& s) { s.min_new_tokens = 2; }, {0, kNever, kNever, 3, 4, 5}},
    {"ForcedBOSTokenLogitsProcessor",
     [](S& s) { s.forced_bos_token_id = 3; },
     {kNever, kNever, kNever, 0, kNever, kNever},
     {5}},
    {"ForcedEOSTokenLogitsProcessor",
     [](S& s) { s.forced_eos_token_id = 2; },
     {kNever, kNever, 0, kNever, kNever, kNever},
     {5, 4, 4, 4, 4, 4, 4, 4}},
    {"InfNanRemoveLogitsProcessor", [](S& s) { s.remove_invalid_values = true; }, {0, 1, 2, 3, 4, 5}},
    {"ExponentialDecayLengthPenalty",
     [](S& s) {
       s.exponential_decay_length_penalty = {0, 3.0F};
     },
     {0, 3, 6, 3, 4, 5}},
    {"SuppressTokensLogitsProcessor",
     [](S& s) {
       s.suppress_tokens = {0, 5};
     },
     {kNever, 1, 2, 3, 4, kNever}},
    {"SuppressTokensAtBeginLogitsProcessor",
     [](S& s) { s.begin_suppress_tokens = {0}; },
     {kNever, 1, 2, 3, 4, 5},
     {5, 4}},
    {"TemperatureLogitsWarper", [](S& s) { s.temperature = 0.5F; }, {0, 2, 4, 6, 8, 10}},
    {"TopHLogitsWarper", [](S& s) { s.top_h = 0.4F; }, {kNever, kNever, kNever, kNever, kNever, 5}},
    {"TopKLogitsWarper", [](S& s) { s.top_k = 2; }, {kNever, kNever, kNever, kNever, 4, 5}},
    {"TopPLogitsWarper", [](S& s) { s.top_p = 0.7F; }, {kNever, kNever, kNever, kNever, 4, 5}},
    {"MinPLogitsWarper", [](S& s) { s.min_p = 0.1F; }, {kNever, kNever, kNever, 3, 4, 5}},
    {"TypicalLogitsWarper", [](S& s) { s.typical_p = 0.2F; }, {kNever, kNever, kNever, kNever, 4, kNever}},
    {"EpsilonLogitsWarper", [](S& s) { s.epsilon_cutoff = 0.1F; }, {kNever, kNever, kNever, kNever, 4, 5}},
    {"EtaLogitsWarper", [](S& s) { s.eta_cutoff = 0.1F; }, {kNever, kNever, kNever, kNever, 4, 5}},
};

TEST(MakeLogitsProcessors, EachSettingHasItsProcessor) {
  EXPECT_EQ(names(plain()), std::vector<std::string>{});
  for (const Effect& effect : kEffects) {
    S s = plain();
    effect.set(s);
    EXPECT_EQ(names(s), std::vector<std::string>{effect.processor});
    EXPECT_EQ(process(s, effect.ids, {0, 1, 2, 3, 4, 5}), effect.out) << effect.processor;
  }
  S s = plain();
  s.renormalize_logits = true;
  EXPECT_EQ(names(s), std::vector<std::string>{"LogitNormalization"});
  EXPECT_NEAR(process(s, {0}, {1, 1})[0], -0.693147F, 1e-5F);
}

// ProcessorsGolden compares the order with the reference's; this one adds the two that the reference was not asked for.
TEST(MakeLogitsProcessors, AllTogetherStandInTheOrderOfTheTable) {
  S s = plain();
  std::vector<std::string> expected;
  for (const Effect& effect : kEffects) {
    effect.set(s);
    expected.emplace_back(effect.processor);
  }
  EXPECT_EQ(names(s), expected);
}

TEST(MakeLogitsProcessors, WarpersAreForSampling) {
  S s = plain();
  for (const Effect& effect : kEffects) effect.set(s);
  s.renormalize_logits = true;
  s.do_sample = false;
  const std::vector<std::string> all = names(s);
  ASSERT_EQ(all.size(), 13U);
  EXPECT_EQ(all[11], "SuppressTokensAtBeginLogitsProcessor");
  EXPECT_EQ(all[12], "LogitNormalization");
}

TEST(MakeLogitsProcessors, WithoutEosNothingKeepsItBack) {
  for (const bool ignored : {false, true}) {
    S s = plain();
    s.min_length = 4;
    s.min_new_tokens = 4;
    s.exponential_decay_length_penalty = {0, 3.0F};
    s.bad_words_ids = {{1}};
    s.ignore_eos = ignored;
    if (!ignored) s.eos_token_id.clear();
    EXPECT_EQ(names(s), std::vector<std::string>{"NoBadWordsLogitsProcessor"});
    EXPECT_EQ(process(s, {0}, {1, 1, 1})[1], kNever) << "1 is an ordinary word then";
  }
}

// The first free token after a forced one is the second.
TEST(MakeLogitsProcessors, BeginSuppressTokensComeAfterAForcedFirst) {
  S s = plain();
  s.begin_suppress_tokens = {0};
  s.forced_bos_token_id = 3;
  const Logits logits = {1, 1, 1, 1};
  EXPECT_EQ(process(s, {7}, logits, 1), (Logits{kNever, kNever, kNever, 0}));
  EXPECT_EQ(process(s, {7, 3}, logits, 1), (Logits{kNever, 1, 1, 1}));
  EXPECT_EQ(process(s, {7, 3}, logits, 2), (Logits{kNever, 1, 1, 1}));
  s.forced_bos_token_id.reset();
  EXPECT_EQ(process(s, {7}, logits, 1), (Logits{kNever, 1, 1, 1}));
}

// A beam that ends is replaced, so that each needs one more choice than there are EOS.
TEST(MakeLogitsProcessors, BeamsKeepMoreThanTheirEos) {
  for (const auto change : {+[](S& s) { s.top_k = 1; }, +[](S& s) { s.top_p = 0.01F; }, +[](S& s) { s.min_p = 1.0F; },
                            +[](S& s) { s.typical_p = 0.01F; }, +[](S& s) { s.epsilon_cutoff = 0.9F; },
                            +[](S& s) { s.eta_cutoff = 0.9F; }}) {
    const auto count = [&](S s) {
      change(s);
      const Logits out = process(s, {0}, {0, 1, 2, 3, 4, 5});
      return std::count_if(out.begin(), out.end(), [](float logit) { return logit != kNever; });
    };
    S s = plain();
    EXPECT_EQ(count(s), 1);
    s.num_beams = 2;
    EXPECT_EQ(count(s), 3);
    s.eos_token_id = {1};
    EXPECT_EQ(count(s), 2);
    s.ignore_eos = true;
    EXPECT_EQ(count(s), 2);
  }
}

/// Turns random settings on.
S random_settings() {
  S s = plain();
  const auto maybe = [] { return *rc::gen::inRange(0, 4) == 0; };
  s.do_sample = *rc::gen::arbitrary<bool>();
  if (maybe()) s.sequence_bias = {{{4}, 1.5F}, {{3, 5}, -2.0F}};
  if (maybe()) s.sequence_bias = {{{4}, -1.5F}, {{3, 5}, -2.0F}};
  if (maybe()) s.repetition_penalty = *rc::gen::element(0.7F, 1.1F, 2.0F);
  if (maybe()) s.no_repeat_ngram_size = *rc::gen::inRange(1, 4);
  if (maybe()) s.bad_words_ids = {{6}, {3, 7}};
  if (maybe()) s.min_length = *rc::gen::inRange(1, 9);
  if (maybe()) s.min_new_tokens = *rc::gen::inRange(1, 9);
  if (maybe()) s.forced_bos_token_id = 8;
  if (maybe()) s.forced_eos_token_id = 2;
  if (maybe()) s.exponential_decay_length_penalty = {2, *rc::gen::element(0.9F, 1.2F)};
  if (maybe()) s.suppress_tokens = {9, 10};
  if (maybe()) s.begin_suppress_tokens = {3, 11};
  if (maybe()) s.remove_invalid_values = true;
  if (maybe()) s.temperature = *rc::gen::element(0.3F, 2.5F);
  if (maybe()) s.top_h = 0.5F;
  if (maybe()) s.top_p = *rc::gen::element(0.3F, 0.9F);
  if (maybe()) s.min_p = 0.1F;
  if (maybe()) s.typical_p = *rc::gen::element(0.3F, 0.9F);
  if (maybe()) s.epsilon_cutoff = 0.05F;
  if (maybe()) s.eta_cutoff = 0.05F;
  if (maybe()) s.renormalize_logits = true;
  s.top_k = *rc::gen::inRange(1, 12);
  return s;
}

void check_that_the_largest_are_enough() {
  const S s = random_settings();
  const auto length = *rc::gen::inRange<std::size_t>(1, 9);
  const Ids ids = *rc::gen::container<Ids>(length, rc::gen::inRange(0, 12));
  const auto processors = make_logits_processors(s, 1, 9);
  Ids lowered;
  for (const auto& processor : processors) {
    if (!processor->only_lowers(ids, lowered)) return;
  }
  Logits all(24);
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<float>(*rc::gen::inRange(-500, 500)) / 100.0F;

  // The keep-th largest of the others, and all that is not smaller.
  const std::size_t keep = s.do_sample ? static_cast<std::size_t>(s.top_k) : 1;
  Logits others;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (std::find(lowered.begin(), lowered.end(), static_cast<std::int32_t>(i)) == lowered.end()) {
      others.push_back(all[i]);
    }
  }
  std::sort(others.begin(), others.end(), std::greater<>());
  const float least = others.size() < keep ? kNever : others[keep - 1];
  Logits some = all;
  for (float& logit : some) {
    if (logit < least) logit = kNever;
  }

  for (const auto& processor : processors) processor->process(ids, all);
  for (const auto& processor : processors) processor->process(ids, some);
  if (s.do_sample) {
    RC_ASSERT(some == all);
  } else {
    RC_ASSERT(std::max_element(some.begin(), some.end()) - some.begin() ==
              std::max_element(all.begin(), all.end()) - all.begin());
  }
}

// Who computes only the largest logits, and those that are made smaller where they could be among the largest, comes
// to the same: the same tokens to draw from with the same logits, or the same likeliest one.
RC_GTEST_PROP(OnlyLowers, TheLargestLogitsAreEnough, ()) {
  for (int i = 0; i < 20; ++i) check_that_the_largest_are_enough();
}

}  // namespace
}  // namespace bitnet::generate
