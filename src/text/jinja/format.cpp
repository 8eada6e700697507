// Python's "%" operator and str.format, both over one notion of a field's layout.
#include <algorithm>
#include <cmath>

#include "base/utf8.h"
#include "text/jinja/operations.h"
#include "text/jinja/print.h"

namespace bitnet::jinja {
namespace {

constexpr std::int64_t kMaxPrecision = 1000;
constexpr std::int64_t kMaxWidth = std::int64_t{1} << 40;  // far over every memory bound

struct Layout {
  std::string fill = " ";
  char align = 0;  ///< '<', '>', '^', '=' or 0 for the type's own
  char sign = '-';
  bool alternate = false;
  char grouping = 0;
  std::int64_t width = 0;
  std::int64_t precision = -1;
  char type = 0;
};

void check_precision(Machine& machine, std::int64_t precision) {
  if (precision > kMaxPrecision) {
    machine.raise_text(ErrorKind::limit, fmt::format("a precision of {} digits; at most {}", precision, kMaxPrecision));
  }
}

/// `prefix` (sign, 0x) and `body`, padded to the width; '=' pads between them.
void add_padded(TextBuilder& out, const Layout& layout, std::string_view prefix, std::string_view body, char align) {
  const auto size = static_cast<std::int64_t>(count_code_points(prefix) + count_code_points(body));
  const std::int64_t pad = std::max<std::int64_t>(0, layout.width - size);
  const std::int64_t left = align == '>' ? pad : align == '^' ? pad / 2 : 0;
  out.add_repeated(layout.fill, left);
  out.add(prefix);
  if (align == '=') out.add_repeated(layout.fill, pad);
  out.add(body);
  if (align == '<' || align == '^') out.add_repeated(layout.fill, pad - left);
}

void group_digits(std::string& digits, char separator, std::size_t every) {
  const std::size_t point = std::min(digits.find_first_not_of("0123456789abcdefABCDEF"), digits.size());
  for (std::size_t i = point; i > every;) {
    i -= every;
    digits.insert(i, 1, separator);
  }
}

std::string sign_text(bool is_negative, char sign) {
  if (is_negative) return "-";
  return sign == '-' ? "" : std::string(1, sign);
}

void add_integer(TextBuilder& out, const Layout& layout, std::int64_t value) {
  const std::uint64_t magnitude = value < 0 ? 0 - static_cast<std::uint64_t>(value) : static_cast<std::uint64_t>(value);
  std::string digits;
  std::string prefix;
  switch (layout.type) {
    case 'x':
      digits = fmt::format("{:x}", magnitude);
      prefix = "0x";
      break;
    case 'X':
      digits = fmt::format("{:X}", magnitude);
      prefix = "0X";
      break;
    case 'o':
      digits = fmt::format("{:o}", magnitude);
      prefix = "0o";
      break;
    case 'b':
      digits = fmt::format("{:b}", magnitude);
      prefix = "0b";
      break;
    default:
      digits = std::to_string(magnitude);
  }
  if (layout.precision > static_cast<std::int64_t>(digits.size())) {
    digits.insert(0, static_cast<std::size_t>(layout.precision) - digits.size(), '0');
  }
  if (layout.grouping) group_digits(digits, layout.grouping, prefix.empty() ? 3 : 4);
  if (!layout.alternate) prefix.clear();
  add_padded(out, layout, sign_text(value < 0, layout.sign) + prefix, digits, layout.align ? layout.align : '>');
}

std::string float_digits(double magnitude, const Layout& layout) {
  const bool upper = layout.type == 'F' || layout.type == 'E' || layout.type == 'G';
  if (!std::isfinite(magnitude)) return std::isnan(magnitude) ? (upper ? "NAN" : "nan") : (upper ? "INF" : "inf");
  const int precision = layout.precision < 0 ? 6 : static_cast<int>(layout.precision);
  switch (layout.type) {
    case 'e':
      return fmt::format("{:.{}e}", magnitude, precision);
    case 'E':
      return fmt::format("{:.{}E}", magnitude, precision);
    case 'f':
    case 'F':
      return fmt::format("{:.{}f}", magnitude, precision);
    case '%':
      return fmt::format("{:.{}f}%", magnitude * 100, precision);
    case 'G':
      return fmt::format("{:.{}G}", magnitude, std::max(precision, 1));
    case 0:
      if (layout.precision < 0) return float_repr(magnitude);
      [[fallthrough]];
    default:
      return fmt::format("{:.{}g}", magnitude, std::max(precision, 1));
  }
}

void add_float(TextBuilder& out, const Layout& layout, double value) {
  std::string digits = float_digits(std::abs(value), layout);
  if (layout.grouping) group_digits(digits, layout.grouping, 3);
  add_padded(out, layout, sign_text(std::signbit(value), layout.sign), digits, layout.align ? layout.align : '>');
}

void add_text(TextBuilder& out, const Layout& layout, std::string_view text) {
  if (layout.precision >= 0) text = text.substr(0, byte_offset(text, static_cast<std::size_t>(layout.precision)));
  add_padded(out, layout, "", text, layout.align ? layout.align : '<');
}

std::int64_t read_number(std::string_view text, std::size_t& position) {
  std::int64_t number = 0;
  for (; position < text.size() && text[position] >= '0' && text[position] <= '9'; ++position) {
    number = std::min(kMaxWidth, number * 10 + (text[position] - '0'));
  }
  return number;
}

/// The directives of one "%" format, in order.
class PercentFormatter {
 public:
  PercentFormatter(Machine& machine, std::string_view format, const Value& argument)
      : machine_(machine), format_(format), out_(machine), argument_(argument), tuple_(argument.list()) {
    if (tuple_ && tuple_->kind != ListKind::tuple) tuple_ = nullptr;
  }

