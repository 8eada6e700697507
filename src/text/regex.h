#pragma once
/// Regular expressions as the reference library reads them (Oniguruma, Ruby syntax, UTF-8), run by PCRE2.

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bitnet::text {

/// Bytes [begin, end) of the searched text.
struct ByteRange {
  std::size_t begin;
  std::size_t end;
};

/// The same expression in PCRE2's dialect. What the two dialects mean differently and cannot be written for PCRE2
/// throws Error(unsupported) naming `where`.
[[nodiscard]] std::string onig_to_pcre2(std::string_view pattern, std::string_view where);

/// A compiled expression. Immutable, safe to search with from many threads.
class Regex {
 public:
  /// `where` names the field of the file in messages. Throws Error(unsupported) when the pattern does not compile.
  Regex(std::string_view pattern, std::string where);

  /// All matches from left to right, as Oniguruma's iterator gives them: an empty match that touches the match before
  /// it is left out. `text` must be valid UTF-8. Throws Error(limit) when one match needs too many steps.
  void find_all(std::string_view text, std::vector<ByteRange>& matches) const;

 private:
  struct Code;
  std::shared_ptr<const Code> code_;
  std::string where_;
};

}  // namespace bitnet::text
