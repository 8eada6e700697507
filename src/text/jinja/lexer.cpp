#include "text/jinja/lexer.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "base/fail.h"
#include "base/utf8.h"
#include "text/jinja/print.h"
#include "text/jinja/unicode.h"

namespace bitnet::jinja {
namespace {

/// "\n" for every kind of line end, and without the one at the very end.
std::string normalized(std::string_view source) {
  std::string out;
  out.reserve(source.size());
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (source[i] != '\r') {
      out += source[i];
    } else if (i + 1 >= source.size() || source[i + 1] != '\n') {
      out += '\n';
    }
  }
  if (out.ends_with('\n')) out.pop_back();
  return valid_utf8(out);
}

class Lexer {
 public:
  Lexer(std::string_view source, std::string_view source_name) : source_(normalized(source)), name_(source_name) {}

  std::vector<Token> run() {
    while (position_ < source_.size()) root();
    add(TokenKind::end);
    return std::move(tokens_);
  }

 private:
  [[noreturn]] void error(const std::string& message) const {
    fail(ErrorKind::corrupt, "{}, line {}: {}", name_, line_, message);
  }

  void add(TokenKind kind, std::string text = {}) {
    Token token;
    token.kind = kind;
    token.line = line_;
    token.text = std::move(text);
    tokens_.push_back(std::move(token));
  }

  [[nodiscard]] std::string_view rest() const { return std::string_view(source_).substr(position_); }
  [[nodiscard]] bool at(std::string_view text) const { return rest().starts_with(text); }

  /// Moves on and counts the lines.
  void advance(std::size_t bytes) {
    line_ += static_cast<int>(std::count(source_.begin() + static_cast<std::ptrdiff_t>(position_),
                                         source_.begin() + static_cast<std::ptrdiff_t>(position_ + bytes), '\n'));
    position_ += bytes;
    line_starting_ = bytes > 0 && source_[position_ - 1] == '\n';
  }

  void skip_space() { advance(rest().size() - strip(rest(), nullptr, true, false).size()); }

  /// The text before a tag, stripped as the tag's sign ('-', '+' or none) asks.
  void add_data(std::string_view text, char sign, bool variable) {
    if (sign == '-') {
      text = strip(text, nullptr, false, true);
    } else if (sign != '+' && !variable) {
      const std::size_t line_start = text.rfind('\n') + 1;  // 0 when there is none
      if ((line_start > 0 || line_starting_) && strip(text.substr(line_start), nullptr, true, false).empty()) {
        text = text.substr(0, line_start);
      }
    }
    if (!text.empty()) add(TokenKind::data, std::string(text));
  }

  static char sign_at(std::string_view text, std::size_t i) {
    return i < text.size() && (text[i] == '-' || text[i] == '+') ? text[i] : '\0';
  }

  /// Data up to the next tag, and the tag's beginning.
  void root() {
    const std::string_view all = rest();
    std::size_t begin = 0;
    for (;; ++begin) {
      begin = all.find('{', begin);
      if (begin == std::string_view::npos || begin + 1 >= all.size()) {
        add_data(all, '+', true);
        return advance(all.size());
      }
      if (all[begin + 1] == '%' || all[begin + 1] == '{' || all[begin + 1] == '#') break;
    }
    const char kind = all[begin + 1];
    const char sign = sign_at(all, begin + 2);
    add_data(all.substr(0, begin), sign, kind == '{');
    advance(begin);
    if (kind == '%' && raw_block()) return;
    advance(2);
    if (sign) advance(1);
    if (kind == '#') return comment();
    add(kind == '{' ? TokenKind::variable_begin : TokenKind::block_begin);
    while (!tag_end(kind == '{')) tag_token();
  }

  void comment() {
    const std::size_t end = rest().find("#}");
    if (end == std::string_view::npos) error("Missing end of comment tag");
    const char sign = end > 0 ? rest()[end - 1] : '\0';
    advance(end + 2);
    if (sign == '-') {
      skip_space();
    } else if (sign != '+' && at("\n")) {
      advance(1);
    }
  }

  /// Length of "%}" with its sign and what it trims, at `i` of the rest; 0 when it is not there.
  [[nodiscard]] std::size_t block_end_length(std::size_t i, bool trims) const {
    const std::string_view text = rest().substr(i);
    if (text.starts_with("-%}")) return 3 + (text.size() - 3 - strip(text.substr(3), nullptr, true, false).size());
    if (text.starts_with("+%}") && trims) return 3;
    if (text.starts_with("%}")) return trims && text.substr(2).starts_with('\n') ? 3 : 2;
    return 0;
  }

