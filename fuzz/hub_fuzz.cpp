// Any bytes as the hub's list of a model's files: Error(corrupt / limit / not_found), or files that are safe to write.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "bitnet/error.h"
#include "bitnet/hub.h"
#include "hub/model_id.h"
#include "hub/repo_info.h"
#include "net/url.h"

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

void check_name(const std::string& name) {
  const std::filesystem::path path = std::filesystem::path("/cache/model/snapshots") / name;
  require(path.lexically_normal() == path && path.string().starts_with("/cache/model/snapshots/"));
  require(name.find('\0') == std::string::npos);
}

void select(const bitnet::hub::RepoInfo& info, const std::vector<std::string>& include) {
  try {
    const auto selected = bitnet::hub::select_files(info.files, include, "fuzz");
    require(!selected.empty() && selected.size() <= info.files.size());
  } catch (const bitnet::Error& error) {
    require(error.kind() == bitnet::ErrorKind::not_found);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  try {
    const bitnet::hub::RepoInfo info = bitnet::hub::parse_repo_info(text, "fuzz");
    require(bitnet::hub::is_commit(info.commit));
    for (const bitnet::hub::RepoFile& file : info.files) {
      check_name(file.name);
      require(file.etag.empty() || bitnet::hub::is_checksum(file.etag));
      require(file.size.value_or(0) >= 0);
    }
    select(info, {});
    select(info, {"*.json", "[a-m]*"});
  } catch (const bitnet::Error& error) {
    require(error.kind() == bitnet::ErrorKind::corrupt || error.kind() == bitnet::ErrorKind::limit);
  }
  // The same bytes as an id, and as the address of a redirect.
  if (bitnet::is_model_id(text)) {
    const bitnet::hub::ModelId id = bitnet::hub::ModelId::parse(text);
    check_name(id.folder());
    check_name(id.revision);
  }
  const std::string base = "https://hub.example/org/model";
  if (const auto url = bitnet::net::resolve_url(base, text)) {
    require(url->starts_with("https://") || url->starts_with("http://"));
    require(!bitnet::net::same_origin(base, *url) || url->starts_with("https://hub.example"));
    (void)bitnet::net::printable_url(*url);
  }
  return 0;
}
