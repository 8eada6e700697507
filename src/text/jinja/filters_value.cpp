// Filters on single values: numbers, defaults, attributes.
#include <algorithm>
#include <charconv>
#include <cmath>

#include "text/jinja/filters.h"
#include "text/jinja/operations.h"
#include "text/jinja/print.h"
#include "text/jinja/unicode.h"

namespace bitnet::jinja {
namespace {

Value filter_abs(Machine& m, const Value& subject, Arguments& a) {
  const Bound none(m, "abs", a, {});
  if (const double* d = subject.real()) return std::abs(*d);
  const auto i = as_integer(subject);
  if (!i && subject.undefined()) m.raise("{}", subject.undefined()->message);
  if (!i) m.raise("bad operand type for abs(): '{}'", type_name(subject));
  return *i < 0 ? negative(m, *i) : Value(*i);
}

Value filter_attr(Machine& m, const Value& subject, Arguments& a) {
  const Bound b(m, "do_attr", a, {"name"}, 1);
  const std::string* name = b.string(0);
  if (!name) m.raise("attribute name must be string, not '{}'", type_name(b[0]));
  if (subject.undefined()) m.raise("{}", subject.undefined()->message);
  Value found = subject.object() ? subject.object()->attribute(m, *name) : builtin_attribute(m, subject, *name);
  if (!found.is_missing()) return found;
  return m.undefined(fmt::format("'{} object' has no attribute '{}'", type_name(subject), *name));
}

Value filter_default(Machine& m, const Value& subject, Arguments& a) {
  const Bound b(m, "do_default", a, {"default_value", "boolean"});
  if (!subject.undefined() && !(b.truth(1, false) && !truth(subject))) return subject;
  return b.given(0) ? b[0] : m.text("");
}

/// Without the underscores that Python allows between digits; nothing when one stands elsewhere.
std::optional<std::string> plain_digits(std::string_view text) {
  text = strip(text, nullptr, true, true);
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '_') {
      out += text[i];
    } else if (i == 0 || i + 1 == text.size() || !std::isxdigit(static_cast<unsigned char>(text[i - 1])) ||
               !std::isxdigit(static_cast<unsigned char>(text[i + 1]))) {
      return std::nullopt;
    }
  }
  return out;
}

std::optional<double> parse_float(std::string_view source) {
  const auto digits = plain_digits(source);
  if (!digits || digits->empty()) return std::nullopt;
  std::string_view text = *digits;
  if (text[0] == '+' && text.size() > 1 && text[1] != '-') text.remove_prefix(1);
  return read_float(text);
}

std::optional<std::int64_t> parse_integer(Machine& m, std::string_view source, std::int64_t base) {
  const auto digits = plain_digits(source);
  if (!digits) return std::nullopt;
  std::string_view text = *digits;
  const bool minus = text.starts_with('-');
  if (minus || text.starts_with('+')) text.remove_prefix(1);
  if (text.size() > 2 && text[0] == '0') {
    const char kind = static_cast<char>(std::tolower(static_cast<unsigned char>(text[1])));
    const std::int64_t named = kind == 'x' ? 16 : kind == 'o' ? 8 : kind == 'b' ? 2 : 0;
    if (named != 0 && (base == named || base == 0)) {
      text.remove_prefix(2);
      base = named;
    }
  }
  if (base == 0) base = 10;
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, static_cast<int>(base));
  if (text.empty() || end != text.data() + text.size()) return std::nullopt;
  if (error == std::errc::result_out_of_range || value > std::uint64_t{INT64_MAX}) m.overflow();
  return minus ? -static_cast<std::int64_t>(value) : static_cast<std::int64_t>(value);
}

Value truncated(Machine& m, double value) {
  if (std::isinf(value)) m.raise("cannot convert float infinity to integer");
  if (!(std::abs(value) < 9.2e18)) m.overflow();
  return static_cast<std::int64_t>(value);
}

Value filter_int(Machine& m, const Value& subject, Arguments& a) {
  const Bound b(m, "do_int", a, {"default", "base"});
  const Value otherwise = b.given(0) ? b[0] : Value(0);
  if (subject.undefined()) m.raise("{}", subject.undefined()->message);
  if (const auto i = as_integer(subject)) return *i;
  if (const double* d = subject.real()) return std::isnan(*d) ? otherwise : truncated(m, *d);
  if (!subject.string()) return otherwise;
  const std::int64_t base = b.integer(1, 10);
  const std::string& text = subject.string()->text;
  m.step_bytes(text.size());
  if (base == 0 || (base >= 2 && base <= 36)) {
    if (const auto i = parse_integer(m, text, base)) return *i;
  }
  const auto d = parse_float(text);
  return d && std::isfinite(*d) ? truncated(m, *d) : otherwise;
}

Value filter_float(Machine& m, const Value& subject, Arguments& a) {
  const Bound b(m, "do_float", a, {"default"});
  if (subject.undefined()) m.raise("{}", subject.undefined()->message);
  if (const auto number = as_number(subject)) return *number;
  if (subject.string()) {
    m.step_bytes(subject.string()->text.size());
    if (const auto d = parse_float(subject.string()->text)) return *d;
  }
  return b.given(0) ? b[0] : Value(0.0);
}

/// round(x, precision): half to even, in decimal.
Value round_common(Machine& m, const Value& subject, std::int64_t precision) {
  if (precision > 400 || precision < -400) return precision > 0 ? subject : subject.real() ? Value(0.0) : Value(0);
  if (const double* d = subject.real()) {
    if (!std::isfinite(*d)) return *d;
    if (precision >= 0) return *read_float(fmt::format("{:.{}f}", *d, precision));
    const double unit = std::pow(10.0, static_cast<double>(-precision));
    return std::nearbyint(*d / unit) * unit;
  }
  if (precision >= 0) return subject;
  if (precision < -18) return 0;
  std::int64_t unit = 1;
  for (std::int64_t i = precision; i < 0; ++i) unit *= 10;
  const std::int64_t value = *as_integer(subject);
  const std::int64_t rest = ((value % unit) + unit) % unit;
  const std::int64_t down = (value - rest) / unit;
  const bool up = rest > unit - rest || (rest == unit - rest && down % 2 != 0);
  return arithmetic(m, arithmetic(m, down, up ? 1 : 0, "+"), unit, "*");
}

Value filter_round(Machine& m, const Value& subject, Arguments& a) {
  const Bound b(m, "do_round", a, {"precision", "method"});
  const std::string* given = b.string(1);
  const std::string method = given ? *given : "common";
  if (method != "common" && method != "ceil" && method != "floor") m.raise("method must be common, ceil or floor");
  const auto number = as_number(subject);
  if (!number) {
    if (subject.undefined()) m.raise("{}", subject.undefined()->message);
    m.raise("type {} doesn't define __round__ method", type_name(subject));
  }
  const std::int64_t precision = b.integer(0, 0);
  if (method == "common") return round_common(m, subject.boolean() ? Value(*as_integer(subject)) : subject, precision);
  const double unit = std::pow(10.0, static_cast<double>(precision));
  const double scaled = *number * unit;
  return (method == "ceil" ? std::ceil(scaled) : std::floor(scaled)) / unit;
}

constexpr Named<Filter> kValueFilters[] = {
    {"abs", filter_abs},     {"attr", filter_attr}, {"d", filter_default},   {"default", filter_default},
    {"float", filter_float}, {"int", filter_int},   {"round", filter_round},
};

}  // namespace

std::span<const Named<Filter>> value_filters() { return kValueFilters; }

}  // namespace bitnet::jinja
