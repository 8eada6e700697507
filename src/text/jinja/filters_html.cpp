// Filters that write or read HTML, URLs and JSON.
#include <algorithm>

#include "base/utf8.h"
#include "text/jinja/filters.h"
#include "text/jinja/operations.h"
#include "text/jinja/print.h"
#include "text/jinja/unicode.h"

namespace bitnet::jinja {
namespace {

Value filter_escape(Machine& m, const Value& subject, Arguments& a) {
  const Bound none(m, "escape", a, {});
  return escaped(m, subject);
}

Value filter_forceescape(Machine& m, const Value& subject, Arguments& a) {
  const Bound none(m, "do_forceescape", a, {});
  return escaped(m, m.text(to_text(m, subject)));
}

Value filter_safe(Machine& m, const Value& subject, Arguments& a) {
  const Bound none(m, "do_mark_safe", a, {});
  return m.text(to_text(m, subject), true);
}

Value unescape_entities(Machine& m, const std::string& text) {
  constexpr std::pair<std::string_view, char32_t> kNames[] = {{"amp", '&'},  {"lt", '<'},    {"gt", '>'},
                                                              {"quot", '"'}, {"apos", '\''}, {"nbsp", 0xA0}};
  TextBuilder out(m);
  for (std::size_t i = 0; i < text.size();) {
    const std::size_t end = text[i] == '&' ? text.find(';', i) : std::string::npos;
    char32_t c = 0;
    if (end != std::string::npos && end - i <= 10) {
      const std::string name = text.substr(i + 1, end - i - 1);
      const bool hex = name.starts_with("#x") || name.starts_with("#X");
      const std::string digits = name.starts_with('#') ? name.substr(hex ? 2 : 1) : "";
      const auto is_digit_of_base = [&](char d) { return hex ? std::isxdigit(d) != 0 : std::isdigit(d) != 0; };
      if (!digits.empty() && std::all_of(digits.begin(), digits.end(), is_digit_of_base)) {
        c = static_cast<char32_t>(std::stoul(digits, nullptr, hex ? 16 : 10));
      }
      for (const auto& [known, code_point] : kNames) c = known == name ? code_point : c;
    }
    if (c == 0) {
      out.add(text[i++]);
      continue;
    }
    std::string one;
    append_code_point(one, c);
    out.add(one);
    i = end + 1;
  }
  return out.finish();
}

/// Removes comments and tags, and folds white space.
Value filter_striptags(Machine& m, const Value& subject, Arguments& a) {
  const Bound none(m, "do_striptags", a, {});
  const std::string text = to_text(m, subject);
  m.step_bytes(text.size() * 4);
  std::string plain;
  for (const auto& [open, close] : {std::pair<std::string_view, std::string_view>{"<!--", "-->"}, {"<", ">"}}) {
    const std::string source = plain.empty() && open.size() > 1 ? text : plain;
    plain.clear();
    for (std::size_t i = 0; i < source.size();) {
      const std::size_t start = find_text(source, open, i);
      const std::size_t end = start == std::string::npos ? start : find_text(source, close, start);
      if (end == std::string::npos) {
        plain += source.substr(i);
        break;
      }
      plain += source.substr(i, start - i);
      i = end + close.size();
    }
  }
  std::string folded;
  bool space = false;
  for (std::size_t i = 0; i < plain.size();) {
    const std::size_t start = i;
    if (is_space(next_code_point(plain, i))) {
      space = !folded.empty();
      continue;
    }
    if (space) folded += ' ';
    space = false;
    folded += plain.substr(start, i - start);
  }
  return unescape_entities(m, folded);
}

void quote_url(TextBuilder& out, std::string_view text, bool query) {
  for (const char c : text) {
    const bool plain = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_' ||
                       c == '.' || c == '-' || c == '~' || (c == '/' && !query);
    if (plain) {
      out.add(c);
    } else if (c == ' ' && query) {
      out.add('+');
    } else {
      out.add(fmt::format("%{:02X}", static_cast<unsigned char>(c)));
    }
  }
}

Value filter_urlencode(Machine& m, const Value& subject, Arguments& a) {
  const Bound none(m, "do_urlencode", a, {});
  TextBuilder out(m);
  if (subject.string() || !is_iterable(subject)) {
    quote_url(out, to_text(m, subject), false);
    return out.finish();
  }
  const auto add = [&](const Value& key, const Value& value) {
    if (!out.text().empty()) out.add('&');
    quote_url(out, to_text(m, key), true);
    out.add('=');
    quote_url(out, to_text(m, value), true);
  };
  if (const Dict* dict = subject.dict()) {
    for (const auto& [key, value] : dict->entries) add(key, value);
    return out.finish();
  }
  Cursor cursor(m, subject);
  for (Value pair; cursor.next(pair);) {
    Cursor items(m, pair);
    Value key;
    Value value;
    if (!items.next(key) || !items.next(value)) m.raise("not enough values to unpack (expected 2)");
    add(key, value);
  }
  return out.finish();
}

Value filter_xmlattr(Machine& m, const Value& subject, Arguments& a) {
  const Bound b(m, "do_xmlattr", a, {"autospace"});
  if (!subject.dict()) m.raise("'{}' object has no attribute 'items'", type_name(subject));
  TextBuilder out(m);
  for (const auto& [key, value] : subject.dict()->entries) {
    if (value.is_none() || value.undefined()) continue;
    const std::string name = to_text(m, key);
    if (name.find_first_of(" \t\n\r\f\v/>=") != std::string::npos) {
      m.raise("Invalid character in attribute name: {}", to_repr(m, key));
    }
    if (!out.text().empty() || b.truth(0, true)) out.add(' ');
    out.add(escaped(m, key).string()->text);
    out.add("=\"");
    out.add(escaped(m, value).string()->text);
    out.add('"');
  }
  return out.finish();
}

/// The one that Hugging Face puts in the place of Jinja's: json.dumps, without escapes for HTML.
Value filter_tojson(Machine& m, const Value& subject, Arguments& a) {
  const Bound b(m, "tojson", a, {"ensure_ascii", "indent", "separators", "sort_keys"});
  JsonLayout layout;
  layout.ascii = b.truth(0, false);
  layout.sort_keys = b.truth(3, false);
  if (b.has(1)) {
    layout.pretty = true;
    layout.item_separator.assign(1, ',');
    if (b[1].string()) {
      layout.indent = b[1].string()->text;
    } else {
      TextBuilder spaces(m);
      spaces.add_repeated(" ", b.integer(1, 0));
      layout.indent = spaces.take();
    }
  }
  if (b.has(2)) {
    const Value item = get_item(m, b[2], 0);
    const Value key = get_item(m, b[2], 1);
    if (!item.string() || !key.string()) m.raise("separators must be a pair of strings");
    layout.item_separator = item.string()->text;
    layout.key_separator = key.string()->text;
  }
  return to_json(m, subject, layout);
}

constexpr Named<Filter> kHtmlFilters[] = {
    {"e", filter_escape},
    {"escape", filter_escape},
    {"forceescape", filter_forceescape},
    {"safe", filter_safe},
    {"striptags", filter_striptags},
    {"tojson", filter_tojson},
    {"urlencode", filter_urlencode},
    {"xmlattr", filter_xmlattr},
};

}  // namespace

std::span<const Named<Filter>> html_filters() { return kHtmlFilters; }

}  // namespace bitnet::jinja
