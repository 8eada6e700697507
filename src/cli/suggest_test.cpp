#include "cli/suggest.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <vector>

namespace bitnet::cli {
namespace {

TEST(Suggest, CountsTheFourKindsOfMistakes) {
  EXPECT_EQ(edit_distance("verify", "verify"), 0);
  EXPECT_EQ(edit_distance("veriffy", "verify"), 1);
  EXPECT_EQ(edit_distance("verfy", "verify"), 1);
  EXPECT_EQ(edit_distance("verxfy", "verify"), 1);
  EXPECT_EQ(edit_distance("vreify", "verify"), 1);
  EXPECT_EQ(edit_distance("", "verify"), 6);
}

RC_GTEST_PROP(Suggest, DistanceIsSymmetricAndAtMostTheLongerLength, (const std::string& a, const std::string& b)) {
  RC_ASSERT(edit_distance(a, b) == edit_distance(b, a));
  RC_ASSERT(edit_distance(a, b) <= static_cast<int>(std::max(a.size(), b.size())));
  RC_ASSERT((edit_distance(a, b) == 0) == (a == b));
}

TEST(Suggest, NamesTheNearestOrNothing) {
  const std::vector<std::string> choices = {"run", "chat", "verify"};
  EXPECT_EQ(suggestion("chta", choices), "; did you mean 'chat'?");
  EXPECT_EQ(suggestion("perplexity", choices), "");
  EXPECT_EQ(suggestion("run", {}), "");
}

}  // namespace
}  // namespace bitnet::cli
