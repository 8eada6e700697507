// Filters that go through a sequence and come back with one value or a list.
#include <algorithm>

#include "text/jinja/filters.h"
#include "text/jinja/operations.h"
#include "text/jinja/print.h"
#include "text/jinja/text_operations.h"

namespace bitnet::jinja {
namespace {

/// What a sort compares, and the item it belongs to.
struct Keyed {
  std::vector<Value> keys;
  Value item;
};

bool keys_less(Machine& m, const std::vector<Value>& a, const std::vector<Value>& b) {
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (!equal(m, a[i], b[i])) return less(m, a[i], b[i]);
  }
  return false;
}

void sort_keyed(Machine& m, std::vector<Keyed>& items, bool reverse) {
  std::stable_sort(items.begin(), items.end(), [&](const Keyed& a, const Keyed& b) {
    return reverse ? keys_less(m, b.keys, a.keys) : keys_less(m, a.keys, b.keys);
  });
}

Value filter_first(Machine& m, const Value& subject, Arguments& a) {
  const Bound none(m, "do_first", a, {});
  Cursor cursor(m, subject);
  Value item;
  return cursor.next(item) ? item : m.undefined("No first item, sequence was empty.");
}

Value reversed_text(Machine& m, const Value& text) { return get_slice(m, text, {}, {}, -1); }

Value filter_last(Machine& m, const Value& subject, Arguments& a) {
  const Bound none(m, "do_last", a, {});
  if (const String* string = subject.string(); string && string->length > 0) return get_item(m, subject, -1);
  if (const List* list = subject.list(); list && !list->items.empty()) return list->items.back();
  if (const Dict* dict = subject.dict(); dict && !dict->entries.empty()) return dict->entries.back().first;
  if (!is_iterable(subject) || subject.object()) m.raise("'{}' object is not reversible", type_name(subject));
  return m.undefined("No last item, sequence was empty.");
}

Value filter_length(Machine& m, const Value& subject, Arguments& a) {
  const Bound none(m, "len", a, {});
  return length(m, subject);
}

Value filter_list(Machine& m, const Value& subject, Arguments& a) {
  const Bound none(m, "do_list", a, {});
  ListBuilder out(m);
  Cursor cursor(m, subject);
  for (Value item; cursor.next(item);) out.add(item);
  return out.finish();
}

Value filter_reverse(Machine& m, const Value& subject, Arguments& a) {
  const Bound none(m, "do_reverse", a, {});
  if (subject.string()) return reversed_text(m, subject);
  if (!is_iterable(subject)) m.raise("argument must be iterable");
  Value list = filter_list(m, subject, a);
  list = get_slice(m, list, {}, {}, -1);
  if (subject.object()) return list;
  return make_generator(
      m, list, {}, [cursor = Cursor(m, list)](Machine&, Value& item) mutable { return cursor.next(item); },
      "list_reverseiterator");
}

Value filter_join(Machine& m, const Value& subject, Arguments& a) {
  const Bound b(m, "do_join", a, {"d", "attribute"});
  const auto path = attribute_path(m, b[1]);
  const std::string separator = b.given(0) ? to_text(m, b[0]) : "";
  TextBuilder out(m);
  Cursor cursor(m, subject);
  bool first = true;
  for (Value item; cursor.next(item); first = false) {
    if (!first) out.add(separator);
    out.add(to_text(m, follow_path(m, item, path)));
  }
  return out.finish();
}

Value filter_sum(Machine& m, const Value& subject, Arguments& a) {
  const Bound b(m, "do_sum", a, {"attribute", "start"});
  const auto path = attribute_path(m, b[0]);
  Value sum = b.given(1) ? b[1] : Value(0);
  if (sum.string()) m.raise("sum() can't sum strings [use ''.join(seq) instead]");
  Cursor cursor(m, subject);
  for (Value item; cursor.next(item);) sum = arithmetic(m, sum, follow_path(m, item, path), "+");
  return sum;
}

template <bool Max>
Value filter_extreme(Machine& m, const Value& subject, Arguments& a) {
  const Bound b(m, Max ? "do_max" : "do_min", a, {"case_sensitive", "attribute"});
  const auto path = attribute_path(m, b[1]);
  const bool exact = b.truth(0, false);
  Cursor cursor(m, subject);
  Value best;
  Value best_key;
  for (Value item; cursor.next(item);) {
    Value key = follow_path(m, item, path);
    if (!exact) key = ignore_case(m, key);
    if (!best_key.is_missing() && !(Max ? ordered(m, key, best_key, ">") : less(m, key, best_key))) continue;
    best = item;
    best_key = std::move(key);
  }
  return best.is_missing() ? m.undefined("No aggregated item, sequence was empty.") : best;
}

Value filter_sort(Machine& m, const Value& subject, Arguments& a) {
  const Bound b(m, "do_sort", a, {"reverse", "case_sensitive", "attribute"});
  std::vector<std::vector<Value>> paths;
  if (b.has(2) && b[2].string()) {
    const std::string comma = ",";
    const Value parts = split_text(m, b[2].string()->text, &comma, -1, false);
    for (const Value& part : parts.list()->items) paths.push_back(attribute_path(m, part));
  } else {
    paths.push_back(attribute_path(m, b[2]));
  }
  const bool exact = b.truth(1, false);
  std::vector<Keyed> items;
  Charge charge;
  Cursor cursor(m, subject);
  for (Value item; cursor.next(item);) {
    charge.add(m, 2 * sizeof(Keyed) + 64 * paths.size());
    Keyed keyed{{}, item};
    for (const auto& path : paths) {
      const Value key = follow_path(m, item, path);
      keyed.keys.push_back(exact ? key : ignore_case(m, key));
    }
    items.push_back(std::move(keyed));
  }
  sort_keyed(m, items, b.truth(0, false));
  ListBuilder out(m);
  for (Keyed& keyed : items) out.add(std::move(keyed.item));
  return out.finish();
}

Value filter_dictsort(Machine& m, const Value& subject, Arguments& a) {
  const Bound b(m, "do_dictsort", a, {"case_sensitive", "by", "reverse"});
  const std::string* by = b.string(1);
  if (by && *by != "key" && *by != "value") m.raise("You can only sort by either \"key\" or \"value\"");
  if (subject.undefined()) m.raise("{}", subject.undefined()->message);
  if (!subject.dict()) m.raise("'{}' object has no attribute 'items'", type_name(subject));
  const bool exact = b.truth(0, false);
  std::vector<Keyed> items;
  Charge charge;
  for (const auto& [key, value] : subject.dict()->entries) {
    charge.add(m, 2 * sizeof(Keyed) + 64);
    const Value& sorted_by = by && *by == "value" ? value : key;
    items.push_back({{exact ? sorted_by : ignore_case(m, sorted_by)}, make_pair(m, key, value)});
  }
  sort_keyed(m, items, b.truth(2, false));
  ListBuilder out(m);
  for (Keyed& keyed : items) out.add(std::move(keyed.item));
  return out.finish();
}

Value finish_group(Machine& m, ListBuilder& members, const Value& grouper) {
  auto group = std::make_shared<List>();
  const Value list = members.finish();
  group->charge.add(m, 256);
  group->kind = ListKind::tuple;
  group->group = true;
  group->depth = 1 + std::max(depth_of(list), depth_of(grouper));
  group->items = {grouper, list};
  return std::shared_ptr<const List>(std::move(group));
}

Value filter_groupby(Machine& m, const Value& subject, Arguments& a) {
  const Bound b(m, "do_groupby", a, {"attribute", "default", "case_sensitive"}, 1);
  const auto path = attribute_path(m, b[0]);
  const bool exact = b.truth(2, false);
  std::vector<Keyed> items;
  Charge charge;
  Cursor cursor(m, subject);
  for (Value item; cursor.next(item);) {
    charge.add(m, 2 * sizeof(Keyed) + 64);
    const Value key = follow_path(m, item, path, b[1]);
    items.push_back({{exact ? key : ignore_case(m, key)}, item});
  }
  sort_keyed(m, items, false);
  ListBuilder out(m);
  for (std::size_t i = 0; i < items.size();) {
    ListBuilder members(m);
    const std::size_t start = i;
    for (; i < items.size() && equal(m, items[i].keys[0], items[start].keys[0]); ++i) members.add(items[i].item);
    if (i == start) members.add(items[i++].item);  // a key that is not equal to itself
    out.add(finish_group(m, members, follow_path(m, items[start].item, path, b[1])));
  }
  return out.finish();
}

constexpr Named<Filter> kSequenceFilters[] = {
    {"count", filter_length},      {"dictsort", filter_dictsort},
    {"first", filter_first},       {"groupby", filter_groupby},
    {"join", filter_join},         {"last", filter_last},
    {"length", filter_length},     {"list", filter_list},
    {"max", filter_extreme<true>}, {"min", filter_extreme<false>},
    {"reverse", filter_reverse},   {"sort", filter_sort},
    {"sum", filter_sum},
};

}  // namespace

std::span<const Named<Filter>> sequence_filters() { return kSequenceFilters; }

}  // namespace bitnet::jinja
