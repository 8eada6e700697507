#pragma once
/// Values as text: str(), repr(), JSON, and Python's two ways to format.

#include "text/jinja/machine.h"

namespace bitnet::jinja {

/// str(x)
[[nodiscard]] std::string to_text(Machine& machine, const Value& value);
/// repr(x)
[[nodiscard]] std::string to_repr(Machine& machine, const Value& value);
/// The shortest text that reads back as the same double, in Python's layout: 3.5, 1.0, 1e+16, inf, nan.
[[nodiscard]] std::string float_repr(double value);

struct JsonLayout {
  bool ascii = false;
  bool pretty = false;  ///< one item a line, each level indented by `indent`
  std::string indent;
  std::string item_separator = ", ";
  std::string key_separator = ": ";
  bool sort_keys = false;
};
/// json.dumps(x)
[[nodiscard]] Value to_json(Machine& machine, const Value& value, const JsonLayout& layout);

/// "..." % argument
[[nodiscard]] Value format_percent(Machine& machine, const String& format, const Value& argument);
/// "...".format(...)
[[nodiscard]] Value format_braces(Machine& machine, const String& format, const Arguments& arguments);

}  // namespace bitnet::jinja