  Value run() {
    while (position_ < format_.size()) {
      const std::size_t percent = std::min(format_.find('%', position_), format_.size());
      out_.add(format_.substr(position_, percent - position_));
      position_ = percent;
      if (percent < format_.size()) directive();
    }
    const bool all_used = tuple_ ? used_ >= tuple_->items.size() : used_ > 0 || argument_.dict();
    if (!all_used && !(argument_.list() && !tuple_))
      machine_.raise("not all arguments converted during string formatting");
    return out_.finish();
  }

 private:
  char current() {
    if (position_ >= format_.size()) machine_.raise("incomplete format");
    return format_[position_];
  }

  Value next_argument() {
    if (tuple_ ? used_ >= tuple_->items.size() : used_ > 0) machine_.raise("not enough arguments for format string");
    ++used_;
    return tuple_ ? tuple_->items[used_ - 1] : argument_;
  }

  std::int64_t number_or_star() {
    if (current() != '*') return read_number(format_, position_);
    ++position_;
    const auto number = as_integer(next_argument());
    if (!number) machine_.raise("* wants int");
    return std::clamp(*number, -kMaxWidth, kMaxWidth);
  }

  Value named_argument() {
    const std::size_t close = format_.find(')', position_);
    if (close == std::string_view::npos) machine_.raise("incomplete format key");
    const std::string_view key = format_.substr(position_ + 1, close - position_ - 1);
    if (!argument_.dict()) machine_.raise("format requires a mapping");
    const Value* found = argument_.dict()->find(machine_, key);
    if (!found) machine_.raise("'{}'", key);
    position_ = close + 1;
    return *found;
  }

  void directive() {
    ++position_;
    Layout layout;
    Value value;
    if (current() == '(') value = named_argument();
    bool zero = false;
    for (;; ++position_) {
      const char c = current();
      if (c == '-') {
        layout.align = '<';
      } else if (c == '+' || (c == ' ' && layout.sign != '+')) {
        layout.sign = c;
      } else if (c == '0') {
        zero = true;
      } else if (c == '#') {
        layout.alternate = true;
      } else if (c != ' ') {
        break;
      }
    }
    layout.width = number_or_star();
    if (layout.width < 0) {
      layout.align = '<';
      layout.width = -layout.width;
    }
    if (current() == '.') {
      ++position_;
      layout.precision = std::max<std::int64_t>(0, number_or_star());
    }
    while (current() == 'l' || current() == 'h' || current() == 'L') ++position_;
    layout.type = format_[position_++];
    if (layout.type == '%') return out_.add('%');
    if (value.is_missing()) value = next_argument();
    convert(layout, value, zero);
  }

