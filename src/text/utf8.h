#pragma once
/// UTF-8, and the few classes of characters that tokenizers ask for.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace bitnet::text {

/// Byte at which `text` stops being UTF-8, or text.size() when all of it is.
[[nodiscard]] std::size_t valid_utf8_prefix(std::string_view text) noexcept;

/// Bytes of the character that starts with `lead`. The text must be valid.
[[nodiscard]] constexpr std::size_t char_length(char lead) noexcept {
  const auto byte = static_cast<unsigned char>(lead);
  return byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4;
}

/// The code point at `at` in valid text.
[[nodiscard]] char32_t code_point_at(std::string_view text, std::size_t at) noexcept;

void append_utf8(std::string& out, char32_t code_point);

/// Appends `bytes` with every maximal malformed part replaced by U+FFFD (Unicode chapter 3, table 3-8). With
/// `more_may_come`, stops before an unfinished character at the end. Returns the number of bytes used.
std::size_t append_lossy(std::string& out, std::string_view bytes, bool more_may_come);

/// Unicode property White_Space.
[[nodiscard]] bool is_whitespace(char32_t c) noexcept;
/// General categories Nd, Nl and No.
[[nodiscard]] bool is_numeric(char32_t c) noexcept;
/// What regular expressions call \w: letters, marks, digits, connectors and joiners.
[[nodiscard]] bool is_word(char32_t c) noexcept;
/// ASCII punctuation and symbols, and the general categories P*.
[[nodiscard]] bool is_punctuation(char32_t c) noexcept;

}  // namespace bitnet::text
