// Filters that make iterators: like Python's generators they do their work when asked for the next item.
#include <unordered_map>

#include "text/jinja/filters.h"
#include "text/jinja/operations.h"
#include "text/jinja/print.h"
#include "text/jinja/text_operations.h"

namespace bitnet::jinja {
namespace {

constexpr std::int64_t kMaxSlices = 100'000;

/// The arguments behind the first `skipped`, which a mapped filter or a test gets.
Arguments rest_of(const Arguments& arguments, std::size_t skipped) {
  Arguments rest = arguments;
  rest.positional.erase(rest.positional.begin(), rest.positional.begin() + static_cast<std::ptrdiff_t>(std::min(
                                                                               skipped, rest.positional.size())));
  return rest;
}

Value empty_generator(Machine& m) {
  return make_generator(m, Value(None{}), {}, [](Machine&, Value&) { return false; });
}

Value filter_map(Machine& m, const Value& subject, Arguments& a) {
  if (!truth(subject)) return empty_generator(m);
  const auto named = [&](std::string_view name) -> const Value* {
    for (const auto& [key, value] : a.named) {
      if (key == name) return &value;
    }
    return nullptr;
  };
  if (a.positional.empty() && named("attribute")) {
    for (const auto& [key, value] : a.named) {
      if (key != "attribute" && key != "default") m.raise("Unexpected keyword argument '{}'", key);
    }
    const Value otherwise = named("default") ? *named("default") : Value();
    return make_generator(m, subject, a,
                          [cursor = Cursor(m, subject), path = attribute_path(m, *named("attribute")), otherwise](
                              Machine& machine, Value& item) mutable {
                            if (!cursor.next(item)) return false;
                            item = follow_path(machine, item, path, otherwise);
                            return true;
                          });
  }
  if (a.positional.empty()) m.raise("map requires a filter argument");
  return make_generator(m, subject, a,
                        [cursor = Cursor(m, subject), filter = filter_named(m, a.positional[0]), rest = rest_of(a, 1)](
                            Machine& machine, Value& item) mutable {
                          if (!cursor.next(item)) return false;
                          Arguments arguments = rest;
                          item = filter(machine, item, arguments);
                          return true;
                        });
}

template <bool Wanted, bool ByAttribute>
Value filter_select(Machine& m, const Value& subject, Arguments& a) {
  if (!truth(subject)) return empty_generator(m);
  if (ByAttribute && a.positional.empty()) m.raise("Missing parameter for attribute name");
  const std::size_t skipped = ByAttribute ? 1 : 0;
  const Test test = a.positional.size() > skipped ? test_named(m, a.positional[skipped]) : nullptr;
  return make_generator(m, subject, a,
                        [cursor = Cursor(m, subject), test, rest = rest_of(a, skipped + 1),
                         path = ByAttribute ? attribute_path(m, a.positional[0]) : std::vector<Value>()](
                            Machine& machine, Value& item) mutable {
                          while (cursor.next(item)) {
                            const Value tested = follow_path(machine, item, path);
                            Arguments arguments = rest;
                            if ((test ? test(machine, tested, arguments) : truth(tested)) == Wanted) return true;
                          }
                          return false;
                        });
}

Value filter_items(Machine& m, const Value& subject, Arguments& a) {
  const Bound none(m, "do_items", a, {});
  if (subject.undefined()) return empty_generator(m);
  if (!subject.dict()) m.raise("Can only get item pairs from a mapping.");
  return make_generator(m, subject, a, [subject, i = std::size_t{0}](Machine& machine, Value& item) mutable {
    const auto& entries = subject.dict()->entries;
    if (i >= entries.size()) return false;
    machine.step();
    item = make_pair(machine, entries[i].first, entries[i].second);
    ++i;
    return true;
  });
}

struct Seen {
  std::unordered_multimap<std::size_t, Value> keys;
  Charge charge;
};

Value filter_unique(Machine& m, const Value& subject, Arguments& a) {
  const Bound b(m, "do_unique", a, {"case_sensitive", "attribute"});
  return make_generator(m, subject, a,
                        [cursor = Cursor(m, subject), path = attribute_path(m, b[1]), exact = b.truth(0, false),
                         seen = std::make_shared<Seen>()](Machine& machine, Value& item) mutable {
                          while (cursor.next(item)) {
                            Value key = follow_path(machine, item, path);
                            if (!exact) key = ignore_case(machine, key);
                            if (!hashable(machine, key)) machine.raise("unhashable type: '{}'", type_name(key));
                            const std::size_t hash = hash_of(machine, key);
                            bool known = false;
                            for (auto [it, end] = seen->keys.equal_range(hash); it != end && !known; ++it) {
                              known = equal(machine, it->second, key);
                            }
                            if (known) continue;
                            seen->charge.add(machine, 96);
                            seen->keys.emplace(hash, std::move(key));
                            return true;
                          }
                          return false;
                        });
}

Value filter_batch(Machine& m, const Value& subject, Arguments& a) {
  const Bound b(m, "do_batch", a, {"linecount", "fill_with"}, 1);
  return make_generator(m, subject, a,
                        [cursor = Cursor(m, subject), count = b.integer(0, 0), fill = b[1], held = Value()](
                            Machine& machine, Value& batch) mutable {
                          ListBuilder items(machine);
                          if (!held.is_missing()) items.add(std::exchange(held, Value()));
                          for (Value item; cursor.next(item);) {
                            if (static_cast<std::int64_t>(items.size()) == count) {
                              held = item;
                              break;
                            }
                            items.add(item);
                          }
                          if (items.size() == 0 && held.is_missing()) return false;
                          if (held.is_missing() && !fill.is_missing() && !fill.is_none()) {
                            while (static_cast<std::int64_t>(items.size()) < count) {
                              machine.step();
                              items.add(fill);
                            }
                          }
                          batch = items.finish();
                          return true;
                        });
}

Value filter_slice(Machine& m, const Value& subject, Arguments& a) {
  const Bound b(m, "do_slice", a, {"slices", "fill_with"}, 1);
  const std::int64_t slices = b.integer(0, 0);
  if (slices == 0) m.raise("integer division or modulo by zero");
  if (slices > kMaxSlices) {
    m.raise_text(ErrorKind::limit, fmt::format("slice makes at most {} lists, not {}", kMaxSlices, slices));
  }
  Arguments none;
  const Value list = find_filter("list")(m, subject, none);
  const auto size = static_cast<std::int64_t>(list.list()->items.size());
  return make_generator(m, list, a,
                        [list, slices, fill = b[1], base = size / slices, extra = size % slices,
                         number = std::int64_t{0}, start = std::int64_t{0}](Machine& machine, Value& slice) mutable {
                          if (number >= slices) return false;
                          const std::int64_t end = start + base + (number < extra ? 1 : 0);
                          ListBuilder out(machine);
                          for (std::int64_t i = start; i < end; ++i)
                            out.add(list.list()->items[static_cast<std::size_t>(i)]);
                          if (number >= extra && !fill.is_missing() && !fill.is_none()) out.add(fill);
                          start = end;
                          ++number;
                          slice = out.finish();
                          return true;
                        });
}

constexpr Named<Filter> kSelectionFilters[] = {
    {"batch", filter_batch},
    {"items", filter_items},
    {"map", filter_map},
    {"reject", filter_select<false, false>},
    {"rejectattr", filter_select<false, true>},
    {"select", filter_select<true, false>},
    {"selectattr", filter_select<true, true>},
    {"slice", filter_slice},
    {"unique", filter_unique},
};

}  // namespace

std::span<const Named<Filter>> selection_filters() { return kSelectionFilters; }

}  // namespace bitnet::jinja
