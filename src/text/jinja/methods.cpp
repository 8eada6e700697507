// The methods of str, and those of dict and list that do not change anything.
#include <algorithm>
#include <map>

#include "base/utf8.h"
#include "text/jinja/operations.h"
#include "text/jinja/print.h"
#include "text/jinja/text_operations.h"
#include "text/jinja/unicode.h"

namespace bitnet::jinja {
namespace {

using Method = Value (*)(Machine&, const Value& self, Arguments&);

template <std::string (*Convert)(std::string_view)>
Value converted(Machine& m, const Value& self, Arguments& a) {
  const Bound none(m, "str method", a, {});
  m.step_bytes(self.string()->text.size() * 4);
  m.check_memory(self.string()->text.size() * 8);
  return m.text(Convert(self.string()->text));
}

template <bool (*Test)(char32_t)>
Value every(Machine& m, const Value& self, Arguments& a) {
  const Bound none(m, "str method", a, {});
  const std::string& text = self.string()->text;
  m.step_bytes(text.size());
  for (std::size_t i = 0; i < text.size();) {
    if (!Test(next_code_point(text, i))) return false;
  }
  return !text.empty();
}

template <bool Left, bool Right>
Value stripped(Machine& m, const Value& self, Arguments& a) {
  const Bound b(m, "strip", a, {"chars"});
  return strip_text(m, self, b.string(0), Left, Right);
}

template <bool FromRight>
Value split_method(Machine& m, const Value& self, Arguments& a) {
  const Bound b(m, FromRight ? "rsplit" : "split", a, {"sep", "maxsplit"});
  return split_text(m, self.string()->text, b.string(0), b.integer(1, -1), FromRight);
}

Value splitlines(Machine& m, const Value& self, Arguments& a) {
  const Bound b(m, "splitlines", a, {"keepends"});
  m.step_bytes(self.string()->text.size());
  ListBuilder out(m);
  for (const auto line : split_lines(self.string()->text, b.truth(0, false))) out.add(m.text(std::string(line)));
  return out.finish();
}

/// [start:end] of the string, when given.
std::string_view window(Machine& m, const Value& self, const Bound& b, std::size_t first, std::size_t& skipped) {
  const String& s = *self.string();
  const auto size = static_cast<std::int64_t>(s.length);
  const auto index = [&](std::int64_t i) {
    return static_cast<std::size_t>(std::clamp<std::int64_t>(i < 0 ? i + size : i, 0, size));
  };
  m.step_bytes(s.text.size());
  skipped = index(b.integer(first, 0));
  const std::size_t from = byte_offset(s.text, skipped);
  const std::size_t to = byte_offset(s.text, index(b.integer(first + 1, size)));
  return std::string_view(s.text).substr(from, to > from ? to - from : 0);
}

template <bool Start>
Value has_affix(Machine& m, const Value& self, Arguments& a) {
  const Bound b(m, Start ? "startswith" : "endswith", a, {"prefix", "start", "end"}, 1);
  std::size_t skipped = 0;
  const std::string_view text = window(m, self, b, 1, skipped);
  const auto matches = [&](const Value& affix) {
    if (!affix.string()) {
      m.raise("{} first arg must be str or a tuple of str, not {}", Start ? "startswith" : "endswith",
              type_name(affix));
    }
    return Start ? text.starts_with(affix.string()->text) : text.ends_with(affix.string()->text);
  };
  if (const List* list = b[0].list(); list && list->kind == ListKind::tuple) {
    m.step(list->items.size());
    return std::any_of(list->items.begin(), list->items.end(), matches);
  }
  return matches(b[0]);
}

/// Code point position, or -1.
std::int64_t find_position(Machine& m, const Value& self, Arguments& a, const char* name, bool from_right) {
  const Bound b(m, name, a, {"sub", "start", "end"}, 1);
  std::size_t skipped = 0;
  const std::string_view text = window(m, self, b, 1, skipped);
  const std::string* part = b.string(0);
  if (!part) m.raise("must be str, not {}", type_name(b[0]));
  const std::size_t at = from_right ? find_text_backwards(m, text, *part) : find_text(text, *part);
  if (at == std::string_view::npos) return -1;
  return static_cast<std::int64_t>(skipped + count_code_points(text.substr(0, at)));
}

template <bool FromRight>
Value find_method(Machine& m, const Value& self, Arguments& a) {
  return find_position(m, self, a, FromRight ? "rfind" : "find", FromRight);
}

template <bool FromRight>
Value index_method(Machine& m, const Value& self, Arguments& a) {
  const std::int64_t at = find_position(m, self, a, FromRight ? "rindex" : "index", FromRight);
  if (at < 0) m.raise("substring not found");
  return at;
}

Value count_method(Machine& m, const Value& self, Arguments& a) {
  const Bound b(m, "count", a, {"sub", "start", "end"}, 1);
  std::size_t skipped = 0;
  const std::string_view text = window(m, self, b, 1, skipped);
  const std::string* part = b.string(0);
  if (!part) m.raise("must be str, not {}", type_name(b[0]));
  if (part->empty()) return count_code_points(text) + 1;
  std::int64_t count = 0;
  for (std::size_t at = 0; (at = find_text(text, *part, at)) != std::string_view::npos; at += part->size()) ++count;
  return count;
}

Value replace_method(Machine& m, const Value& self, Arguments& a) {
  const Bound b(m, "replace", a, {"old", "new", "count"}, 2);
  const std::string* from = b.string(0);
  const std::string* to = b.string(1);
  if (!from || !to) m.raise("replace() argument must be str, not {}", type_name(b[from ? 1 : 0]));
  return replace_text(m, self.string()->text, *from, *to, b.integer(2, -1));
}

Value join_method(Machine& m, const Value& self, Arguments& a) {
  const Bound b(m, "join", a, {"iterable"}, 1);
  TextBuilder out(m);
  Cursor cursor(m, b[0]);
  std::size_t i = 0;
  for (Value item; cursor.next(item); ++i) {
    if (!item.string()) m.raise("sequence item {}: expected str instance, {} found", i, type_name(item));
    if (i > 0) out.add(self.string()->text);
    out.add(item.string()->text);
  }
  return out.finish();
}

template <int Align>  // -1 left, 0 center, 1 right
Value justified(Machine& m, const Value& self, Arguments& a) {
  const Bound b(m, "justify", a, {"width", "fillchar"}, 1);
  const std::string* fill = b.string(1);
  if (fill && count_code_points(*fill) != 1) m.raise("The fill character must be exactly one character long");
  return justify_text(m, self, b.integer(0, 0), fill ? *fill : " ", Align);
}

Value zfill(Machine& m, const Value& self, Arguments& a) {
  const Bound b(m, "zfill", a, {"width"}, 1);
  std::string_view text = self.string()->text;
  TextBuilder out(m);
  if (text.starts_with('-') || text.starts_with('+')) {
    out.add(text[0]);
    text.remove_prefix(1);
  }
  const std::int64_t pad =
      b.integer(0, 0) - static_cast<std::int64_t>(std::min(self.string()->length, std::size_t{1} << 60));
  out.add_repeated("0", pad);
  out.add(text);
  return out.finish();
}

template <bool Prefix>
Value without_affix(Machine& m, const Value& self, Arguments& a) {
  const Bound b(m, Prefix ? "removeprefix" : "removesuffix", a, {"affix"}, 1);
  const std::string* affix = b.string(0);
  if (!affix) m.raise("argument must be str, not {}", type_name(b[0]));
  const std::string_view text = self.string()->text;
  if (!(Prefix ? text.starts_with(*affix) : text.ends_with(*affix)) || affix->empty()) return self;
  return m.text(std::string(text.substr(Prefix ? affix->size() : 0, text.size() - affix->size())));
}

template <bool FromRight>
Value partition(Machine& m, const Value& self, Arguments& a) {
  const Bound b(m, "partition", a, {"sep"}, 1);
  const std::string* separator = b.string(0);
  if (!separator) m.raise("must be str, not {}", type_name(b[0]));
  if (separator->empty()) m.raise("empty separator");
  const std::string_view text = self.string()->text;
  const std::size_t at = FromRight ? find_text_backwards(m, text, *separator) : find_text(text, *separator);
  ListBuilder out(m);
  if (at == std::string_view::npos) {
    if (FromRight) out.add(m.text("")), out.add(m.text(""));
    out.add(self);
    if (!FromRight) out.add(m.text("")), out.add(m.text(""));
  } else {
    out.add(m.text(std::string(text.substr(0, at))));
    out.add(m.text(*separator));
    out.add(m.text(std::string(text.substr(at + separator->size()))));
  }
  return out.finish(ListKind::tuple);
}

template <bool Upper>
Value has_case_method(Machine& m, const Value& self, Arguments& a) {
  const Bound none(m, Upper ? "isupper" : "islower", a, {});
  return has_case(m, self.string()->text, Upper);
}
bool is_ascii(char32_t c) { return c < 0x80; }
Value is_ascii_method(Machine& m, const Value& self, Arguments& a) {
  return self.string()->text.empty() ? Value(true) : every<is_ascii>(m, self, a);
}
Value is_title_method(Machine& m, const Value& self, Arguments& a) {
  const Bound none(m, "istitle", a, {});
  const std::string& text = self.string()->text;
  m.step_bytes(text.size() * 4);
  return to_upper(text) != to_lower(text) && titled(text) == text;
}
Value format_method(Machine& m, const Value& self, Arguments& a) { return format_braces(m, *self.string(), a); }
Value expandtabs(Machine& m, const Value& self, Arguments& a) {
  const Bound b(m, "expandtabs", a, {"tabsize"});
  const std::int64_t size = b.integer(0, 8);
  TextBuilder out(m);
  std::int64_t column = 0;
  for (const char c : self.string()->text) {
    if (c == '\t') {
      const std::int64_t pad = size > 0 ? size - column % size : 0;
      out.add_repeated(" ", pad);
      column += pad;
      continue;
    }
    column = c == '\n' || c == '\r' ? 0 : column + (continues_character(c) ? 0 : 1);
    out.add(c);
  }
  return out.finish();
}

const std::map<std::string_view, Method>& string_methods() {
  static const std::map<std::string_view, Method> methods = {
      {"upper", converted<to_upper>},
      {"lower", converted<to_lower>},
      {"casefold", converted<to_lower>},
      {"title", converted<titled>},
      {"capitalize", converted<capitalized>},
      {"swapcase", converted<swapped_case>},
      {"strip", stripped<true, true>},
      {"lstrip", stripped<true, false>},
      {"rstrip", stripped<false, true>},
      {"split", split_method<false>},
      {"rsplit", split_method<true>},
      {"splitlines", splitlines},
      {"startswith", has_affix<true>},
      {"endswith", has_affix<false>},
      {"find", find_method<false>},
      {"rfind", find_method<true>},
      {"index", index_method<false>},
      {"rindex", index_method<true>},
      {"count", count_method},
      {"replace", replace_method},
      {"join", join_method},
      {"format", format_method},
      {"center", justified<0>},
      {"ljust", justified<-1>},
      {"rjust", justified<1>},
      {"zfill", zfill},
      {"removeprefix", without_affix<true>},
      {"removesuffix", without_affix<false>},
      {"partition", partition<false>},
      {"rpartition", partition<true>},
      {"expandtabs", expandtabs},
      {"isalpha", every<is_alpha>},
      {"isdigit", every<is_digit>},
      {"isdecimal", every<is_decimal>},
      {"isnumeric", every<is_numeric>},
      {"isalnum", every<is_alnum>},
      {"isspace", every<is_space>},
      {"isascii", is_ascii_method},
      {"isupper", has_case_method<true>},
      {"islower", has_case_method<false>},
      {"istitle", is_title_method},
  };
  return methods;
}

template <ListKind Kind>
Value view(Machine& m, const Value& self, Arguments& a) {
  const Bound none(m, "dict method", a, {});
  return dict_view(m, *self.dict(), Kind);
}

Value get_method(Machine& m, const Value& self, Arguments& a) {
  const Bound b(m, "get", a, {"key", "default"}, 1);
  if (!hashable(m, b[0])) m.raise("unhashable type: '{}'", type_name(b[0]));
  if (const Value* found = self.dict()->find(m, b[0])) return *found;
  return b.given(1) ? b[1] : Value(None{});
}

Value copy_method(Machine& m, const Value& self, Arguments& a) {
  const Bound none(m, "copy", a, {});
  return self;  // values never change, so that one is as good as another
}

Value list_index(Machine& m, const Value& self, Arguments& a) {
  const Bound b(m, "index", a, {"value", "start", "stop"}, 1);
  const auto& items = self.list()->items;
  const auto size = static_cast<std::int64_t>(items.size());
  const auto clamp = [&](std::int64_t i) { return std::clamp<std::int64_t>(i < 0 ? i + size : i, 0, size); };
  const std::int64_t stop = clamp(b.integer(2, size));
  for (std::int64_t i = clamp(b.integer(1, 0)); i < stop; ++i) {
    if (equal(m, items[static_cast<std::size_t>(i)], b[0])) return i;
  }
  m.raise("{} is not in {}", to_repr(m, b[0]), type_name(self));
}

Value list_count(Machine& m, const Value& self, Arguments& a) {
  const Bound b(m, "count", a, {"value"}, 1);
  std::int64_t count = 0;
  for (const Value& item : self.list()->items) count += equal(m, item, b[0]) ? 1 : 0;
  return count;
}

Method find_method_of(const Value& value, std::string_view name) {
  if (value.string()) {
    const auto found = string_methods().find(name);
    return found == string_methods().end() ? nullptr : found->second;
  }
  if (value.dict()) {
    if (name == "items") return view<ListKind::dict_items>;
    if (name == "keys") return view<ListKind::dict_keys>;
    if (name == "values") return view<ListKind::dict_values>;
    if (name == "get") return get_method;
    if (name == "copy") return copy_method;
    return nullptr;
  }
  const List* list = value.list();
  if (!list || (list->kind != ListKind::list && list->kind != ListKind::tuple && list->kind != ListKind::range))
    return nullptr;
  if (name == "index") return list_index;
  if (name == "count") return list_count;
  return name == "copy" && list->kind == ListKind::list ? copy_method : nullptr;
}

bool changes(const Value& value, std::string_view name) {
  constexpr std::string_view kDict[] = {"clear", "pop", "popitem", "setdefault", "update"};
  constexpr std::string_view kList[] = {"append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove"};
  if (value.dict()) return std::find(std::begin(kDict), std::end(kDict), name) != std::end(kDict);
  if (!value.list() || value.list()->kind != ListKind::list) return false;
  return std::find(std::begin(kList), std::end(kList), name) != std::end(kList);
}

}  // namespace

Value builtin_attribute(Machine& machine, const Value& value, std::string_view name) {
  if (const Method method = find_method_of(value, name)) {
    return make_function(
        machine, "builtin_function_or_method", fmt::format("built-in method {}", name),
        [value, method](Machine& m, Arguments& arguments) { return method(m, value, arguments); }, depth_of(value) + 1);
  }
  if (changes(value, name)) {
    return machine.undefined(fmt::format("access to attribute '{}' of '{}' object is unsafe.", name, type_name(value)));
  }
  if (const List* list = value.list()) {
    if (list->group && name == "grouper") return list->items[0];
    if (list->group && name == "list") return list->items[1];
    if (list->kind == ListKind::range && name == "start") return list->start;
    if (list->kind == ListKind::range && name == "stop") return list->stop;
    if (list->kind == ListKind::range && name == "step") return list->step;
  }
  return {};
}

}  // namespace bitnet::jinja
