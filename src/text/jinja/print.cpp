#include "text/jinja/print.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/utf8.h"
#include "text/jinja/operations.h"
#include "text/jinja/unicode.h"

namespace bitnet::jinja {
namespace {

void repr_text(TextBuilder& out, std::string_view text) {
  const bool double_quoted = text.find('\'') != std::string_view::npos && text.find('"') == std::string_view::npos;
  const char32_t quote = double_quoted ? '"' : '\'';
  out.add(static_cast<char>(quote));
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t start = i;
    const char32_t c = next_code_point(text, i);
    if (c == quote || c == '\\') {
      out.add('\\');
      out.add(static_cast<char>(c));
    } else if (c == '\n') {
      out.add("\\n");
    } else if (c == '\r') {
      out.add("\\r");
    } else if (c == '\t') {
      out.add("\\t");
    } else if (is_printable(c)) {
      out.add(text.substr(start, i - start));
    } else {
      const auto code = static_cast<std::uint32_t>(c);
      out.add(code < 0x100     ? fmt::format("\\x{:02x}", code)
              : code < 0x10000 ? fmt::format("\\u{:04x}", code)
                               : fmt::format("\\U{:08x}", code));
    }
  }
  out.add(static_cast<char>(quote));
}

void repr_into(Machine& machine, TextBuilder& out, const Value& value);

void repr_list(Machine& machine, TextBuilder& out, const List& list) {
  if (list.kind == ListKind::range) {
    out.add(fmt::format("range({}, {}", list.start, list.stop));
    out.add(list.step == 1 ? ")" : fmt::format(", {})", list.step));
    return;
  }
  const bool view = list.kind != ListKind::list && list.kind != ListKind::tuple;
  if (view) {
    out.add(list.kind == ListKind::dict_keys     ? "dict_keys("
            : list.kind == ListKind::dict_values ? "dict_values("
                                                 : "dict_items(");
  }
  const bool tuple = list.kind == ListKind::tuple;
  out.add(tuple ? "(" : "[");
  for (std::size_t i = 0; i < list.items.size(); ++i) {
    if (i > 0) out.add(", ");
    repr_into(machine, out, list.items[i]);
  }
  out.add(tuple ? (list.items.size() == 1 ? ",)" : ")") : "]");
  if (view) out.add(")");
}

void repr_into(Machine& machine, TextBuilder& out, const Value& value) {
  const Nested nested(machine);
  machine.step();
  if (value.is_none()) {
    out.add("None");
  } else if (const bool* b = value.boolean()) {
    out.add(*b ? "True" : "False");
  } else if (const auto* i = value.integer()) {
    out.add(std::to_string(*i));
  } else if (const double* d = value.real()) {
    out.add(float_repr(*d));
  } else if (const String* string = value.string()) {
    if (string->markup) out.add("Markup(");
    repr_text(out, string->text);
    if (string->markup) out.add(")");
  } else if (const List* list = value.list()) {
    repr_list(machine, out, *list);
  } else if (const Dict* dict = value.dict()) {
    out.add("{");
    for (std::size_t i = 0; i < dict->entries.size(); ++i) {
      if (i > 0) out.add(", ");
      repr_into(machine, out, dict->entries[i].first);
      out.add(": ");
      repr_into(machine, out, dict->entries[i].second);
    }
    out.add("}");
  } else if (const Object* object = value.object()) {
    out.add(object->repr(machine));
  } else {
    out.add("Undefined");
  }
}

class JsonWriter {
 public:
  JsonWriter(Machine& machine, const JsonLayout& layout) : machine_(machine), layout_(layout), out_(machine) {}

  Value finish() { return out_.finish(); }

  void write(const Value& value, int level) {
    machine_.step();
    if (value.is_none()) {
      out_.add("null");
    } else if (const bool* b = value.boolean()) {
      out_.add(*b ? "true" : "false");
    } else if (const auto* i = value.integer()) {
      out_.add(std::to_string(*i));
    } else if (const double* d = value.real()) {
      write_float(*d);
    } else if (const String* string = value.string()) {
      write_text(string->text);
    } else if (value.list() && (value.list()->kind == ListKind::list || value.list()->kind == ListKind::tuple)) {
      write_list(*value.list(), level);
    } else if (value.dict()) {
      write_dict(*value.dict(), level);
    } else {
      machine_.raise("Object of type {} is not JSON serializable", type_name(value));
    }
  }

 private:
  void write_float(double d) {
    if (std::isfinite(d)) {
      out_.add(float_repr(d));
    } else {
      out_.add(std::isnan(d) ? "NaN" : d > 0 ? "Infinity" : "-Infinity");
    }
  }

