#include "text/jinja/filters.h"

#include <algorithm>

#include "text/jinja/operations.h"
#include "text/jinja/print.h"
#include "text/jinja/unicode.h"

namespace bitnet::jinja {

Filter find_filter(std::string_view name) {
  for (const auto table : {text_filters(), html_filters(), value_filters(), sequence_filters(), selection_filters()}) {
    const auto found = std::find_if(table.begin(), table.end(), [&](const auto& entry) { return entry.name == name; });
    if (found != table.end()) return found->function;
  }
  return nullptr;
}

Filter filter_named(Machine& machine, const Value& name) {
  const Filter filter = name.string() ? find_filter(name.string()->text) : nullptr;
  if (!filter) machine.raise("No filter named {}.", to_repr(machine, name));
  return filter;
}

Test test_named(Machine& machine, const Value& name) {
  const Test test = name.string() ? find_test(name.string()->text) : nullptr;
  if (!test) machine.raise("No test named {}.", to_repr(machine, name));
  return test;
}

std::vector<Value> attribute_path(Machine& machine, const Value& attribute) {
  std::vector<Value> path;
  if (attribute.is_missing() || attribute.is_none()) return path;
  if (!attribute.string()) return {attribute};
  std::string_view rest = attribute.string()->text;
  machine.step_bytes(rest.size());
  for (;;) {
    const std::string_view part = rest.substr(0, rest.find('.'));
    const bool number = !part.empty() && part.size() < 19 &&
                        std::all_of(part.begin(), part.end(), [](char c) { return c >= '0' && c <= '9'; });
    path.push_back(number ? Value(std::stoll(std::string(part))) : machine.text(std::string(part)));
    if (part.size() == rest.size()) return path;
    rest.remove_prefix(part.size() + 1);
  }
}

Value follow_path(Machine& machine, Value value, const std::vector<Value>& path, const Value& otherwise) {
  for (const Value& key : path) {
    machine.step();
    value = get_item(machine, value, key);
    if (value.undefined() && !otherwise.is_missing() && !otherwise.is_none()) value = otherwise;
  }
  return value;
}

Value ignore_case(Machine& machine, const Value& value) {
  if (!value.string()) return value;
  machine.step_bytes(value.string()->text.size() * 4);
  machine.check_memory(value.string()->text.size() * 8);
  return machine.text(to_lower(value.string()->text));
}

Value as_text(Machine& machine, const Value& value) {
  return value.string() ? value : machine.text(to_text(machine, value));
}

}  // namespace bitnet::jinja
