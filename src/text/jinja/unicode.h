#pragma once
/// Python's ideas of letter, space, case and line. Every byte that is not UTF-8 counts as one U+FFFD; nothing here
/// fails.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace bitnet::jinja {

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
