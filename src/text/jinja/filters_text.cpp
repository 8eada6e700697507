// Filters from text to text.
#include <algorithm>

#include "base/utf8.h"
#include "text/jinja/filters.h"
#include "text/jinja/operations.h"
#include "text/jinja/print.h"
#include "text/jinja/text_operations.h"
#include "text/jinja/unicode.h"

namespace bitnet::jinja {
namespace {

template <std::string (*Convert)(std::string_view)>
Value converted(Machine& m, const Value& subject, Arguments& a) {
  const Bound none(m, "filter", a, {});
  const Value text = as_text(m, subject);
  m.step_bytes(text.string()->text.size() * 4);
  m.check_memory(text.string()->text.size() * 8);
  return m.text(Convert(text.string()->text));
}

/// Jinja's own title case: what follows a space, dash or opening bracket.
std::string title_case(std::string_view text) {
  std::string out;
  std::size_t start = 0;
  const auto flush = [&](std::size_t end) {
    const std::string_view word = text.substr(start, end - start);
    const std::size_t first = byte_offset(word, 1);
    out += to_upper(word.substr(0, first));
    out += to_lower(word.substr(first));
  };
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t at = i;
    const char32_t c = next_code_point(text, i);
    if (c != '-' && c != '(' && c != '{' && c != '[' && c != '<' && !is_space(c)) continue;
    flush(at);
    out += text.substr(at, i - at);
    start = i;
  }
  flush(text.size());
  return out;
}

Value filter_center(Machine& m, const Value& subject, Arguments& a) {
  const Bound b(m, "do_center", a, {"width"});
  return justify_text(m, as_text(m, subject), b.integer(0, 80), " ", 0);
}

Value filter_format(Machine& m, const Value& subject, Arguments& a) {
  if (!a.positional.empty() && !a.named.empty()) {
    m.raise("can't handle positional and keyword arguments at the same time");
  }
  Value argument;
  if (!a.named.empty()) {
    DictBuilder dict(m);
    for (const auto& [name, value] : a.named) dict.set(m.text(name), value);
    argument = dict.finish();
  } else {
    ListBuilder tuple(m);
    for (const Value& value : a.positional) tuple.add(value);
    argument = tuple.finish(ListKind::tuple);
  }
  return format_percent(m, *as_text(m, subject).string(), argument);
}

Value filter_indent(Machine& m, const Value& subject, Arguments& a) {
  const Bound b(m, "do_indent", a, {"width", "first", "blank"});
  if (subject.undefined()) m.raise("{}", subject.undefined()->message);
  if (!subject.string()) m.raise("unsupported operand type(s) for +=: '{}' and 'str'", type_name(subject));
  std::string indention;
  if (b.given(0) && b[0].string()) {
    indention = b[0].string()->text;
  } else {
    TextBuilder spaces(m);
    spaces.add_repeated(" ", b.integer(0, 4));
    indention = spaces.take();
  }
  const bool blank = b.truth(2, false);
  const std::string& all = subject.string()->text;
  m.step_bytes(all.size());
  m.check_memory(all.size() * 2 * sizeof(std::string_view));
  const std::string terminated = all + "\n";
  const auto lines = split_lines(terminated, false);
  TextBuilder out(m);
  if (b.truth(1, false)) out.add(indention);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (i > 0) out.add('\n');
    if (i > 0 && (blank || !lines[i].empty())) out.add(indention);
    out.add(lines[i]);
  }
  return out.finish();
}

Value filter_replace(Machine& m, const Value& subject, Arguments& a) {
  const Bound b(m, "do_replace", a, {"old", "new", "count"}, 2);
  return replace_text(m, to_text(m, subject), to_text(m, b[0]), to_text(m, b[1]), b.integer(2, -1));
}

Value filter_string(Machine& m, const Value& subject, Arguments& a) {
  const Bound none(m, "soft_str", a, {});
  return as_text(m, subject);
}

Value filter_trim(Machine& m, const Value& subject, Arguments& a) {
  const Bound b(m, "do_trim", a, {"chars"});
  return strip_text(m, as_text(m, subject), b.string(0), true, true);
}

