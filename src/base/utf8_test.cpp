#include "base/utf8.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <vector>

namespace bitnet {
namespace {

std::string lossy(std::string_view bytes) {
  std::string out;
  EXPECT_EQ(append_lossy(out, bytes, false), bytes.size());
  return out;
}

bool is_scalar(char32_t c) { return c < 0xD800 || (c >= 0xE000 && c <= 0x10FFFF); }

TEST(Utf8, WritesEveryLengthAtItsBounds) {
  EXPECT_EQ(encode_utf8(std::u32string{0, 0x7F}), std::string("\0\x7F", 2));
  EXPECT_EQ(encode_utf8(std::u32string{0x80, 0x7FF}), "\xC2\x80\xDF\xBF");
  EXPECT_EQ(encode_utf8(std::u32string{0x800, 0xD7FF, 0xE000, 0xFFFF}),
            "\xE0\xA0\x80\xED\x9F\xBF\xEE\x80\x80\xEF\xBF\xBF");
  EXPECT_EQ(encode_utf8(std::u32string{0x10000, 0x10FFFF}), "\xF0\x90\x80\x80\xF4\x8F\xBF\xBF");
  EXPECT_EQ(encode_utf8(std::u32string{0xD800, 0xDFFF, 0x110000, 0xFFFFFFFF}), "\uFFFD\uFFFD\uFFFD\uFFFD");
}

TEST(Utf8, ReadsEveryCodePointBack) {
  for (char32_t c = 0; c <= 0x10FFFF; ++c) {
    if (!is_scalar(c)) continue;
    std::string text;
    append_code_point(text, c);
    std::size_t end = 0;
    ASSERT_EQ(next_code_point(text, end), c);
    ASSERT_EQ(end, text.size());
    ASSERT_EQ(char_length(text[0]), text.size());
    ASSERT_EQ(code_point_at(text, 0), c);
    ASSERT_EQ(valid_utf8_prefix(text), text.size());
    ASSERT_FALSE(continues_character(text[0]));
    for (std::size_t i = 1; i < text.size(); ++i) ASSERT_TRUE(continues_character(text[i]));
  }
}

/// Malformed bytes between two letters: each of them is one U+FFFD, or each maximal part is.
TEST(Utf8, ReplacesMalformedBytes) {
  struct Case {
    std::string_view bytes;
    std::size_t parts;
  };
  const std::vector<Case> cases = {
      {"\x80", 1},              // continues nothing
      {"\xC0\xAF", 2},          // overlong
      {"\xC1\xBF", 2},          // overlong
      {"\xE0\x9F\xBF", 3},      // overlong
      {"\xF0\x8F\xBF\xBF", 4},  // overlong
      {"\xED\xA0\x80", 3},      // a surrogate
      {"\xF4\x90\x80\x80", 4},  // beyond U+10FFFF
      {"\xF5\x80", 2},
      {"\xFF", 1},
      {"\xC3", 1},  // cut short from here on
      {"\xE4\xB8", 1},
      {"\xF0\x9F\x98", 1},
      {"\xE4\xE4\xB8\xF0\x9F", 3},
  };
  const auto replaced = [](std::size_t count) {
    std::string text = "a";
    for (; count > 0; --count) text += "\uFFFD";
    return text + "b";
  };
  for (const auto& [bytes, parts] : cases) {
    const std::string text = "a" + std::string(bytes) + "b";
    SCOPED_TRACE(testing::PrintToString(text));
    EXPECT_EQ(valid_utf8_prefix(text), 1U);
    EXPECT_EQ(valid_utf8(text), replaced(bytes.size()));
    EXPECT_EQ(count_code_points(text), bytes.size() + 2);
    EXPECT_EQ(lossy(text), replaced(parts));
  }
}

TEST(Utf8, WaitsForTheRestOfACharacter) {
  std::string out;
  EXPECT_EQ(append_lossy(out, "a\xF0\x9F\x98", true), 1U);
  EXPECT_EQ(append_lossy(out, "\xF0\x9F\x98\x80\xE4\xB8", true), 4U);
  EXPECT_EQ(append_lossy(out, "\xE4\x62", true), 2U);  // what cannot become valid any more is not kept
  EXPECT_EQ(out, "a\U0001F600\uFFFD\x62");
}

TEST(Utf8, FindsTheBytesOfACodePoint) {
  const std::string text = "a\u00E9\xFF\u4E00\U0001F600";
  EXPECT_EQ(count_code_points(text), 5U);
  const std::vector<std::size_t> offsets = {0, 1, 3, 4, 7, 11, 11};
  for (std::size_t i = 0; i < offsets.size(); ++i) EXPECT_EQ(byte_offset(text, i), offsets[i]) << i;
  EXPECT_EQ(decode_utf8(text), U"a\u00E9\uFFFD\u4E00\U0001F600");
}

RC_GTEST_PROP(Utf8Property, AgreesWithItselfOnAnyBytes, (const std::vector<unsigned char>& bytes)) {
  const std::string text(bytes.begin(), bytes.end());
  const std::string valid = valid_utf8(text);
  RC_ASSERT(valid_utf8_prefix(valid) == valid.size());
  RC_ASSERT(encode_utf8(decode_utf8(text)) == valid);
  RC_ASSERT(valid_utf8_prefix(lossy(text)) == lossy(text).size());
  RC_ASSERT((valid == text) == (valid_utf8_prefix(text) == text.size()));
}

}  // namespace
}  // namespace bitnet