  void convert(Layout& layout, const Value& value, bool zero) {
    if (!layout.align) layout.align = '>';
    if (std::string_view("srac").find(layout.type) != std::string_view::npos) {
      if (layout.type == 'c') {
        if (const auto code = as_integer(value)) {
          std::string c;
          append_code_point(c, static_cast<char32_t>(*code));
          return add_text(out_, layout, c);
        }
        if (!value.string() || value.string()->length != 1) machine_.raise("%c requires int or char");
      }
      const bool plain = layout.type == 's' || layout.type == 'c';
      return add_text(out_, layout, plain ? to_text(machine_, value) : to_repr(machine_, value));
    }
    check_precision(machine_, layout.precision);
    if (zero && layout.align != '<') {
      layout.align = '=';
      layout.fill.assign(1, '0');
    }
    const auto number = as_number(value);
    if (!number && value.undefined()) machine_.raise("{}", value.undefined()->message);
    if (std::string_view("diuxXo").find(layout.type) != std::string_view::npos) {
      const bool decimal = std::string_view("diu").find(layout.type) != std::string_view::npos;
      if (!number || (!decimal && value.real())) {
        machine_.raise("%{} format: {} is required, not {}", layout.type, decimal ? "a real number" : "an integer",
                       type_name(value));
      }
      if (decimal) layout.type = 'd';
      if (value.real() && !(std::abs(*number) < 9.2e18)) machine_.overflow();
      return add_integer(out_, layout, value.real() ? static_cast<std::int64_t>(*number) : *as_integer(value));
    }
    if (std::string_view("eEfFgG").find(layout.type) == std::string_view::npos) {
      machine_.raise("unsupported format character '{}'", layout.type);
    }
    if (!number) machine_.raise("must be real number, not {}", type_name(value));
    add_float(out_, layout, *number);
  }

  Machine& machine_;
  std::string_view format_;
  std::size_t position_ = 0;
  TextBuilder out_;
  const Value& argument_;
  const List* tuple_;
  std::size_t used_ = 0;
};

/// The part of a replacement field behind its colon.
Layout parse_spec(Machine& machine, std::string_view spec) {
  Layout layout;
  std::size_t i = 0;
  constexpr std::string_view kAligns = "<>^=";
  if (!spec.empty()) {
    std::size_t behind_fill = 0;
    (void)next_code_point(spec, behind_fill);
    if (behind_fill < spec.size() && kAligns.find(spec[behind_fill]) != std::string_view::npos) {
      layout.fill = spec.substr(0, behind_fill);
      i = behind_fill;
    }
    if (kAligns.find(spec[i]) != std::string_view::npos) layout.align = spec[i++];
  }
  if (i < spec.size() && (spec[i] == '+' || spec[i] == '-' || spec[i] == ' ')) layout.sign = spec[i++];
  if (i < spec.size() && spec[i] == '#') layout.alternate = ++i > 0;
  if (i < spec.size() && spec[i] == '0') {
    if (!layout.align) {
      layout.align = '=';
      layout.fill.assign(1, '0');
    }
    ++i;
  }
  layout.width = read_number(spec, i);
  if (i < spec.size() && (spec[i] == ',' || spec[i] == '_')) layout.grouping = spec[i++];
  if (i < spec.size() && spec[i] == '.') layout.precision = read_number(spec, ++i);
  if (i < spec.size()) layout.type = spec[i++];
  if (i < spec.size()) machine.raise("Invalid format specifier '{}'", spec);
  return layout;
}

void add_formatted(Machine& machine, TextBuilder& out, const Value& value, std::string_view spec) {
  if (spec.empty()) return out.add(to_text(machine, value));
  Layout layout = parse_spec(machine, spec);
  const std::string_view type = type_name(value);
  const auto wrong = [&] { machine.raise("Unknown format code '{}' for object of type '{}'", layout.type, type); };
  if (value.string()) {
    if (layout.type && layout.type != 's') wrong();
    if (layout.align == '=') layout.align = layout.fill == "0" ? '<' : '=';
    return add_text(out, layout, value.string()->text);
  }
  const auto number = as_number(value);
  if (!number) machine.raise("unsupported format string passed to {}.__format__", type);
  check_precision(machine, layout.precision);
  const bool integer_type = !layout.type || std::string_view("dnxXob").find(layout.type) != std::string_view::npos;
  if (!value.real() && layout.type == 'c') {
    std::string c;
    append_code_point(c, static_cast<char32_t>(*as_integer(value)));
    return add_text(out, layout, c);
  }
  if (!value.real() && integer_type) {
    if (layout.precision >= 0) machine.raise("Precision not allowed in integer format specifier");
    return add_integer(out, layout, *as_integer(value));
  }
  if (layout.type && std::string_view("eEfFgGn%").find(layout.type) == std::string_view::npos) wrong();
  add_float(out, layout, *number);
}

class BraceFormatter {
 public:
  BraceFormatter(Machine& machine, const Arguments& arguments) : machine_(machine), arguments_(arguments) {}

