#include "text/aligned_text.h"

#include <algorithm>

#include "base/utf8.h"

namespace bitnet::text {

void AlignedText::append(std::string_view text, Span origin) {
  bytes += text;
  align.resize(bytes.size(), origin);
}

void AlignedText::append(const AlignedText& other, std::size_t begin, std::size_t end) {
  bytes.append(other.bytes, begin, end - begin);
  align.insert(align.end(), other.align.begin() + static_cast<std::ptrdiff_t>(begin),
               other.align.begin() + static_cast<std::ptrdiff_t>(end));
}

void AlignedText::append_prefixed(std::string_view prefix, const AlignedText& source, std::size_t begin,
                                  std::size_t end) {
  append(prefix, source.align[begin]);
  append(source, begin, end);
}

void AlignedText::transform(const std::vector<Transformed>& characters, std::size_t removed) {
  AlignedText result;
  result.bytes.reserve(size());
  result.align.reserve(size());
  std::size_t old = 0;
  const auto skip = [&](std::size_t count) {
    for (; count > 0 && old < size(); --count) old += char_length(bytes[old]);
  };
  skip(removed);
  std::string encoded;
  for (const auto& [c, change] : characters) {
    // Reordered combining marks can claim one more old character than there are.
    const std::size_t source = change > 0 ? old - (old > 0) : std::min(old, size() - 1);
    encoded.clear();
    append_code_point(encoded, c);
    result.append(encoded, change > 0 && old == 0 ? Span{align[0].begin, align[0].begin} : align[source]);
    if (change <= 0) skip(static_cast<std::size_t>(1 - change));
  }
  *this = std::move(result);
}

void PieceList::add(std::size_t begin, std::size_t end, std::int32_t token) {
  if (begin == end) return;
  pieces.push_back(
      {static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(end), text.align[begin].begin, token});
}

std::vector<ByteRange> split_ranges(const std::vector<ByteRange>& matches, std::size_t size, SplitBehavior behavior,
                                    bool invert) {
  struct Part {
    ByteRange range;
    bool matched;
  };
  std::vector<Part> parts;
  parts.reserve(2 * matches.size() + 1);
  std::size_t at = 0;
  for (const ByteRange& match : matches) {
    if (match.begin != at) parts.push_back({{at, match.begin}, invert});
    parts.push_back({match, !invert});
    at = match.end;
  }
  if (at != size) parts.push_back({{at, size}, invert});

  std::vector<ByteRange> kept;
  kept.reserve(parts.size());
  bool previous = false;
  const auto keep = [&](const Part& part, bool merge, bool forward) {
    if (merge && !kept.empty()) {
      (forward ? kept.back().end : kept.back().begin) = forward ? part.range.end : part.range.begin;
    } else {
      kept.push_back(part.range);
    }
    previous = part.matched;
  };
  switch (behavior) {
    case SplitBehavior::removed:
      for (const Part& part : parts) {
        if (!part.matched) kept.push_back(part.range);
      }
      break;
    case SplitBehavior::isolated:
      for (const Part& part : parts) kept.push_back(part.range);
      break;
    case SplitBehavior::contiguous:
      for (const Part& part : parts) keep(part, part.matched == previous, true);
      break;
    case SplitBehavior::merged_with_previous:
      for (const Part& part : parts) keep(part, part.matched && !previous, true);
      break;
    case SplitBehavior::merged_with_next:
      std::for_each(parts.rbegin(), parts.rend(),
                    [&](const Part& part) { keep(part, part.matched && !previous, false); });
      std::ranges::reverse(kept);
      break;
  }
  return kept;
}

}  // namespace bitnet::text
