// len(), attributes, items, slices and calls.
#include <algorithm>
#include <array>

#include "base/utf8.h"
#include "text/jinja/operations.h"
#include "text/jinja/print.h"

namespace bitnet::jinja {
namespace {

std::string described(const Value& value) {
  if (value.is_none()) return "None";
  const std::string_view name = type_name(value);
  constexpr std::array<std::string_view, 4> kOfJinja = {"Namespace", "Cycler", "Joiner", "Undefined"};
  if (std::find(kOfJinja.begin(), kOfJinja.end(), name) != kOfJinja.end())
    return fmt::format("jinja2.utils.{} object", name);
  if (name == "Macro" || name == "LoopContext") return fmt::format("jinja2.runtime.{} object", name);
  if (name == "Markup") return "markupsafe.Markup object";
  return fmt::format("{} object", name);
}

Value no_attribute(Machine& machine, const Value& value, const Value& key) {
  if (key.string()) {
    return machine.undefined(fmt::format("'{}' has no attribute {}", described(value), to_repr(machine, key)));
  }
  return machine.undefined(fmt::format("{} has no element {}", described(value), to_repr(machine, key)));
}

/// Missing when Python would raise TypeError or LookupError.
Value item_or_missing(Machine& machine, const Value& value, const Value& key) {
  if (const Dict* dict = value.dict()) {
    if (!hashable(machine, key)) return {};
    const Value* found = dict->find(machine, key);
    return found ? *found : Value();
  }
  const auto integer = as_integer(key);
  if (!integer) return {};
  const List* list = value.list();
  const String* string = value.string();
  if (list && list->kind != ListKind::list && list->kind != ListKind::tuple && list->kind != ListKind::range) return {};
  if (!list && !string) return {};
  const auto size = static_cast<std::int64_t>(list ? list->items.size() : string->length);
  const std::int64_t i = *integer < 0 ? *integer + size : *integer;
  if (i < 0 || i >= size) return {};
  if (list) return list->items[static_cast<std::size_t>(i)];
  if (string->ascii()) return machine.text(string->text.substr(static_cast<std::size_t>(i), 1));
  machine.step_bytes(string->text.size());
  const std::size_t start = byte_offset(string->text, static_cast<std::size_t>(i));
  std::size_t end = start;
  (void)next_code_point(string->text, end);
  return machine.text(string->text.substr(start, end - start));
}

Value attribute_or_missing(Machine& machine, const Value& value, std::string_view name) {
  if (Object* object = value.object()) return object->attribute(machine, name);
  return builtin_attribute(machine, value, name);
}

struct Range {
  std::int64_t start, stop, step;
};

std::int64_t slice_index(Machine& machine, const Value& value, std::int64_t otherwise) {
  if (value.is_missing() || value.is_none()) return otherwise;
  if (const auto i = as_integer(value)) return *i;
  machine.raise("slice indices must be integers or None or have an __index__ method");
}

Range slice_range(Machine& machine, std::int64_t size, const Value& start, const Value& stop, const Value& step) {
  Range r{};
  r.step = slice_index(machine, step, 1);
  if (r.step == 0) machine.raise("slice step cannot be zero");
  r.step = std::max(r.step, -std::int64_t{1} - size);  // more than the whole length, and safe to add
  r.step = std::min(r.step, size + 1);
  const auto clamp = [&](std::int64_t i) {
    if (i < 0) i += size;
    return r.step > 0 ? std::clamp<std::int64_t>(i, 0, size) : std::clamp<std::int64_t>(i, -1, size - 1);
  };
  const auto bound = [&](const Value& v, std::int64_t otherwise) {
    return v.is_missing() || v.is_none() ? otherwise : clamp(slice_index(machine, v, 0));
  };
  r.start = bound(start, r.step > 0 ? 0 : size - 1);
  r.stop = bound(stop, r.step > 0 ? size : -1);
  return r;
}

Value slice_text(Machine& machine, const String& string, const Range& r) {
  machine.step_bytes(string.text.size());
  if (r.step == 1) {
    if (r.start >= r.stop) return machine.text("");
    const auto start = static_cast<std::size_t>(r.start);
    const auto count = static_cast<std::size_t>(r.stop - r.start);
    if (string.ascii()) return machine.text(string.text.substr(start, count));
    const std::size_t from = byte_offset(string.text, start);
    const std::string_view rest = std::string_view(string.text).substr(from);
    return machine.text(std::string(rest.substr(0, byte_offset(rest, count))));
  }
  Charge charge;
  charge.add(machine, string.length * sizeof(char32_t));
  const std::u32string all = decode_utf8(string.text);
  TextBuilder out(machine);
  std::string one;
  for (std::int64_t i = r.start; r.step > 0 ? i < r.stop : i > r.stop; i += r.step) {
    one.clear();
    append_code_point(one, all[static_cast<std::size_t>(i)]);
    out.add(one);
  }
  return out.finish();
}

}  // namespace

std::int64_t length(Machine& machine, const Value& value) {
  if (value.undefined()) return 0;
  if (value.string() || value.list() || value.dict()) {
    return static_cast<std::int64_t>(Cursor(machine, value).size());
  }
  if (value.object() && value.object()->type_name() == "LoopContext") {
    return *value.object()->attribute(machine, "length").integer();
  }
  machine.raise("object of type '{}' has no len()", type_name(value));
}

Value get_attribute(Machine& machine, const Value& value, std::string_view name) {
  if (value.undefined()) machine.raise("{}", value.undefined()->message);
  if (Value found = attribute_or_missing(machine, value, name); !found.is_missing()) return found;
  if (value.dict()) {
    if (const Value* found = value.dict()->find(machine, name)) return *found;
  }
  if (name.starts_with("__") && name.ends_with("__")) {
    return machine.undefined(fmt::format("access to attribute '{}' of '{}' object is unsafe.", name, type_name(value)));
  }
  return no_attribute(machine, value, machine.text(std::string(name)));
}

Value get_item(Machine& machine, const Value& value, const Value& key) {
  if (value.undefined()) machine.raise("{}", value.undefined()->message);
  if (Value found = item_or_missing(machine, value, key); !found.is_missing()) return found;
  if (key.string()) {
    if (Value found = attribute_or_missing(machine, value, key.string()->text); !found.is_missing()) return found;
  }
  return no_attribute(machine, value, key);
}

Value get_slice(Machine& machine, const Value& value, const Value& start, const Value& stop, const Value& step) {
  if (value.undefined()) machine.raise("{}", value.undefined()->message);
  const String* string = value.string();
  const List* list = value.list();
  if (list && list->kind != ListKind::list && list->kind != ListKind::tuple && list->kind != ListKind::range)
    list = nullptr;
  if (value.dict()) machine.raise("unhashable type: 'slice'");
  if (!string && !list) machine.raise("'{}' object is not subscriptable", type_name(value));
  const auto size = static_cast<std::int64_t>(string ? string->length : list->items.size());
  const Range r = slice_range(machine, size, start, stop, step);
  if (string) return slice_text(machine, *string, r);
  const bool range = list->kind == ListKind::range;
  ListBuilder out(machine);
  for (std::int64_t i = r.start; r.step > 0 ? i < r.stop : i > r.stop; i += r.step) {
    out.add(list->items[static_cast<std::size_t>(i)]);
  }
  if (!range) return out.finish(list->kind);
  const auto at = [&](std::int64_t index) {
    std::int64_t value = 0;
    if (__builtin_mul_overflow(index, list->step, &value) || __builtin_add_overflow(value, list->start, &value)) {
      machine.overflow();
    }
    return value;
  };
  std::int64_t width = 0;
  if (__builtin_mul_overflow(list->step, r.step, &width)) machine.overflow();
  return out.finish_range(at(r.start), at(r.stop), width);
}

Value call(Machine& machine, const Value& function, Arguments& arguments) {
  if (function.undefined()) machine.raise("{}", function.undefined()->message);
  if (!function.object() || !function.object()->callable()) {
    machine.raise("'{}' object is not callable", type_name(function));
  }
  const Nested nested(machine);
  return function.object()->call(machine, arguments);
}

}  // namespace bitnet::jinja