  std::string run(std::string_view format, int level) {
    if (level > 2) machine_.raise("Max string recursion exceeded");
    TextBuilder out(machine_);
    for (std::size_t i = 0; i < format.size();) {
      const char c = format[i];
      if ((c == '{' || c == '}') && i + 1 < format.size() && format[i + 1] == c) {
        out.add(c);
        i += 2;
      } else if (c == '}') {
        machine_.raise("Single '}}' encountered in format string");
      } else if (c == '{') {
        const std::size_t close = matching_brace(format, i);
        field(out, format.substr(i + 1, close - i - 1), level);
        i = close + 1;
      } else {
        const std::size_t end = std::min(format.find_first_of("{}", i), format.size());
        out.add(format.substr(i, end - i));
        i = end;
      }
    }
    return out.take();
  }

 private:
  std::size_t matching_brace(std::string_view format, std::size_t open) {
    int depth = 0;
    for (std::size_t i = open; i < format.size(); ++i) {
      if (format[i] == '{') ++depth;
      if (format[i] == '}' && --depth == 0) return i;
    }
    machine_.raise("expected '}}' before end of string");
  }

  void field(TextBuilder& out, std::string_view field, int level) {
    const std::size_t name_end = std::min(field.find_first_of("!:"), field.size());
    std::string_view rest = field.substr(name_end);
    Value value = resolve(field.substr(0, name_end));
    if (rest.starts_with('!')) {
      if (rest.size() < 2 || (rest.size() > 2 && rest[2] != ':'))
        machine_.raise("expected ':' after conversion specifier");
      const char conversion = rest[1];
      if (std::string_view("sra").find(conversion) == std::string_view::npos) {
        machine_.raise("Unknown conversion specifier {}", conversion);
      }
      value = machine_.text(conversion == 's' ? to_text(machine_, value) : to_repr(machine_, value));
      rest.remove_prefix(2);
    }
    if (rest.starts_with(':')) rest.remove_prefix(1);
    add_formatted(machine_, out, value, rest.find('{') == std::string_view::npos ? rest : run(rest, level + 1));
  }

  Value resolve(std::string_view name) {
    std::size_t i = std::min(name.find_first_of(".["), name.size());
    Value value = first(name.substr(0, i));
    while (i < name.size()) {
      machine_.step();
      if (name[i] == '.') {
        const std::size_t end = std::min(name.find_first_of(".[", i + 1), name.size());
        value = get_attribute(machine_, value, name.substr(i + 1, end - i - 1));
        i = end;
      } else {
        const std::size_t close = name.find(']', i);
        if (name[i] != '[' || close == std::string_view::npos) machine_.raise("Missing ']' in format string");
        const std::string_view key = name.substr(i + 1, close - i - 1);
        std::size_t digits = 0;
        const std::int64_t number = read_number(key, digits);
        const bool is_number = !key.empty() && digits == key.size();
        value = get_item(machine_, value, is_number ? Value(number) : machine_.text(std::string(key)));
        i = close + 1;
      }
    }
    return value;
  }

  Value first(std::string_view name) {
    std::size_t digits = 0;
    const std::int64_t number = read_number(name, digits);
    if (digits == name.size()) {
      if (name.empty() ? manual_ : automatic_ > 0) {
        machine_.raise("cannot switch from manual field specification to automatic field numbering");
      }
      manual_ = !name.empty();
      const std::size_t index = name.empty() ? automatic_++ : static_cast<std::size_t>(number);
      if (index >= arguments_.positional.size()) {
        machine_.raise("Replacement index {} out of range for positional args tuple", index);
      }
      return arguments_.positional[index];
    }
    for (const auto& [key, value] : arguments_.named) {
      if (key == name) return value;
    }
    machine_.raise("'{}'", name);
  }

  Machine& machine_;
  const Arguments& arguments_;
  std::size_t automatic_ = 0;
  bool manual_ = false;
};

}  // namespace

Value format_percent(Machine& machine, const String& format, const Value& argument) {
  machine.step_bytes(format.text.size());
  return PercentFormatter(machine, format.text, argument).run();
}

Value format_braces(Machine& machine, const String& format, const Arguments& arguments) {
  machine.step_bytes(format.text.size());
  return machine.text(BraceFormatter(machine, arguments).run(format.text, 1));
}

}  // namespace bitnet::jinja
