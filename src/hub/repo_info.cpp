#include "hub/repo_info.h"

#include <set>

#include "base/json_reader.h"
#include "base/quote_name.h"
#include "hub/model_id.h"

namespace bitnet::hub {
namespace {

constexpr std::size_t kMaxFiles = 100'000;
constexpr std::int64_t kMaxFileBytes = std::int64_t{1} << 50;

const Json& required(const Json& object, const char* key, Json::value_t type, std::string_view source,
                     std::string_view expected) {
  const auto it = object.is_object() ? object.find(key) : object.end();
  if (!object.is_object() || it == object.end() || it->type() != type) {
    fail(ErrorKind::corrupt, "{}: {} is missing or no {}", source, key, expected);
  }
  return *it;
}

RepoFile parse_file(const Json& entry, std::string_view source) {
  RepoFile file;
  file.name = required(entry, "rfilename", Json::value_t::string, source, "string").get<std::string>();
  if (!is_safe_file_name(file.name)) {
    fail(ErrorKind::corrupt, "{}: the file name {} leads out of its folder or cannot be a file's", source,
         quote_name(file.name));
  }
  const JsonReader reader(entry, source, "siblings: ");
  if (reader.find("size") != nullptr) file.size = reader.integer("size", 0, kMaxFileBytes);
  std::string etag = reader.string_or("blobId", "");
  if (const Json* lfs = reader.find("lfs"); lfs != nullptr && lfs->is_object()) {
    etag = JsonReader(*lfs, source, "lfs: ").string_or("sha256", "");
  }
  if (is_checksum(etag)) file.etag = etag;
  return file;
}

}  // namespace

RepoInfo parse_repo_info(std::string_view json, std::string_view source) {
  const Json root = parse_json(json, source);
  RepoInfo info;
  info.commit = required(root, "sha", Json::value_t::string, source, "string").get<std::string>();
  if (!is_commit(info.commit)) {
    fail(ErrorKind::corrupt, "{}: sha is {}; expected 40 hexadecimal digits", source, quote_name(info.commit));
  }
  const Json& siblings = required(root, "siblings", Json::value_t::array, source, "list");
  if (siblings.size() > kMaxFiles) {
    fail(ErrorKind::limit, "{}: the model has {} files; at most {} are accepted", source, siblings.size(), kMaxFiles);
  }
  std::set<std::string> names;
  for (const Json& entry : siblings) {
    info.files.push_back(parse_file(entry, source));
    if (!names.insert(info.files.back().name).second) {
      fail(ErrorKind::corrupt, "{}: the file {} is there twice", source, quote_name(info.files.back().name));
    }
  }
  return info;
}

std::string bare_etag(std::string_view header) {
  if (header.starts_with("W/")) header.remove_prefix(2);
  if (header.size() >= 2 && header.front() == '"' && header.back() == '"') header = header.substr(1, header.size() - 2);
  return std::string(header);
}

bool is_checksum(std::string_view etag) {
  return (etag.size() == 64 || etag.size() == 40) && etag.find_first_not_of("0123456789abcdef") == etag.npos;
}

}  // namespace bitnet::hub
