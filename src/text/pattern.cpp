#include "text/pattern.h"

#include "base/utf8.h"

namespace bitnet::text {
namespace {

std::variant<std::string, Regex> read_pattern(const Field& field) {
  const Field regex = field["Regex"];
  if (!regex.absent()) return Regex(regex.string(), regex.path());
  return std::string(field["String"].string());
}

}  // namespace

Pattern::Pattern(const Field& field) : pattern_(read_pattern(field)) {}

std::vector<ByteRange> Pattern::find_all(std::string_view text) const {
  std::vector<ByteRange> matches;
  if (const auto* regex = std::get_if<Regex>(&pattern_)) {
    regex->find_all(text, matches);
    return matches;
  }
  const std::string& literal = std::get<std::string>(pattern_);
  for (std::size_t at = 0; (at = text.find(literal, at)) != std::string_view::npos;) {
    matches.push_back({at, at + literal.size()});
    at += !literal.empty() ? literal.size() : at < text.size() ? char_length(text[at]) : 1;
  }
  return matches;
}

std::vector<ByteRange> find_characters(std::string_view text, bool (*wanted)(char32_t) noexcept) {
  std::vector<ByteRange> matches;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t length = char_length(text[at]);
    if (wanted(code_point_at(text, at))) matches.push_back({at, at + length});
    at += length;
  }
  return matches;
}

}  // namespace bitnet::text
