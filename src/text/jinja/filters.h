#pragma once
/// Jinja's built-in filters and tests, and the global functions, by name.

#include <map>
#include <span>
#include <string_view>

#include "text/jinja/machine.h"

namespace bitnet::jinja {

using Filter = Value (*)(Machine&, const Value& subject, Arguments&);
using Test = bool (*)(Machine&, const Value& subject, Arguments&);

template <typename T>
struct Named {
  std::string_view name;
  T function;
};

/// nullptr when there is none of that name.
[[nodiscard]] Filter find_filter(std::string_view name);
[[nodiscard]] Test find_test(std::string_view name);
/// The filter or test that a template names while it runs; raises when there is none.
[[nodiscard]] Filter filter_named(Machine& machine, const Value& name);
[[nodiscard]] Test test_named(Machine& machine, const Value& name);

[[nodiscard]] std::span<const Named<Filter>> text_filters();
[[nodiscard]] std::span<const Named<Filter>> html_filters();
[[nodiscard]] std::span<const Named<Filter>> value_filters();
[[nodiscard]] std::span<const Named<Filter>> sequence_filters();
[[nodiscard]] std::span<const Named<Filter>> selection_filters();

/// "a.b.0" as the keys to look up one after the other; none for a missing or none value.
[[nodiscard]] std::vector<Value> attribute_path(Machine& machine, const Value& attribute);
[[nodiscard]] Value follow_path(Machine& machine, Value value, const std::vector<Value>& path,
                                const Value& otherwise = Value());
/// Texts in lower case, everything else as it is.
[[nodiscard]] Value ignore_case(Machine& machine, const Value& value);
/// soft_str(x) as a string value.
[[nodiscard]] Value as_text(Machine& machine, const Value& value);

/// textwrap.wrap of one paragraph.
[[nodiscard]] std::vector<std::string> wrap_text(Machine& machine, std::string_view text, std::int64_t width,
                                                 bool break_long_words, bool break_on_hyphens);

/// The object that namespace() makes. Holds anything, itself included.
class Namespace : public Object {
 public:
  [[nodiscard]] std::string_view type_name() const override { return "Namespace"; }
  Value attribute(Machine& machine, std::string_view name) override;
  void set(Machine& machine, std::string_view name, Value value);
  [[nodiscard]] std::string repr(Machine& machine) const override;
  void clear() override { attributes_.clear(); }

 private:
  std::vector<std::pair<std::string, Value>> attributes_;
};

/// range, dict, namespace, cycler, joiner, raise_exception, strftime_now; missing when there is none.
[[nodiscard]] Value make_global(Machine& machine, std::string_view name);

}  // namespace bitnet::jinja
