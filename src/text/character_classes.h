#pragma once
/// The few classes of characters that tokenizers ask for.

namespace bitnet::text {

/// Unicode property White_Space.
[[nodiscard]] bool is_whitespace(char32_t c) noexcept;
/// General categories Nd, Nl and No.
[[nodiscard]] bool is_numeric(char32_t c) noexcept;
/// What regular expressions call \w: letters, marks, digits, connectors and joiners.
[[nodiscard]] bool is_word(char32_t c) noexcept;
/// ASCII punctuation and symbols, and the general categories P*.
[[nodiscard]] bool is_punctuation(char32_t c) noexcept;

}  // namespace bitnet::text
