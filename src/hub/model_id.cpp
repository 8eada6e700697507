#include "hub/model_id.h"

#include <algorithm>

#include "base/fail.h"
#include "base/quote_name.h"
#include "bitnet/hub.h"

namespace bitnet::hub {
namespace {

/// The hub's own rule for names of owners and of repositories.
bool is_name(std::string_view name) {
  constexpr std::string_view kAllowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._";
  const auto is_edge = [](char c) { return c == '-' || c == '.'; };
  return !name.empty() && name.size() <= 96 && name.find_first_not_of(kAllowed) == name.npos &&
         !is_edge(name.front()) && !is_edge(name.back()) && name.find("--") == name.npos &&
         name.find("..") == name.npos;
}

/// False when `text` has another form.
bool split(std::string_view text, ModelId& id) {
  const std::size_t at = text.find('@');
  const std::string_view name = text.substr(0, at);
  const std::string_view revision = at == text.npos ? "main" : text.substr(at + 1);
  const std::size_t slash = name.find('/');
  if (slash == name.npos || !is_name(name.substr(0, slash)) || !is_name(name.substr(slash + 1))) return false;
  if (revision.size() > 255 || !is_safe_file_name(revision)) return false;
  id = {std::string(name), std::string(revision)};
  return true;
}

}  // namespace

ModelId ModelId::parse(std::string_view text) {
  ModelId id;
  if (!split(text, id)) {
    fail(ErrorKind::invalid_argument,
         "{} is no id of a model on the hub; expected ORG/NAME or ORG/NAME@REVISION, of letters, digits, '-', '.' and "
         "'_'",
         quote_name(text));
  }
  return id;
}

std::string ModelId::folder() const {
  std::string folder = "models--" + name;
  return folder.replace(folder.find('/'), 1, "--");
}

bool is_commit(std::string_view text) {
  return text.size() == 40 && text.find_first_not_of("0123456789abcdef") == text.npos;
}

bool is_safe_file_name(std::string_view name) {
  if (name.size() > 1024 || std::count(name.begin(), name.end(), '/') >= 16) return false;
  const auto is_bad = [](unsigned char c) { return c < 0x20 || c == 0x7f || c == '\\'; };
  if (std::any_of(name.begin(), name.end(), is_bad)) return false;
  for (std::size_t begin = 0;;) {
    const std::size_t end = std::min(name.find('/', begin), name.size());
    const std::string_view part = name.substr(begin, end - begin);
    if (part.empty() || part.size() > 255 || part == "." || part == "..") return false;
    if (end == name.size()) return true;
    begin = end + 1;
  }
}

}  // namespace bitnet::hub

namespace bitnet {

bool is_model_id(std::string_view text) {
  hub::ModelId id;
  return hub::split(text, id);
}

}  // namespace bitnet
