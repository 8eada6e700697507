// Python's textwrap.wrap with white space kept as it is (no tabs expanded), as the wordwrap filter asks for.
#include <algorithm>

#include "base/utf8.h"
#include "text/jinja/filters.h"
#include "text/jinja/unicode.h"

namespace bitnet::jinja {
namespace {

bool breaking_space(char32_t c) { return c == ' ' || (c >= 9 && c <= 13); }

/// True when a line may end behind the hyphen at `i`: two letters before it, a letter (or letter-hyphen) pair behind.
bool breaks_behind_hyphen(const std::u32string& text, std::size_t i) {
  const auto letter = [&](std::size_t at) { return at < text.size() && is_alpha(text[at]); };
  const bool before =
      (i >= 2 && letter(i - 1) && letter(i - 2)) || (i >= 3 && letter(i - 1) && text[i - 2] == '-' && letter(i - 3));
  const bool behind = letter(i + 1) && (letter(i + 2) || (i + 2 < text.size() && text[i + 2] == '-' && letter(i + 3)));
  return before && behind;
}

/// Words and runs of white space, in order.
std::vector<std::u32string> chunks_of(Machine& m, const std::u32string& text, bool break_on_hyphens) {
  std::vector<std::u32string> chunks;
  for (std::size_t i = 0; i < text.size();) {
    m.step();
    const std::size_t start = i;
    const bool space = breaking_space(text[i]);
    while (i < text.size() && breaking_space(text[i]) == space) {
      ++i;
      if (!space && break_on_hyphens && text[i - 1] == '-' && breaks_behind_hyphen(text, i - 1)) break;
    }
    chunks.push_back(text.substr(start, i - start));
  }
  return chunks;
}

}  // namespace

std::vector<std::string> wrap_text(Machine& m, std::string_view text, std::int64_t width, bool break_long_words,
                                   bool break_on_hyphens) {
  Charge charge;
  charge.add(m, text.size() * 48);
  auto chunks = chunks_of(m, decode_utf8(text), break_on_hyphens);
  std::reverse(chunks.begin(), chunks.end());
  const auto room = static_cast<std::size_t>(width);
  std::vector<std::string> lines;
  const auto is_blank = [](const std::u32string& chunk) { return std::all_of(chunk.begin(), chunk.end(), is_space); };
  while (!chunks.empty()) {
    m.step();
    std::vector<std::u32string> line;
    std::size_t length = 0;
    if (!lines.empty() && is_blank(chunks.back())) chunks.pop_back();
    while (!chunks.empty() && length + chunks.back().size() <= room) {
      length += chunks.back().size();
      line.push_back(std::move(chunks.back()));
      chunks.pop_back();
    }
    if (!chunks.empty() && chunks.back().size() > room) {
      if (break_long_words) {
        const std::size_t left = room - length;
        line.push_back(chunks.back().substr(0, left));
        chunks.back().erase(0, left);
        m.step_bytes(chunks.back().size() * 4);
      } else if (line.empty()) {
        line.push_back(std::move(chunks.back()));
        chunks.pop_back();
      }
    }
    if (!line.empty() && is_blank(line.back())) line.pop_back();
    if (line.empty()) continue;
    std::string joined;
    for (const auto& chunk : line) joined += encode_utf8(chunk);
    lines.push_back(std::move(joined));
  }
  return lines;
}

}  // namespace bitnet::jinja
