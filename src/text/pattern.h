#pragma once
/// What Split and Replace look for.

#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "text/json_field.h"
#include "text/regex.h"

namespace bitnet::text {

/// A literal string or a regular expression. Immutable; safe to use from many threads.
class Pattern {
 public:
  /// Reads {"String": ...} or {"Regex": ...}.
  explicit Pattern(const Field& field);

  /// All matches in valid UTF-8, left to right; an empty literal matches between all characters.
  [[nodiscard]] std::vector<ByteRange> find_all(std::string_view text) const;

 private:
  std::variant<std::string, Regex> pattern_;
};

/// The characters of `text` for which `wanted` holds, each as a match.
[[nodiscard]] std::vector<ByteRange> find_characters(std::string_view text, bool (*wanted)(char32_t) noexcept);

}  // namespace bitnet::text