  void write_escape(char32_t c) {
    const auto code = static_cast<std::uint32_t>(c);
    if (code >= 0x10000) {
      out_.add(fmt::format("\\u{:04x}\\u{:04x}", 0xD800 + ((code - 0x10000) >> 10), 0xDC00 + (code & 0x3FF)));
    } else {
      out_.add(fmt::format("\\u{:04x}", code));
    }
  }

  void write_text(std::string_view text) {
    out_.add('"');
    for (std::size_t i = 0; i < text.size();) {
      const std::size_t start = i;
      const char32_t c = next_code_point(text, i);
      constexpr std::string_view kNamed = "\"\\\n\r\t\b\f";
      if (const auto at = c < 0x80 ? kNamed.find(static_cast<char>(c)) : std::string_view::npos;
          at != std::string_view::npos) {
        out_.add('\\');
        out_.add("\"\\nrtbf"[at]);
      } else if (c < 0x20 || (layout_.ascii && c > 0x7E)) {
        write_escape(c);
      } else {
        out_.add(text.substr(start, i - start));
      }
    }
    out_.add('"');
  }

  void new_line(int level) {
    if (!layout_.pretty) return;
    out_.add('\n');
    out_.add_repeated(layout_.indent, level);
  }

  void write_list(const List& list, int level) {
    out_.add('[');
    for (std::size_t i = 0; i < list.items.size(); ++i) {
      if (i > 0) out_.add(layout_.item_separator);
      new_line(level + 1);
      write(list.items[i], level + 1);
    }
    if (!list.items.empty()) new_line(level);
    out_.add(']');
  }

  void write_key(const Value& key) {
    if (key.string()) {
      write_text(key.string()->text);
    } else if (key.real() || key.integer() || key.boolean() || key.is_none()) {
      out_.add('"');
      write(key, 0);
      out_.add('"');
    } else {
      machine_.raise("keys must be str, int, float, bool or None, not {}", type_name(key));
    }
  }

  void write_dict(const Dict& dict, int level) {
    std::vector<const std::pair<Value, Value>*> entries;
    for (const auto& entry : dict.entries) entries.push_back(&entry);
    if (layout_.sort_keys) {
      std::stable_sort(entries.begin(), entries.end(),
                       [&](const auto* a, const auto* b) { return less(machine_, a->first, b->first); });
    }
    out_.add('{');
    for (std::size_t i = 0; i < entries.size(); ++i) {
      if (i > 0) out_.add(layout_.item_separator);
      new_line(level + 1);
      write_key(entries[i]->first);
      out_.add(layout_.key_separator);
      write(entries[i]->second, level + 1);
    }
    if (!entries.empty()) new_line(level);
    out_.add('}');
  }

  Machine& machine_;
  const JsonLayout& layout_;
  TextBuilder out_;
};

}  // namespace

std::string to_text(Machine& machine, const Value& value) {
  if (const String* string = value.string()) return string->text;
  if (value.undefined()) return {};
  return to_repr(machine, value);
}

std::string to_repr(Machine& machine, const Value& value) {
  TextBuilder out(machine);
  repr_into(machine, out, value);
  return out.take();
}

std::string float_repr(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value < 0 ? "-inf" : "inf";
  char buffer[64];
  const auto end = std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::scientific).ptr;
  const std::string_view text(buffer, static_cast<std::size_t>(end - buffer));
  const std::size_t e = text.find('e');
  int exponent = 0;
  const char* digits_of_exponent = text.data() + e + (text[e + 1] == '+' ? 2 : 1);
  std::from_chars(digits_of_exponent, end, exponent);
  if (exponent < -4 || exponent >= 16) return std::string(text);  // "1e+16", as Python writes it
  std::string fixed(buffer, std::to_chars(buffer, buffer + sizeof buffer, value, std::chars_format::fixed).ptr);
  if (fixed.find('.') == std::string::npos) fixed += ".0";
  return fixed;
}

std::optional<double> read_float(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (end != text.data() + text.size() || text.find('(') != std::string_view::npos) return std::nullopt;
  if (error == std::errc::result_out_of_range) {
    const bool tiny = text.find("e-") != std::string_view::npos || text.find("E-") != std::string_view::npos;
    return std::copysign(tiny ? 0.0 : HUGE_VAL, text.starts_with('-') ? -1.0 : 1.0);
  }
  return error == std::errc() ? std::optional(value) : std::nullopt;
}

Value to_json(Machine& machine, const Value& value, const JsonLayout& layout) {
  JsonWriter writer(machine, layout);
  writer.write(value, 0);
  return writer.finish();
}

}  // namespace bitnet::jinja
