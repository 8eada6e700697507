#include "base/quote_name.h"

#include <gtest/gtest.h>

namespace bitnet {
namespace {

TEST(QuoteName, HidesControlCharactersAndKeepsTheRest) {
  EXPECT_EQ(quote_name("model.norm é"), "\"model.norm é\"");
  EXPECT_EQ(quote_name(std::string("a\nb\0c\x7f", 6)), "\"a?b?c?\"");
  EXPECT_EQ(quote_name(""), "\"\"");
}

TEST(QuoteName, CutsLongNamesBetweenCharacters) {
  EXPECT_EQ(quote_name(std::string(128, 'a')), "\"" + std::string(128, 'a') + "\"");
  EXPECT_EQ(quote_name(std::string(129, 'a')), "\"" + std::string(128, 'a') + "…\"");
  EXPECT_EQ(quote_name(std::string(127, 'a') + "é"), "\"" + std::string(127, 'a') + "…\"");
  EXPECT_EQ(quote_name(std::string(1000, '\x80')), "\"…\"");
}

}  // namespace
}  // namespace bitnet
