#include "text/regex.h"

#include <gtest/gtest.h>

#include "base/utf8.h"
#include "bitnet/error.h"
#include "text/unicode_normalization.h"

namespace bitnet::text {
namespace {

/// The matches of `pattern` in `text`, joined by '|'.
std::string found(std::string_view pattern, std::string_view text) {
  std::vector<ByteRange> matches;
  Regex(pattern, "test").find_all(text, matches);
  std::string joined;
  for (const auto& [begin, end] : matches) {
    if (!joined.empty()) joined += '|';
    joined += text.substr(begin, end - begin);
  }
  return joined;
}

TEST(Regex, ReadsClassesLikeOniguruma) {
  EXPECT_EQ(found(R"(\s+)", "a\u0085\u00a0\u3000b\u180ec\u200bd \t"), "\u0085\u00a0\u3000| \t");
  EXPECT_EQ(found(R"([^\S\n]+)", "a \n\t"), " |\t");
  EXPECT_EQ(found(R"(\h+)", "xaF0g"), "aF0");
  EXPECT_EQ(found(R"([\hx]+)", "xaF0g"), "xaF0");
  EXPECT_EQ(found(R"(\w+)", "e\u0301_1-\u203f"), "e\u0301_1|\u203f");
  EXPECT_EQ(found(R"(\p{Han}+)", "x\u4e00\u3001\u4e8c"), "\u4e00|\u4e8c");  // U+3001 is Han in Script_Extensions only
  EXPECT_EQ(found(R"([[:alpha:]]+)", "ab1c"), "ab|c");
}

TEST(Regex, ReadsGroupsAndRepeatsLikeOniguruma) {
  EXPECT_EQ(found(R"(\d{1,3}+)", "12345"), "12345");
  EXPECT_EQ(found(R"((ab){2}+)", "ababababab"), "abababab");
  EXPECT_EQ(found(R"((?m:a.b))", "a\nb"), "a\nb");
  EXPECT_EQ(found(R"(a.b)", "a\nb"), "");
  EXPECT_EQ(found(R"(^b$)", "a\nb\nc"), "b");
  EXPECT_EQ(found(R"((?i:'s))", "'S'\u017f"), "'S|'\u017f");
  EXPECT_EQ(found(R"(a?+a)", "aa"), "aa");
}

TEST(Regex, LeavesOutEmptyMatchesThatTouchTheLastMatch) {
  std::vector<ByteRange> matches;
  Regex("x*", "test").find_all("axb", matches);
  ASSERT_EQ(matches.size(), 3U);
  EXPECT_EQ(matches[1].begin, 1U);
  EXPECT_EQ(matches[1].end, 2U);
  EXPECT_EQ(matches[2].begin, 3U);
}

TEST(Regex, KnowsTheLettersOfUnicode16) {
  EXPECT_EQ(found(R"(\p{L}+)", "a\U00031350\U0002ebf0\u1c89."), "a\U00031350\U0002ebf0\u1c89");
  EXPECT_EQ(found(R"(\p{N}+)", "a\U00011f50."), "\U00011f50");
}

TEST(Regex, RefusesWhatItCannotTranslate) {
  for (const char* pattern : {"[a&&b]", "[a[b]]", "(", "[a", "\\", "(?~a)", "a{,3}", "\\p{NoSuchScript}", "\\pL"}) {
    EXPECT_THROW(Regex(pattern, "test"), Error) << pattern;
  }
}

std::string normalized(std::string_view text, NormalizationForm form) {
  std::string result;
  for (const auto& character : normalize_unicode(text, form)) append_code_point(result, character.c);
  return result;
}

TEST(UnicodeNormalization, GivesTheFourForms) {
  EXPECT_EQ(normalized("A\u030a\u0323", NormalizationForm::nfc), "\u1ea0\u030a");
  EXPECT_EQ(normalized("\u212b\ufb01", NormalizationForm::nfd), "A\u030a\ufb01");
  EXPECT_EQ(normalized("\u212b\ufb01", NormalizationForm::nfkc), "\u00c5fi");
  EXPECT_EQ(normalized("\u212b\ufb01", NormalizationForm::nfkd), "A\u030afi");
  EXPECT_EQ(normalized("\u1112\u1161\u11ab", NormalizationForm::nfc), "\ud55c");
  EXPECT_EQ(normalized("\ud55c", NormalizationForm::nfd), "\u1112\u1161\u11ab");
  EXPECT_EQ(normalized("\u0958", NormalizationForm::nfc), "\u0915\u093c");  // excluded from composition
  EXPECT_EQ(normalized("a\u0315\u0300\u05ae", NormalizationForm::nfc), "\u00e0\u05ae\u0315");
  EXPECT_EQ(normalized("\u0301", NormalizationForm::nfc), "\u0301");
}

}  // namespace
}  // namespace bitnet::text
