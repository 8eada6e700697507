#pragma once
/// Code points of UTF-8 text, with Python's ideas of letter, space and case. Bytes that are not UTF-8 count as one
/// U+FFFD each; nothing here fails.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace bitnet::jinja {

/// The code point at `position`, which moves behind it.
[[nodiscard]] char32_t next_code_point(std::string_view text, std::size_t& position);
void append_code_point(std::string& text, char32_t code_point);
[[nodiscard]] std::size_t count_code_points(std::string_view text);
/// Byte offset of the code point number `index`; text.size() when there are fewer.
[[nodiscard]] std::size_t byte_offset(std::string_view text, std::size_t index);
[[nodiscard]] std::u32string decode(std::string_view text);
[[nodiscard]] std::string encode(std::u32string_view text);
/// `text` with every invalid byte replaced by U+FFFD.
[[nodiscard]] std::string valid_utf8(std::string_view text);

[[nodiscard]] bool is_space(char32_t c);
[[nodiscard]] bool is_alpha(char32_t c);
[[nodiscard]] bool is_decimal(char32_t c);
[[nodiscard]] bool is_digit(char32_t c);
[[nodiscard]] bool is_numeric(char32_t c);
[[nodiscard]] bool is_alnum(char32_t c);
[[nodiscard]] bool is_upper(char32_t c);
[[nodiscard]] bool is_lower(char32_t c);
[[nodiscard]] bool is_title(char32_t c);
/// Of the characters of an identifier: letters, marks, digits, underscore.
[[nodiscard]] bool is_word(char32_t c);
/// What repr() prints as itself.
[[nodiscard]] bool is_printable(char32_t c);

[[nodiscard]] std::string to_upper(std::string_view text);
[[nodiscard]] std::string to_lower(std::string_view text);
/// First letter in title case, the rest in lower case.
[[nodiscard]] std::string capitalized(std::string_view text);
/// str.title(): every run of letters capitalized.
[[nodiscard]] std::string titled(std::string_view text);
[[nodiscard]] std::string swapped_case(std::string_view text);

/// Without the code points at the ends that are white space, or among `chars` when given.
[[nodiscard]] std::string_view strip(std::string_view text, const std::string* chars, bool left, bool right);
/// str.splitlines().
[[nodiscard]] std::vector<std::string_view> split_lines(std::string_view text, bool keep_ends);

}  // namespace bitnet::jinja
