#pragma once
/// The reference's regular expressions know Unicode 16; PCRE2 10.42, the oldest that is built with, knows Unicode 14.

#include <string>
#include <string_view>

namespace bitnet::text {

/// When `text` has characters that Unicode 15 and 16 brought: fills `out` with a copy in which each is replaced by an
/// older one of the same general category, of the same length in UTF-8, Han for Han. A search in the copy then finds
/// the same bytes as one that knows the new characters. Returns false, with nothing to do, for other text.
[[nodiscard]] bool replace_new_characters(std::string_view text, std::string& out);

}  // namespace bitnet::text
