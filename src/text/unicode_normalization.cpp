#include "text/unicode_normalization.h"

#include <utf8proc.h>

#include <algorithm>
#include <optional>

#include "base/utf8.h"

namespace bitnet::text {
namespace {

/// Room for the longest decomposition, U+FDFA: 18 characters.
constexpr std::size_t kMaxDecomposition = 32;

int combining_class(char32_t c) noexcept {
  return utf8proc_get_property(static_cast<utf8proc_int32_t>(c))->combining_class;
}

/// The character that canonically equals `first` + `second`, unless composition excludes it.
std::optional<char32_t> compose(char32_t first, char32_t second) noexcept {
  utf8proc_int32_t pair[2] = {static_cast<utf8proc_int32_t>(first), static_cast<utf8proc_int32_t>(second)};
  const auto options = static_cast<utf8proc_option_t>(UTF8PROC_COMPOSE | UTF8PROC_STABLE);
  if (utf8proc_normalize_utf32(pair, 2, options) != 1) return std::nullopt;
  return static_cast<char32_t>(pair[0]);
}

/// Decomposed and in canonical order.
std::vector<Transformed> decompose(std::string_view text, bool compatibility) {
  const auto options = static_cast<utf8proc_option_t>(UTF8PROC_DECOMPOSE | (compatibility ? UTF8PROC_COMPAT : 0));
  std::vector<Transformed> result;
  result.reserve(text.size());
  std::size_t sorted = 0;  // marks from here on still wait for their order
  const auto sort_marks = [&] {
    std::stable_sort(
        result.begin() + static_cast<std::ptrdiff_t>(sorted), result.end(),
        [](const Transformed& a, const Transformed& b) { return combining_class(a.c) < combining_class(b.c); });
  };
  for (std::size_t at = 0; at < text.size(); at += char_length(text[at])) {
    utf8proc_int32_t parts[kMaxDecomposition];
    int boundary = 0;
    const auto count = utf8proc_decompose_char(static_cast<utf8proc_int32_t>(code_point_at(text, at)), parts,
                                               kMaxDecomposition, options, &boundary);
    for (utf8proc_ssize_t i = 0; i < count; ++i) {
      const auto c = static_cast<char32_t>(parts[i]);
      if (combining_class(c) == 0) {
        sort_marks();
        sorted = result.size();
      }
      result.push_back({c, i == 0 ? 0 : 1});
    }
  }
  sort_marks();
  return result;
}

/// Canonical composition (Unicode chapter 3, D117), in place.
void compose(std::vector<Transformed>& characters) {
  std::size_t kept = 0;
  std::optional<std::size_t> starter;
  int last_class = -1;  // of the mark after the starter that could not be composed; -1: none
  for (const Transformed next : characters) {
    const int next_class = combining_class(next.c);
    if (starter && last_class < next_class) {
      Transformed& base = characters[*starter];
      if (const auto composed = compose(base.c, next.c)) {
        base = {*composed, base.change + next.change - 1};
        continue;
      }
    }
    if (next_class == 0) {
      starter = kept;
      last_class = -1;
    } else if (starter) {
      last_class = next_class;
    }
    characters[kept++] = next;
  }
  characters.resize(kept);
}

}  // namespace

std::vector<Transformed> normalize_unicode(std::string_view text, NormalizationForm form) {
  const bool compatibility = form == NormalizationForm::nfkc || form == NormalizationForm::nfkd;
  std::vector<Transformed> result = decompose(text, compatibility);
  if (form == NormalizationForm::nfc || form == NormalizationForm::nfkc) compose(result);
  return result;
}

}  // namespace bitnet::text