Value filter_truncate(Machine& m, const Value& subject, Arguments& a) {
  const Bound b(m, "do_truncate", a, {"length", "killwords", "end", "leeway"});
  const std::int64_t most = b.integer(0, 255);
  const Value end = b.given(2) ? b[2] : m.text("...");
  const std::int64_t leeway = b.integer(3, 5);
  const std::int64_t end_length = length(m, end);
  if (most < end_length) m.raise("expected length >= {}, got {}", end_length, most);
  if (leeway < 0) m.raise("expected leeway >= 0, got {}", leeway);
  // Subtracted rather than added: `most + leeway` may not fit.
  if (length(m, subject) - leeway <= most) return subject;
  const Value cut = get_slice(m, subject, {}, most - end_length, {});
  if (!cut.string()) m.raise("'{}' object has no attribute 'rsplit'", type_name(cut));
  const std::string& kept = cut.string()->text;
  const std::size_t space = b.truth(1, false) ? std::string::npos : kept.rfind(' ');
  return arithmetic(m, m.text(kept.substr(0, space)), end, "+");
}

Value filter_wordcount(Machine& m, const Value& subject, Arguments& a) {
  const Bound none(m, "do_wordcount", a, {});
  const std::string text = to_text(m, subject);
  m.step_bytes(text.size());
  std::int64_t words = 0;
  bool inside = false;
  for (std::size_t i = 0; i < text.size();) {
    const char32_t c = next_code_point(text, i);
    const bool word = c == '_' || is_alnum(c);
    words += word && !inside ? 1 : 0;
    inside = word;
  }
  return words;
}

Value filter_wordwrap(Machine& m, const Value& subject, Arguments& a) {
  const Bound b(m, "do_wordwrap", a, {"width", "break_long_words", "wrapstring", "break_on_hyphens"});
  if (!subject.string()) m.raise("'{}' object has no attribute 'splitlines'", type_name(subject));
  const std::string* given = b.string(2);
  const std::string separator = given ? *given : "\n";
  const std::int64_t width = b.integer(0, 79);
  if (width <= 0) m.raise("invalid width {} (must be > 0)", width);
  m.step_bytes(subject.string()->text.size());
  TextBuilder out(m);
  bool first = true;
  for (const auto line : split_lines(subject.string()->text, false)) {
    m.step();
    if (!first) out.add(separator);
    first = false;
    const auto wrapped = wrap_text(m, line, width, b.truth(1, true), b.truth(3, true));
    for (std::size_t i = 0; i < wrapped.size(); ++i) {
      if (i > 0) out.add(separator);
      out.add(wrapped[i]);
    }
  }
  return out.finish();
}

Value filter_filesizeformat(Machine& m, const Value& subject, Arguments& a) {
  const Bound b(m, "do_filesizeformat", a, {"binary"});
  Arguments none;
  const Value number = as_number(subject) ? subject : find_filter("float")(m, subject, none);
  const double bytes = *as_number(number);
  const bool binary = b.truth(0, false);
  const double base = binary ? 1024 : 1000;
  if (bytes == 1) return m.text("1 Byte");
  if (bytes < base) return m.text(fmt::format("{:.0f} Bytes", std::trunc(bytes)));
  double unit = base;
  constexpr std::string_view kPrefixes = "kMGTPEZY";
  std::size_t i = 0;
  while (i + 1 < kPrefixes.size() && bytes >= unit * base) {
    unit *= base;
    ++i;
  }
  const std::string prefix =
      binary ? fmt::format("{}i", static_cast<char>(std::toupper(kPrefixes[i]))) : std::string(1, kPrefixes[i]);
  return m.text(fmt::format("{:.1f} {}B", bytes / unit, prefix));
}

constexpr Named<Filter> kTextFilters[] = {
    {"capitalize", converted<capitalized>},
    {"center", filter_center},
    {"filesizeformat", filter_filesizeformat},
    {"format", filter_format},
    {"indent", filter_indent},
    {"lower", converted<to_lower>},
    {"replace", filter_replace},
    {"string", filter_string},
    {"title", converted<title_case>},
    {"trim", filter_trim},
    {"truncate", filter_truncate},
    {"upper", converted<to_upper>},
    {"wordcount", filter_wordcount},
    {"wordwrap", filter_wordwrap},
};

}  // namespace

std::span<const Named<Filter>> text_filters() { return kTextFilters; }

}  // namespace bitnet::jinja
