#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>
#include <map>
#include <set>

#include "generate/generator.h"
#include "generate/warpers.h"
#include "support/fake_model.h"

namespace bitnet::generate {
namespace {

using testing_support::FakeModel;
using testing_support::generate_all;
using testing_support::scrambled_logits;
using Ids = std::vector<std::int32_t>;

InferenceSettings beams(std::int32_t count, std::int32_t max_new_tokens) {
  InferenceSettings s = testing_support::greedy_settings(max_new_tokens);
  s.num_beams = count;
  s.num_return_sequences = count;
  return s;
}

/// Every way to continue `prompt`, scored one by one: what a beam search that never drops a hypothesis finds.
struct Everything {
  FakeModel& model;
  const InferenceSettings& settings;
  Ids prompt;
  std::vector<std::pair<double, Ids>> found;

  void visit(const Ids& ids, double sum) {
    const auto length = static_cast<std::int64_t>(ids.size() - prompt.size());
    const auto& eos = settings.eos_token_id;
    const bool ended = length > 0 && std::find(eos.begin(), eos.end(), ids.back()) != eos.end();
    if (ended || length == *settings.max_new_tokens) {
      const double score = sum / std::pow(static_cast<double>(length), static_cast<double>(settings.length_penalty));
      found.emplace_back(score, Ids(ids.begin() + std::ssize(prompt), ids.end()));
      return;
    }
    std::vector<float> scores(static_cast<std::size_t>(model.vocab_size()));
    scrambled_logits()(ids, scores);
    LogitNormalization().process({}, scores);
    for (std::size_t id = 0; id < scores.size(); ++id) {
      Ids next = ids;
      next.push_back(static_cast<std::int32_t>(id));
      visit(next, sum + static_cast<double>(scores[id]));
    }
  }
};

RC_GTEST_PROP(BeamSearch, WideEnoughItFindsTheBestOfAll, ()) {
  const auto vocab = *rc::gen::inRange(2, 4);
  const auto length = *rc::gen::inRange(1, 4);
  InferenceSettings s = beams(64, length);  // ≥ 4^3: nothing is dropped
  s.num_return_sequences = 1;
  s.length_penalty = *rc::gen::element(-1.0F, 0.0F, 0.6F, 1.0F, 2.0F);
  s.early_stopping = EarlyStopping::never;
  if (*rc::gen::arbitrary<bool>()) s.eos_token_id = {1};
  const auto prompt = *rc::gen::nonEmpty(rc::gen::container<Ids>(rc::gen::inRange(0, vocab)));
  FakeModel model(vocab, scrambled_logits());
  Everything all{model, s, prompt, {}};
  all.visit(prompt, 0.0);
  const auto best = std::max_element(all.found.begin(), all.found.end());
  const auto results = generate_all(model, {prompt}, s);
  RC_ASSERT(results[0].outcomes[0].ids == best->second);
  RC_ASSERT(std::fabs(static_cast<double>(results[0].outcomes[0].score) - best->first) < 1e-4);
}

RC_GTEST_PROP(BeamSearch, ScoresAreThoseOfTheIdsAndFall, ()) {
  InferenceSettings s = beams(*rc::gen::inRange(2, 6), *rc::gen::inRange(1, 12));
  s.length_penalty = *rc::gen::element(-1.0F, 0.0F, 0.6F, 1.0F, 2.0F);
  s.early_stopping = *rc::gen::element(EarlyStopping::no, EarlyStopping::yes, EarlyStopping::never);
  s.eos_token_id = *rc::gen::element(Ids{}, Ids{1}, Ids{1, 2});
  const Ids prompt = {*rc::gen::inRange(0, 8), 3};
  FakeModel model(8, scrambled_logits());
  const auto results = generate_all(model, {prompt}, s);
  RC_ASSERT(results[0].outcomes.size() == static_cast<std::size_t>(s.num_beams));
  std::set<Ids> distinct;
  float last = std::numeric_limits<float>::infinity();
  for (const Outcome& outcome : results[0].outcomes) {
    Ids ids = prompt;
    double sum = 0;
    for (const std::int32_t id : outcome.ids) {
      std::vector<float> scores(8);
      scrambled_logits()(ids, scores);
      LogitNormalization().process({}, scores);
      sum += static_cast<double>(scores[static_cast<std::size_t>(id)]);
      ids.push_back(id);
    }
    const double length = std::pow(static_cast<double>(outcome.ids.size()), static_cast<double>(s.length_penalty));
    RC_ASSERT(std::fabs(sum / length - static_cast<double>(outcome.score)) < 1e-3 * (1 + std::fabs(sum / length)));
    RC_ASSERT(outcome.score <= last);
    RC_ASSERT(outcome.beam_indices.size() == outcome.ids.size());
    const auto& eos = s.eos_token_id;
    const bool ends = std::find(eos.begin(), eos.end(), outcome.ids.back()) != eos.end();
    RC_ASSERT(ends == (outcome.cause == StopCause::eos));
    RC_ASSERT(ends || static_cast<std::int32_t>(outcome.ids.size()) == *s.max_new_tokens);
    distinct.insert(outcome.ids);
    last = outcome.score;
  }
  RC_ASSERT(distinct.size() == results[0].outcomes.size());
}

RC_GTEST_PROP(BeamSearch, APromptsResultsAreTheSameInAnyCompany, ()) {
  InferenceSettings s = beams(3, 6);
  s.eos_token_id = {1};
  s.do_sample = *rc::gen::arbitrary<bool>();
  const auto prompts =
      *rc::gen::container<std::vector<Ids>>(rc::gen::nonEmpty(rc::gen::container<Ids>(rc::gen::inRange(0, 9))));
  FakeModel model(9, scrambled_logits());
  const auto together = generate_all(model, prompts, s);
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    const auto alone = generate_all(model, {prompts[i]}, s);
    for (std::size_t k = 0; k < 3; ++k) RC_ASSERT(together[i].outcomes[k].ids == alone[0].outcomes[k].ids);
  }
}

TEST(BeamSearch, ThePromptIsComputedOnceAndBeamsTogether) {
  FakeModel model(9, scrambled_logits());
  (void)generate_all(model, {{1, 2, 3}}, beams(4, 3));
  ASSERT_EQ(model.calls.size(), 3U);
  EXPECT_EQ(model.calls[0].size(), 1U);
  EXPECT_EQ(model.calls[1].size(), 4U);
  EXPECT_EQ(model.calls[1][0].size(), 1U);
}

TEST(BeamSearch, EarlyStoppingSaysWhenItIsEnough) {
  const auto passes = [](EarlyStopping early_stopping) {
    std::size_t sum = 0;
    for (std::int32_t first = 0; first < 9; ++first) {
      InferenceSettings s = beams(3, 20);
      s.eos_token_id = {1, 2};
      s.early_stopping = early_stopping;
      FakeModel model(9, scrambled_logits(0.5F));
      (void)generate_all(model, {{first}}, s);
      sum += model.calls.size();
    }
    return sum;
  };
  // As soon as enough are finished; when the score that an open one has now is worse; when the score that it would have
  // after the longest text, if all of the rest cost nothing, is.
  EXPECT_LT(passes(EarlyStopping::yes), passes(EarlyStopping::no));
  EXPECT_LT(passes(EarlyStopping::no), passes(EarlyStopping::never));
}

// Five tokens that end a text are the likeliest everywhere: two beams look at twelve continuations to find two others.
TEST(BeamSearch, BeamsGoOnBesideAnyNumberOfEos) {
  FakeModel model(8, [](std::span<const std::int32_t>, std::span<float> logits) {
    for (std::size_t i = 0; i < 8; ++i) logits[i] = (i < 5 ? 2.0F : 0.0F) - 0.1F * static_cast<float>(i);
  });
  InferenceSettings s = beams(2, 5);
  s.eos_token_id = {0, 1, 2, 3, 4};
  s.early_stopping = EarlyStopping::never;
  s.length_penalty = 4.0F;
  const auto results = generate_all(model, {{5}}, s);
  EXPECT_EQ(model.calls.size(), 5U);
  EXPECT_EQ(results[0].outcomes[0].ids.size(), 5U);
}

TEST(BeamSearch, MustEndReturnsWhatIsThere) {
  FakeModel model(9, scrambled_logits());
  int passes = 0;
  const auto results = generate_all(model, {{1}}, beams(3, 20), [&] { return ++passes == 4; });
  EXPECT_EQ(model.calls.size(), 4U);
  for (const Outcome& outcome : results[0].outcomes) {
    EXPECT_EQ(outcome.ids.size(), 4U);
    EXPECT_EQ(outcome.cause, StopCause::caller);
  }
}

TEST(BeamSearch, ACallerCanFinishHypotheses) {
  FakeModel model(9, scrambled_logits());
  const Ids prompt = {1};
  std::vector<Request> requests(1);
  requests[0].prompt = prompt;
  requests[0].sequence = std::make_unique<testing_support::FakeSequence>();
  requests[0].is_finished = [](std::span<const std::int32_t> ids) { return ids.back() == 4; };
  InferenceSettings s = beams(3, 10);
  const auto results = generate(model, std::move(requests), s, {});
  bool stopped = false;
  for (const Outcome& outcome : results[0].outcomes) {
    const auto four = std::find(outcome.ids.begin(), outcome.ids.end(), 4);
    EXPECT_TRUE(four == outcome.ids.end() || four == outcome.ids.end() - 1);
    stopped = stopped || outcome.cause == StopCause::caller;
  }
  EXPECT_TRUE(stopped);
}

TEST(BeamSearch, ScoresHaveARowForEachBeam) {
  FakeModel model(9, scrambled_logits());
  InferenceSettings s = beams(4, 3);
  s.output_scores = true;
  s.suppress_tokens = {2};
  const auto results = generate_all(model, {{1}}, s);
  ASSERT_EQ(results[0].scores.size(), 3U);
  EXPECT_EQ(results[0].scores[0].size(), 9U);
  EXPECT_EQ(results[0].scores[1].size(), 36U);
}

// Each group alone would take the same token; with a penalty that outweighs everything no two groups do.
TEST(BeamSearch, GroupsAvoidEachOther) {
  FakeModel model(9, scrambled_logits());
  InferenceSettings s = beams(6, 1);
  s.num_beam_groups = 3;
  s.diversity_penalty = 100.0F;
  const auto results = generate_all(model, {{1}}, s);
  std::set<std::int32_t> first;
  for (const Outcome& outcome : results[0].outcomes) first.insert(outcome.ids.front());
  EXPECT_EQ(first.size(), 6U);
}

TEST(BeamSearch, TheFirstGroupIsAPlainSearch) {
  FakeModel model(9, scrambled_logits());
  InferenceSettings s = beams(4, 6);
  s.num_beam_groups = 2;
  s.diversity_penalty = 1.5F;
  const auto grouped = generate_all(model, {{1, 5}}, s);
  const auto plain = generate_all(model, {{1, 5}}, beams(2, 6));
  for (const Outcome& want : plain[0].outcomes) {
    EXPECT_TRUE(std::any_of(grouped[0].outcomes.begin(), grouped[0].outcomes.end(),
                            [&](const Outcome& outcome) { return outcome.ids == want.ids; }));
  }
}

// One step of two beams: an unordered pair {a, b} of first tokens is kept out of four that are drawn without
// replacement; the first two that were drawn finish. P(first a, then b) = p_a · p_b / (1 - p_a).
TEST(BeamSearch, SampledBeamsAreDrawnWithoutReplacement) {
  constexpr int kDraws = 20000;
  const std::vector<float> logits = {0.0F, 1.0F, -1.0F, 0.5F, 1.5F};
  FakeModel model(5, [&](std::span<const std::int32_t>, std::span<float> out) {
    std::copy(logits.begin(), logits.end(), out.begin());
  });
  InferenceSettings s = beams(2, 1);
  s.do_sample = true;
  s.temperature = 1.0F;
  s.top_k = 0;
  s.top_p = 1.0F;
  std::map<std::set<std::int32_t>, int> counts;
  for (int i = 0; i < kDraws; ++i) {
    s.seed = static_cast<std::uint64_t>(i) * 977 + 5;
    const auto results = generate_all(model, {{0}}, s);
    ++counts[{results[0].outcomes[0].ids[0], results[0].outcomes[1].ids[0]}];
  }
  double total = 0;
  for (const float logit : logits) total += std::exp(static_cast<double>(logit));
  const auto p = [&](std::int32_t id) {
    return std::exp(static_cast<double>(logits[static_cast<std::size_t>(id)])) / total;
  };
  double chi_square = 0;
  for (std::int32_t a = 0; a < 5; ++a) {
    for (std::int32_t b = a + 1; b < 5; ++b) {
      const double pa = p(a);
      const double pb = p(b);
      const double expected = kDraws * pa * pb * (1 / (1 - pa) + 1 / (1 - pb));
      chi_square += std::pow(counts[{a, b}] - expected, 2) / expected;
    }
  }
  EXPECT_LT(chi_square, 27.9);  // 9 degrees of freedom, probability 0.999
}

}  // namespace
}  // namespace bitnet::generate
