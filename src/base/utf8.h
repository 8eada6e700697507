#pragma once
/// UTF-8. Invalid are overlong forms, surrogates and what lies beyond U+10FFFF; nothing here fails.

#include <cstddef>
#include <string>
#include <string_view>

namespace bitnet {

/// Whether `byte` is one of the second to last bytes of a character.
[[nodiscard]] constexpr bool continues_character(char byte) noexcept {
  return (static_cast<unsigned char>(byte) & 0xC0) == 0x80;
}

/// Byte at which `text` stops being UTF-8, or text.size() when all of it is.
[[nodiscard]] std::size_t valid_utf8_prefix(std::string_view text) noexcept;

// Of text that is known to be valid.

/// Bytes of the character that starts with `lead`.
[[nodiscard]] constexpr std::size_t char_length(char lead) noexcept {
  const auto byte = static_cast<unsigned char>(lead);
  return byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}
/// The code point at `at`.
[[nodiscard]] char32_t code_point_at(std::string_view text, std::size_t at) noexcept;

// Of any bytes: each one that belongs to no character counts as one U+FFFD.

/// The code point at `position`, which moves behind it.
[[nodiscard]] char32_t next_code_point(std::string_view text, std::size_t& position) noexcept;
[[nodiscard]] std::size_t count_code_points(std::string_view text) noexcept;
/// Byte offset of the code point number `index`; text.size() when there are fewer.
[[nodiscard]] std::size_t byte_offset(std::string_view text, std::size_t index) noexcept;
[[nodiscard]] std::u32string decode_utf8(std::string_view text);
/// `text` with U+FFFD in place of every byte that belongs to no character.
[[nodiscard]] std::string valid_utf8(std::string_view text);

/// Appends `bytes` with one U+FFFD for every maximal malformed part, which may be up to three bytes (Unicode chapter 3,
/// table 3-8). With `more_may_come`, stops before an unfinished character at the end. Returns the number of bytes used.
std::size_t append_lossy(std::string& out, std::string_view bytes, bool more_may_come);

/// U+FFFD for what is not a Unicode scalar value.
void append_code_point(std::string& out, char32_t code_point);
[[nodiscard]] std::string encode_utf8(std::u32string_view text);

}  // namespace bitnet