  /// Position behind `{%`, sign, spaces and `word`; 0 when the rest does not begin so.
  [[nodiscard]] std::size_t behind_word(std::size_t i, std::string_view word) const {
    const std::string_view all = rest();
    i += sign_at(all, i + 2) ? 3 : 2;
    i = all.size() - strip(all.substr(std::min(i, all.size())), nullptr, true, false).size();
    if (!all.substr(i).starts_with(word)) return 0;
    return all.size() - strip(all.substr(i + word.size()), nullptr, true, false).size();
  }

  bool raw_block() {
    const std::size_t end = behind_word(0, "raw");
    if (end == 0) return false;
    const std::size_t length = block_end_length(end, false);
    if (length == 0) return false;
    advance(end + length);
    for (std::size_t i = 0; (i = rest().find("{%", i)) != std::string_view::npos; i += 2) {
      const std::size_t word_end = behind_word(i, "endraw");
      const std::size_t end_length = word_end == 0 ? 0 : block_end_length(word_end, true);
      if (end_length == 0) continue;
      add_data(rest().substr(0, i), sign_at(rest(), i + 2), false);
      advance(word_end + end_length);
      return true;
    }
    error("Missing end of raw directive");
  }

  /// The end of the tag that is open, when it is here and no bracket is open.
  bool tag_end(bool variable) {
    if (position_ >= source_.size()) {
      error(variable ? "unexpected end of template in an expression" : "unexpected end of template in a tag");
    }
    if (!brackets_.empty()) return false;
    std::size_t length = 0;
    if (!variable) {
      length = block_end_length(0, true);
    } else if (at("-}}")) {
      advance(3);
      skip_space();
      add(TokenKind::variable_end);
      return true;
    } else if (at("}}")) {
      length = 2;
    }
    if (length == 0) return false;
    add(variable ? TokenKind::variable_end : TokenKind::block_end);
    advance(length);
    return true;
  }

  void tag_token() {
    std::size_t next = position_;
    const char32_t c = next_code_point(source_, next);
    if (is_space(c)) return skip_space();
    if (c >= '0' && c <= '9') return number();
    if (c == '\'' || c == '"') return string(static_cast<char>(c));
    if (is_word(c)) {
      std::size_t end = position_;
      while (end < source_.size()) {
        std::size_t after = end;
        if (!is_word(next_code_point(source_, after))) break;
        end = after;
      }
      add(TokenKind::name, source_.substr(position_, end - position_));
      return advance(end - position_);
    }
    op();
  }

