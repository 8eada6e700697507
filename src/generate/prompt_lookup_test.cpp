#include "generate/prompt_lookup.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <vector>

namespace bitnet::generate {
namespace {

using Ids = std::vector<std::int32_t>;

Ids draft(const Ids& ids, std::int64_t max_ngram, std::int64_t most) {
  const auto found = look_up_draft(ids, max_ngram, most);
  return {found.begin(), found.end()};
}

TEST(PromptLookup, TheLongestNgramWinsThenTheLatest) {
  EXPECT_EQ(draft({1, 2, 7, 3, 2, 8, 1, 2}, 2, 3), (Ids{7, 3, 2}));
  EXPECT_EQ(draft({1, 2, 7, 3, 2, 8, 1, 2}, 1, 3), (Ids{8, 1, 2}));
  EXPECT_EQ(draft({1, 2, 3, 1, 2, 4, 1, 2}, 2, 1), Ids{4});
}

TEST(PromptLookup, NothingToGuess) {
  EXPECT_EQ(draft({}, 2, 3), Ids{});
  EXPECT_EQ(draft({1}, 2, 3), Ids{});
  EXPECT_EQ(draft({1, 2, 3}, 2, 3), Ids{});
  EXPECT_EQ(draft({1, 1}, 2, 0), Ids{});
}

TEST(PromptLookup, AGuessEndsWhereTheContextDoes) { EXPECT_EQ(draft({5, 5}, 3, 9), Ids{5}); }

RC_GTEST_PROP(PromptLookup, WhatPrecedesTheGuessAgrees, ()) {
  const auto ids = *rc::gen::container<Ids>(rc::gen::inRange(0, 4));
  const auto found = look_up_draft(ids, *rc::gen::inRange(1, 5), *rc::gen::inRange(1, 5));
  const bool seen = !ids.empty() && std::find(ids.begin(), ids.end() - 1, ids.back()) != ids.end() - 1;
  RC_ASSERT(found.empty() != seen);
  if (!found.empty()) RC_ASSERT(*(&found.front() - 1) == ids.back());
}

}  // namespace
}  // namespace bitnet::generate
