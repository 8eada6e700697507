#include "text/jinja/unicode.h"

#include <utf8proc.h>

#include <algorithm>

#include "base/utf8.h"

namespace bitnet::jinja {
namespace {

utf8proc_category_t category(char32_t c) { return utf8proc_category(static_cast<utf8proc_int32_t>(c)); }

/// The letters whose upper case is more than one code point and that texts really use.
std::u32string_view long_upper(char32_t c) {
  switch (c) {
    case U'ß':
      return U"SS";
    case U'ŉ':
      return U"ʼN";
    case U'ﬀ':
      return U"FF";
    case U'ﬁ':
      return U"FI";
    case U'ﬂ':
      return U"FL";
    case U'ﬃ':
      return U"FFI";
    case U'ﬄ':
      return U"FFL";
    case U'ﬅ':
    case U'ﬆ':
      return U"ST";
    case U'և':
      return U"ԵՒ";
    default:
      return {};
  }
}

void append_upper(std::string& out, char32_t c) {
  if (const auto upper = long_upper(c); !upper.empty()) {
    for (const char32_t u : upper) append_code_point(out, u);
  } else {
    append_code_point(out, static_cast<char32_t>(utf8proc_toupper(static_cast<utf8proc_int32_t>(c))));
  }
}

void append_title(std::string& out, char32_t c) {
  const auto upper = long_upper(c);
  if (upper.empty()) {
    append_code_point(out, static_cast<char32_t>(utf8proc_totitle(static_cast<utf8proc_int32_t>(c))));
    return;
  }
  append_code_point(out, upper[0]);
  for (const char32_t u : upper.substr(1)) {
    append_code_point(out, static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(u))));
  }
}

bool is_cased(char32_t c) { return is_upper(c) || is_lower(c) || is_title(c); }

/// Appends text[i] in lower case; a sigma at the end of a word has a form of its own.
void append_lower(std::string& out, std::u32string_view text, std::size_t i) {
  const char32_t c = text[i];
  if (c == U'Σ' && i > 0 && is_cased(text[i - 1]) && !(i + 1 < text.size() && is_cased(text[i + 1]))) {
    append_code_point(out, U'ς');
  } else if (c == U'İ') {
    append_code_point(out, U'i');
    append_code_point(out, 0x307);
  } else {
    append_code_point(out, static_cast<char32_t>(utf8proc_tolower(static_cast<utf8proc_int32_t>(c))));
  }
}

}  // namespace

bool is_space(char32_t c) {
  return (c >= 9 && c <= 13) || (c >= 28 && c <= 32) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}
bool is_alpha(char32_t c) {
  const auto k = category(c);
  return k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_LO;
}
bool is_decimal(char32_t c) { return category(c) == UTF8PROC_CATEGORY_ND; }
bool is_digit(char32_t c) {
  return is_decimal(c) || c == 0xB2 || c == 0xB3 || c == 0xB9 || c == 0x2070 || (c >= 0x2074 && c <= 0x2079) ||
         (c >= 0x2080 && c <= 0x2089) || (c >= 0x2460 && c <= 0x2468) || (c >= 0x2474 && c <= 0x247C);
}
bool is_numeric(char32_t c) {
  const auto k = category(c);
  return k >= UTF8PROC_CATEGORY_ND && k <= UTF8PROC_CATEGORY_NO;
}
bool is_alnum(char32_t c) { return is_alpha(c) || is_numeric(c); }
bool is_upper(char32_t c) { return category(c) == UTF8PROC_CATEGORY_LU; }
bool is_lower(char32_t c) { return category(c) == UTF8PROC_CATEGORY_LL || c == 0xAA || c == 0xBA; }
bool is_title(char32_t c) { return category(c) == UTF8PROC_CATEGORY_LT; }
bool is_word(char32_t c) {
  if (c < 0x80) return c == '_' || (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
  const auto k = category(c);
  return k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_NO && k != UTF8PROC_CATEGORY_ME;
}
bool is_printable(char32_t c) {
  if (c < 0x7F) return c >= 0x20;
  const auto k = category(c);
  return k >= UTF8PROC_CATEGORY_LU && k <= UTF8PROC_CATEGORY_SO;
}

std::string to_upper(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) append_upper(out, next_code_point(text, i));
  return out;
}

std::string to_lower(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  const std::u32string all = decode_utf8(text);
  for (std::size_t i = 0; i < all.size(); ++i) append_lower(out, all, i);
  return out;
}

std::string capitalized(std::string_view text) {
  const std::u32string all = decode_utf8(text);
  std::string out;
  if (!all.empty()) append_title(out, all[0]);
  for (std::size_t i = 1; i < all.size(); ++i) append_lower(out, all, i);
  return out;
}

std::string titled(std::string_view text) {
  const std::u32string all = decode_utf8(text);
  std::string out;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (i > 0 && is_cased(all[i - 1])) {
      append_lower(out, all, i);
    } else {
      append_title(out, all[i]);
    }
  }
  return out;
}

std::string swapped_case(std::string_view text) {
  const std::u32string all = decode_utf8(text);
  std::string out;
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (is_upper(all[i])) {
      append_lower(out, all, i);
    } else if (is_lower(all[i])) {
      append_upper(out, all[i]);
    } else {
      append_code_point(out, all[i]);
    }
  }
  return out;
}

std::string_view strip(std::string_view text, const std::string* chars, bool left, bool right) {
  const std::u32string set = chars ? decode_utf8(*chars) : std::u32string();
  const auto strips = [&](char32_t c) { return chars ? set.find(c) != std::u32string::npos : is_space(c); };
  while (left && !text.empty()) {
    std::size_t end = 0;
    if (!strips(next_code_point(text, end))) break;
    text.remove_prefix(end);
  }
  while (right && !text.empty()) {
    std::size_t start = text.size() - 1;
    while (start > 0 && text.size() - start < 4 && continues_character(text[start])) --start;
    std::size_t end = start;
    if (!strips(next_code_point(text, end))) break;
    text = text.substr(0, end == text.size() ? start : text.size() - 1);
  }
  return text;
}

std::vector<std::string_view> split_lines(std::string_view text, bool keep_ends) {
  std::vector<std::string_view> lines;
  std::size_t start = 0;
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t at = i;
    const char32_t c = next_code_point(text, i);
    const bool ends = (c >= 10 && c <= 13) || (c >= 28 && c <= 30) || c == 0x85 || c == 0x2028 || c == 0x2029;
    if (!ends) continue;
    if (c == '\r' && i < text.size() && text[i] == '\n') ++i;
    lines.push_back(text.substr(start, (keep_ends ? i : at) - start));
    start = i;
  }
  if (start < text.size()) lines.push_back(text.substr(start));
  return lines;
}

}  // namespace bitnet::jinja
