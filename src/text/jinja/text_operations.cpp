#include "text/jinja/text_operations.h"

#include <algorithm>

#include "base/utf8.h"
#include "text/jinja/operations.h"
#include "text/jinja/unicode.h"

namespace bitnet::jinja {
namespace {

/// The pieces between runs of white space, at most `most` cuts (all when negative) from one side.
std::vector<std::string_view> split_spaces(std::string_view text, std::int64_t most, bool from_right) {
  std::vector<std::string_view> words;
  text = strip(text, nullptr, !from_right, from_right);  // what is left uncut keeps its far end
  while (!text.empty() && (most < 0 || static_cast<std::int64_t>(words.size()) < most)) {
    if (from_right) {
      std::size_t start = 0;  // behind the last space
      for (std::size_t i = text.size(); i > 0; --i) {
        if (continues_character(text[i - 1])) continue;
        std::size_t end = i - 1;
        if (!is_space(next_code_point(text, end))) continue;
        start = end;
        break;
      }
      words.push_back(text.substr(start));
      text = strip(text.substr(0, start), nullptr, false, true);
    } else {
      std::size_t end = text.size();
      for (std::size_t i = 0; i < text.size();) {
        const std::size_t at = i;
        if (!is_space(next_code_point(text, i))) continue;
        end = at;
        break;
      }
      words.push_back(text.substr(0, end));
      text = strip(text.substr(end), nullptr, true, false);
    }
  }
  const std::string_view rest = most < 0 ? strip(text, nullptr, true, true) : text;
  if (!rest.empty()) words.push_back(rest);
  if (from_right) std::reverse(words.begin(), words.end());
  return words;
}

}  // namespace

Value strip_text(Machine& machine, const Value& text, const std::string* chars, bool left, bool right) {
  const std::string& all = text.string()->text;
  machine.step_bytes(all.size() * (chars ? 1 + chars->size() : 1));
  const std::string_view kept = strip(all, chars, left, right);
  return kept.size() == all.size() ? text : machine.text(std::string(kept));
}

Value split_text(Machine& machine, std::string_view text, const std::string* separator, std::int64_t most,
                 bool from_right) {
  machine.step_bytes(text.size());
  ListBuilder out(machine);
  if (!separator) {
    machine.check_memory(text.size() * sizeof(std::string_view));
    for (const auto word : split_spaces(text, most, from_right)) out.add(machine.text(std::string(word)));
    return out.finish();
  }
  if (separator->empty()) machine.raise("empty separator");
  std::vector<std::size_t> cuts;
  machine.check_memory(text.size() / separator->size() * sizeof(std::size_t));
  if (from_right) {
    for (std::size_t end = text.size(); most < 0 || static_cast<std::int64_t>(cuts.size()) < most;) {
      const std::size_t at = find_text_backwards(machine, text.substr(0, end), *separator);
      if (at == std::string_view::npos) break;
      cuts.push_back(at);
      end = at;
    }
    std::reverse(cuts.begin(), cuts.end());
  } else {
    for (std::size_t at = 0; most < 0 || static_cast<std::int64_t>(cuts.size()) < most; at += separator->size()) {
      at = find_text(text, *separator, at);
      if (at == std::string_view::npos) break;
      cuts.push_back(at);
    }
  }
  std::size_t start = 0;
  for (const std::size_t cut : cuts) {
    out.add(machine.text(std::string(text.substr(start, cut - start))));
    start = cut + separator->size();
  }
  out.add(machine.text(std::string(text.substr(start))));
  return out.finish();
}

Value replace_text(Machine& machine, std::string_view text, std::string_view from, std::string_view to,
                   std::int64_t most) {
  machine.step_bytes(text.size());
  TextBuilder out(machine);
  std::size_t start = 0;
  for (std::int64_t done = 0; most < 0 || done < most; ++done) {
    if (from.empty()) {  // before every code point and at the end
      out.add(to);
      if (start >= text.size()) return out.finish();
      const std::size_t at = start;
      (void)next_code_point(text, start);
      out.add(text.substr(at, start - at));
      continue;
    }
    const std::size_t at = find_text(text, from, start);
    if (at == std::string_view::npos) break;
    out.add(text.substr(start, at - start));
    out.add(to);
    start = at + from.size();
  }
  out.add(text.substr(start));
  return out.finish();
}

Value justify_text(Machine& machine, const Value& text, std::int64_t width, std::string_view fill, int align) {
  const auto size = static_cast<std::int64_t>(text.string()->length);
  if (width <= size) return text;
  const std::int64_t pad = width - size;
  // Python puts the odd space of an even-length text on the left only when the width is odd.
  const std::int64_t left = align < 0 ? 0 : align > 0 ? pad : pad / 2 + (pad & width & 1);
  TextBuilder out(machine);
  out.add_repeated(fill, left);
  out.add(text.string()->text);
  out.add_repeated(fill, pad - left);
  return out.finish();
}

bool has_case(Machine& machine, std::string_view text, bool upper) {
  machine.step_bytes(text.size());
  bool cased = false;
  for (std::size_t i = 0; i < text.size();) {
    const char32_t c = next_code_point(text, i);
    if (upper ? is_lower(c) || is_title(c) : is_upper(c) || is_title(c)) return false;
    cased = cased || (upper ? is_upper(c) : is_lower(c));
  }
  return cased;
}

std::size_t find_text_backwards(Machine& machine, std::string_view text, std::string_view part) {
  if (part.size() > text.size()) return std::string_view::npos;
  for (std::size_t at = text.size() - part.size() + 1; at-- > 0;) {
    if ((text.size() - at) % 1024 == 0) machine.step(64);
    if (!part.empty() && text[at] != part[0]) continue;
    machine.step(part.size() / 256);
    if (text.compare(at, part.size(), part) == 0) return at;
  }
  return std::string_view::npos;
}

Value dict_view(Machine& machine, const Dict& dict, ListKind kind) {
  ListBuilder out(machine);
  for (const auto& [key, value] : dict.entries) {
    if (kind == ListKind::dict_keys) {
      out.add(key);
    } else if (kind == ListKind::dict_values) {
      out.add(value);
    } else {
      out.add(make_pair(machine, key, value));
    }
  }
  return out.finish(kind);
}

Value make_pair(Machine& machine, Value first, Value second) {
  ListBuilder out(machine);
  out.add(std::move(first));
  out.add(std::move(second));
  return out.finish(ListKind::tuple);
}

}  // namespace bitnet::jinja
