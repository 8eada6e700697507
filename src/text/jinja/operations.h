#pragma once
/// Python's operators on values. All raise what Python would say, with the template's line.

#include <compare>
#include <optional>

#include "text/jinja/machine.h"

namespace bitnet::jinja {

/// type(x).__name__
[[nodiscard]] std::string_view type_name(const Value& value);
[[nodiscard]] bool truth(const Value& value);
[[nodiscard]] bool equal(Machine& machine, const Value& a, const Value& b);
/// a OP b for OP of "<", "<=", ">", ">=".
[[nodiscard]] bool ordered(Machine& machine, const Value& a, const Value& b, std::string_view op);
/// a < b, for sorting.
[[nodiscard]] bool less(Machine& machine, const Value& a, const Value& b);
[[nodiscard]] bool contains(Machine& machine, const Value& container, const Value& item);
/// The six comparisons, `in` and `not in`.
[[nodiscard]] bool compare(Machine& machine, const Value& a, const Value& b, std::string_view op);
/// + - * / // % **
[[nodiscard]] Value arithmetic(Machine& machine, const Value& a, const Value& b, std::string_view op);
[[nodiscard]] Value negative(Machine& machine, const Value& value);
[[nodiscard]] Value positive(Machine& machine, const Value& value);

/// len(x)
[[nodiscard]] std::int64_t length(Machine& machine, const Value& value);
/// x.name: attributes first, then items. Undefined when there is neither.
[[nodiscard]] Value get_attribute(Machine& machine, const Value& value, std::string_view name);
/// x[key]: items first, then attributes.
[[nodiscard]] Value get_item(Machine& machine, const Value& value, const Value& key);
/// x[start:stop:step]; missing or none where not written.
[[nodiscard]] Value get_slice(Machine& machine, const Value& value, const Value& start, const Value& stop,
                              const Value& step);
/// Attributes that Python's types have, as bound methods; missing when there is none (methods*.cpp).
[[nodiscard]] Value builtin_attribute(Machine& machine, const Value& value, std::string_view name);
[[nodiscard]] Value call(Machine& machine, const Value& function, Arguments& arguments);

/// bool or int as int; nothing for other types.
[[nodiscard]] std::optional<std::int64_t> as_integer(const Value& value);
/// bool, int or float as double.
[[nodiscard]] std::optional<double> as_number(const Value& value);
/// &<>"' as entities.
[[nodiscard]] Value escaped(Machine& machine, const Value& value);
/// Position of `part` in `text` at or after `from`; npos. Never slower than linear.
[[nodiscard]] std::size_t find_text(std::string_view text, std::string_view part, std::size_t from = 0);

}  // namespace bitnet::jinja