  [[nodiscard]] std::size_t digits_end(std::size_t i, bool (*is)(char)) const {
    // Digits, single underscores between them.
    while (i < source_.size() &&
           (is(source_[i]) || (source_[i] == '_' && i + 1 < source_.size() && is(source_[i + 1]) && i > position_))) {
      ++i;
    }
    return i;
  }
  static bool decimal(char c) { return c >= '0' && c <= '9'; }
  static bool hex(char c) { return decimal(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
  static bool octal(char c) { return c >= '0' && c <= '7'; }
  static bool binary(char c) { return c == '0' || c == '1'; }
  static bool zero(char c) { return c == '0'; }

  /// End of the floating point number here; nothing when it is an integer.
  [[nodiscard]] std::optional<std::size_t> float_end() const {
    if (position_ > 0 && source_[position_ - 1] == '.') return std::nullopt;
    const auto char_at = [&](std::size_t i) { return i < source_.size() ? source_[i] : '\0'; };
    std::size_t end = digits_end(position_, decimal);
    bool floating = false;
    if (char_at(end) == '.' && decimal(char_at(end + 1))) {
      end = digits_end(end + 1, decimal);
      floating = true;
    }
    if (char_at(end) == 'e' || char_at(end) == 'E') {
      const std::size_t exponent = end + (char_at(end + 1) == '+' || char_at(end + 1) == '-' ? 2 : 1);
      if (decimal(char_at(exponent))) return digits_end(exponent, decimal);
    }
    return floating ? std::optional(end) : std::nullopt;
  }

  void number() {
    const auto float_stop = float_end();
    std::size_t end = 0;
    int base = 10;
    std::size_t start = position_;
    if (float_stop) {
      end = *float_stop;
    } else {
      const char kind =
          at("0") && position_ + 1 < source_.size() ? static_cast<char>(source_[position_ + 1] | 0x20) : 0;
      const auto prefixed = [&](int b, bool (*is)(char)) {
        const std::size_t stop = digits_end(position_ + 2, is);
        if (stop == position_ + 2) return;
        base = b;
        start += 2;
        end = stop;
      };
      if (kind == 'x') prefixed(16, hex);
      if (kind == 'o') prefixed(8, octal);
      if (kind == 'b') prefixed(2, binary);
      if (end == 0) end = digits_end(position_, at("0") ? zero : decimal);
    }
    std::string digits = source_.substr(start, end - start);
    std::erase(digits, '_');
    add(float_stop ? TokenKind::floating : TokenKind::integer, digits);
    Token& token = tokens_.back();
    if (float_stop) {
      token.floating = read_float(digits).value_or(0);
    } else if (std::from_chars(digits.data(), digits.data() + digits.size(), token.integer, base).ec != std::errc()) {
      fail(ErrorKind::limit, "{}, line {}: the number {} does not fit in 64 bits", name_, line_, digits);
    }
    advance(end - position_);
  }

  void string(char quote) {
    std::size_t end = position_ + 1;
    while (end < source_.size() && source_[end] != quote) end += source_[end] == '\\' ? 2 : 1;
    if (end >= source_.size()) error(fmt::format("unexpected char {} : the string has no end", quote));
    add(TokenKind::string, unescaped(std::string_view(source_).substr(position_ + 1, end - position_ - 1)));
    advance(end + 1 - position_);
  }

  /// Python's escapes; a backslash before anything else stays.
  [[nodiscard]] std::string unescaped(std::string_view text) const {
    std::string out;
    constexpr std::string_view kLetters = "\\'\"abfnrtv";
    constexpr std::string_view kMeanings = "\\'\"\a\b\f\n\r\t\v";
    for (std::size_t i = 0; i < text.size();) {
      const char c = text[i++];
      if (c != '\\' || i >= text.size()) {
        out += c;
        continue;
      }
      const char kind = text[i++];
      if (const auto letter = kLetters.find(kind); letter != std::string_view::npos) {
        out += kMeanings[letter];
      } else if (kind == 'x' || kind == 'u' || kind == 'U') {
        append_hex_escape(out, text, i, kind == 'x' ? 2 : kind == 'u' ? 4 : 8);
      } else if (octal(kind)) {
        std::uint32_t code = static_cast<std::uint32_t>(kind - '0');
        for (int n = 1; n < 3 && i < text.size() && octal(text[i]); ++n) {
          code = code * 8 + static_cast<std::uint32_t>(text[i++] - '0');
        }
        append_code_point(out, code);
      } else if (kind == 'N') {
        error("character names (\\N{...}) are not supported");
      } else if (kind != '\n') {
        out += '\\';
        out += kind;
      }
    }
    return out;
  }

  void append_hex_escape(std::string& out, std::string_view text, std::size_t& i, std::size_t digits) const {
    std::uint32_t code = 0;
    const std::string_view number = text.substr(i, digits);
    const auto [end, bad] = std::from_chars(number.data(), number.data() + number.size(), code, 16);
    if (number.size() < digits || bad != std::errc() || end != number.data() + digits || code > 0x10FFFF) {
      error(fmt::format("truncated or wrong \\{} escape", digits == 2 ? 'x' : digits == 4 ? 'u' : 'U'));
    }
    append_code_point(out, code);
    i += digits;
  }

  void op() {
    constexpr std::string_view kOps[] = {"//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[",
                                         "]",  "(",  ")",  "{",  "}",  ">",  "<", "=", ".", ":", "|", ",", ";"};
    const auto* const found = std::find_if(std::begin(kOps), std::end(kOps), [&](auto o) { return at(o); });
    if (found == std::end(kOps)) {
      std::size_t end = 0;
      (void)next_code_point(rest(), end);
      error(fmt::format("unexpected char '{}'", rest().substr(0, end)));
    }
    const char c = (*found)[0];
    if (c == '{' || c == '(' || c == '[') brackets_ += c == '{' ? '}' : c == '(' ? ')' : ']';
    if (c == '}' || c == ')' || c == ']') {
      if (brackets_.empty()) error(fmt::format("unexpected '{}'", c));
      if (brackets_.back() != c) error(fmt::format("unexpected '{}', expected '{}'", c, brackets_.back()));
      brackets_.pop_back();
    }
    add(TokenKind::op, std::string(*found));
    advance(found->size());
  }

  std::string source_;
  std::string_view name_;
  std::size_t position_ = 0;
  int line_ = 1;
  bool line_starting_ = true;
  std::string brackets_;  ///< what must close, innermost last
  std::vector<Token> tokens_;
};

}  // namespace

std::vector<Token> tokenize(std::string_view source, std::string_view source_name) {
  return Lexer(source, source_name).run();
}

}  // namespace bitnet::jinja
