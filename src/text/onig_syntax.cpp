/// From Oniguruma's Ruby syntax to PCRE2's. Both read the patterns of today's tokenizers alike except for what stands
/// here: the classes \s \w \h and the POSIX brackets hold other characters, (?m) is PCRE2's (?s), {n,m}+ is a
/// repeated repeat and not a possessive one, scripts are not script extensions, and classes nest and intersect.

#include <algorithm>
#include <array>
#include <utility>

#include "base/fail.h"
#include "text/regex.h"

namespace bitnet::text {
namespace {

// As the inside of a character class.
constexpr std::string_view kSpace =
    "\\x{9}-\\x{d}\\x{20}\\x{85}\\x{a0}\\x{1680}\\x{2000}-\\x{200a}\\x{2028}\\x{2029}\\x{202f}\\x{205f}\\x{3000}";
constexpr std::string_view kNotSpace =
    "\\x{0}-\\x{8}\\x{e}-\\x{1f}\\x{21}-\\x{84}\\x{86}-\\x{9f}\\x{a1}-\\x{167f}\\x{1681}-\\x{1fff}\\x{200b}-\\x{2027}"
    "\\x{202a}-\\x{202e}\\x{2030}-\\x{205e}\\x{2060}-\\x{2fff}\\x{3001}-\\x{10ffff}";
constexpr std::string_view kWord = "\\p{Alphabetic}\\p{M}\\p{Nd}\\p{Pc}";
constexpr std::string_view kHex = "0-9A-Fa-f";
constexpr std::string_view kNotHex = "\\x{0}-/:-@G-`g-\\x{10ffff}";

constexpr std::array<std::pair<std::string_view, std::string_view>, 8> kPosix = {{
    {"alpha", "\\p{Alphabetic}"},
    {"alnum", "\\p{Alphabetic}\\p{Nd}"},
    {"digit", "\\p{Nd}"},
    {"lower", "\\p{Lowercase}"},
    {"upper", "\\p{Uppercase}"},
    {"space", kSpace},
    {"word", kWord},
    {"xdigit", kHex},
}};

constexpr std::array<std::string_view, 8> kBooleanProperties = {
    "Alphabetic", "Lowercase", "Uppercase", "White_Space", "Emoji", "Extended_Pictographic", "Ideographic", "Any"};

class Translator {
 public:
  Translator(std::string_view pattern, std::string_view where) : in_(pattern), where_(where) {}

  std::string run() {
    while (at_ < in_.size()) step();
    return std::move(out_);
  }

 private:
  [[noreturn]] void refuse(std::string_view what) const {
    fail(ErrorKind::unsupported, "{}: the regular expression \"{}\" uses {} at byte {}, which is not supported", where_,
         in_, what, at_);
  }
  [[nodiscard]] bool looking_at(std::string_view text) const { return in_.substr(at_).starts_with(text); }
  void atom() { atom_ = out_.size(); }
  std::string_view take(std::size_t count) {
    const std::string_view taken = in_.substr(at_, count);
    at_ += taken.size();
    return taken;
  }

  void step() {
    switch (in_[at_]) {
      case '\\':
        atom();
        return escape(false);
      case '[':
        atom();
        return bracket();
      case '(':
        return open_group();
      case ')':
        if (!groups_.empty()) {
          atom_ = groups_.back();
          groups_.pop_back();
        }
        out_ += take(1);
        return;
      case '{':
        return interval();
      case '*':
      case '+':
      case '?':
        out_ += take(1);
        return;
      default:
        atom();
        out_ += take(1);
    }
  }

  void open_group() {
    groups_.push_back(out_.size());
    if (!looking_at("(?")) {
      out_ += take(1);
      return;
    }
    if (looking_at("(?~")) refuse("an absence operator");
    out_ += take(2);
    // Options: letters up to ':' or ')'. Anything else ((?=, (?<, (?>, (?#) reads alike.
    const std::size_t end = in_.find_first_not_of("imx-", at_);
    if (end == std::string_view::npos || end == at_ || (in_[end] != ':' && in_[end] != ')')) return;
    for (const char option : take(end - at_)) out_ += option == 'm' ? 's' : option;
  }

  /// {n,m}: a '+' after it repeats the whole, where PCRE2 would read "possessive".
  void interval() {
    const std::size_t end = in_.find('}', at_);
    const bool is_interval =
        end != std::string_view::npos && end > at_ + 1 &&
        in_.substr(at_ + 1, end - at_ - 1).find_first_not_of("0123456789,") == std::string_view::npos;
    if (!is_interval) {
      atom();
      out_ += take(1);
      return;
    }
    if (in_[at_ + 1] == ',') refuse("an interval without a lower bound");
    out_ += take(end + 1 - at_);
    if (!looking_at("+")) return;
    out_.insert(std::min(atom_, out_.size()), "(?:");
    out_ += ')';
  }

