#include "base/json.h"

#include <algorithm>

#include "base/fail.h"
#include "base/text_file.h"

namespace bitnet {
namespace {

constexpr int kMaxDepth = 64;
constexpr std::size_t kMaxFileBytes = std::size_t{64} << 20;

}  // namespace

Json parse_json(std::string_view text, std::string_view source) {
  try {
    return Json::parse(text, [&](int depth, Json::parse_event_t, Json&) {
      if (depth > kMaxDepth) fail(ErrorKind::limit, "{}: nested deeper than {} levels", source, kMaxDepth);
      return true;
    });
  } catch (const Json::parse_error& error) {
    const std::string_view before = text.substr(0, std::min(error.byte, text.size()));
    const auto line = 1 + std::count(before.begin(), before.end(), '\n');
    const std::size_t newline = before.rfind('\n');
    const std::size_t column = before.size() - (newline == std::string_view::npos ? 0 : newline + 1);
    fail(ErrorKind::corrupt, "{}: not valid JSON at line {}, column {}", source, line, column);
  }
}

Json read_json_file(const std::filesystem::path& path) {
  return parse_json(read_text_file(path, kMaxFileBytes), path.string());
}

}  // namespace bitnet
