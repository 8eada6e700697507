#pragma once
/// GPT-2's printable names for bytes: a byte is a character that JSON and people can read.

#include <cstdint>
#include <string_view>

namespace bitnet::text {

/// The UTF-8 of the character (one or two bytes) that stands for `byte`. Valid forever.
[[nodiscard]] std::string_view byte_level_char(unsigned char byte) noexcept;

/// The byte that `c` stands for, or -1.
[[nodiscard]] int byte_level_byte(char32_t c) noexcept;

/// The character of the space, which trimmed offsets leave out.
inline constexpr char32_t kByteLevelSpace = U'\u0120';

}  // namespace bitnet::text