  /// One escape at at_, outside or inside of a class.
  void escape(bool in_class) {
    if (at_ + 1 == in_.size()) refuse("a backslash at its end");
    const char kind = in_[at_ + 1];
    const auto set = [&](std::string_view inside, std::string_view complement) {
      at_ += 2;
      if (in_class) {
        out_ += complement.empty() ? inside : complement;
      } else {
        out_ += complement.empty() ? "[" : "[^";
        out_ += inside;
        out_ += ']';
      }
    };
    switch (kind) {
      case 's':
        return set(kSpace, {});
      case 'S':
        return set(kSpace, kNotSpace);
      case 'h':
        return set(kHex, {});
      case 'H':
        return set(kHex, kNotHex);
      case 'w':
        return set(kWord, {});
      case 'W':
        if (in_class) refuse("\\W inside a class");
        at_ += 2;
        out_.append("[^").append(kWord).append("]");
        return;
      case 'b':
      case 'B':
        if (in_class) break;
        return word_boundary(kind == 'b');
      case 'p':
      case 'P':
        return property();
      case 'u':
        out_.append("\\x{").append(in_.substr(std::min(at_ + 2, in_.size()), 4)).append("}");
        at_ = std::min(at_ + 6, in_.size());
        return;
      case 'N':
      case 'O':
      case 'y':
      case 'Y':
      case 'M':
      case 'C':
      case 'c':
        refuse("an escape of Oniguruma's own");
      default:
        break;
    }
    out_ += take(2);
  }

  void word_boundary(bool is_boundary) {
    at_ += 2;
    const std::string before = "(?<=[" + std::string(kWord) + "])";
    const std::string not_before = "(?<![" + std::string(kWord) + "])";
    const std::string after = "(?=[" + std::string(kWord) + "])";
    const std::string not_after = "(?![" + std::string(kWord) + "])";
    out_ += is_boundary ? "(?:" + before + not_after + "|" + not_before + after + ")"
                        : "(?:" + before + after + "|" + not_before + not_after + ")";
  }

  void property() {
    const std::size_t end = in_.find('}', at_);
    if (at_ + 2 >= in_.size() || in_[at_ + 2] != '{' || end == std::string_view::npos) refuse("\\p without braces");
    const std::string_view name = in_.substr(at_ + 3, end - at_ - 3);
    const bool negated = name.starts_with('^');
    const std::string_view bare = name.substr(negated ? 1 : 0);
    const bool is_script = bare.size() > 2 && std::ranges::find(kBooleanProperties, bare) == kBooleanProperties.end();
    const bool upper = (in_[at_ + 1] == 'P') != negated;
    out_.append(upper ? "\\P{" : "\\p{").append(is_script ? "sc:" : "").append(bare).append("}");
    at_ = end + 1;
  }

  void posix_bracket() {
    const std::size_t end = in_.find(":]", at_);
    const std::string_view name = in_.substr(at_ + 2, end == std::string_view::npos ? 0 : end - at_ - 2);
    const auto* entry = std::ranges::find(kPosix, name, [](const auto& pair) { return pair.first; });
    if (entry == kPosix.end())
      refuse("a POSIX bracket other than alpha, alnum, digit, lower, upper, space, word, xdigit");
    out_ += entry->second;
    at_ = end + 2;
  }

  void bracket() {
    out_ += take(1);
    if (looking_at("^")) out_ += take(1);
    if (looking_at("]")) {  // a literal, as the first of its class
      out_ += "\\]";
      ++at_;
    }
    while (at_ < in_.size() && in_[at_] != ']') {
      if (looking_at("[:")) {
        posix_bracket();
      } else if (in_[at_] == '[') {
        refuse("a class inside a class");
      } else if (looking_at("&&")) {
        refuse("an intersection of classes");
      } else if (in_[at_] == '\\') {
        escape(true);
      } else {
        out_ += take(1);
      }
    }
    if (at_ == in_.size()) refuse("a class without its end");
    out_ += take(1);
  }

  std::string_view in_;
  std::string_view where_;
  std::size_t at_ = 0;
  std::string out_;
  std::size_t atom_ = 0;             // where the last repeatable item begins in out_
  std::vector<std::size_t> groups_;  // where the open groups begin in out_
};

}  // namespace

std::string onig_to_pcre2(std::string_view pattern, std::string_view where) { return Translator(pattern, where).run(); }

}  // namespace bitnet::text
