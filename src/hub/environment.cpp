#include <algorithm>
#include <cctype>
#include <cstdlib>
#include <string>

#include "base/fail.h"
#include "base/text_file.h"
#include "bitnet/hub.h"

namespace bitnet {
namespace {

namespace fs = std::filesystem;

/// Unset and empty are the same.
std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

bool is_true(const char* name) {
  std::string value = variable(name);
  std::transform(value.begin(), value.end(), value.begin(), [](unsigned char c) { return std::toupper(c); });
  return value == "1" || value == "ON" || value == "YES" || value == "TRUE";
}

/// A folder of the user; "~/" at the beginning is the home folder.
fs::path expanded(const std::string& path) {
  if (path != "~" && !path.starts_with("~/")) return path;
  const std::string home = variable("HOME");
  if (home.empty()) {
    fail(ErrorKind::not_found, "HOME is not set, so that {} cannot be found; set HF_HUB_CACHE to a folder", path);
  }
  return fs::path(home) / path.substr(std::min<std::size_t>(2, path.size()));
}

fs::path hugging_face_home() {
  if (const std::string home = variable("HF_HOME"); !home.empty()) return expanded(home);
  const std::string cache = variable("XDG_CACHE_HOME");
  return expanded(cache.empty() ? "~/.cache" : cache) / "huggingface";
}

fs::path cache_folder() {
  for (const char* name : {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"}) {
    if (const std::string folder = variable(name); !folder.empty()) return expanded(folder);
  }
  return hugging_face_home() / "hub";
}

std::string trimmed(std::string text) {
  const auto is_space = [](unsigned char c) { return std::isspace(c) != 0; };
  text.erase(text.begin(), std::find_if_not(text.begin(), text.end(), is_space));
  text.erase(std::find_if_not(text.rbegin(), text.rend(), is_space).base(), text.end());
  return text;
}

std::string token() {
  if (is_true("HF_HUB_DISABLE_IMPLICIT_TOKEN")) return {};
  for (const char* name : {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"}) {
    if (std::string value = trimmed(variable(name)); !value.empty()) return value;
  }
  const std::string named = variable("HF_TOKEN_PATH");
  const fs::path file = named.empty() ? hugging_face_home() / "token" : expanded(named);
  std::error_code ignored;
  return fs::is_regular_file(file, ignored) ? trimmed(read_text_file(file, 4096)) : "";
}

}  // namespace

HubOptions hub_options_from_environment() {
  HubOptions options;
  options.cache = cache_folder();
  if (std::string endpoint = variable("HF_ENDPOINT"); !endpoint.empty()) {
    endpoint.erase(endpoint.find_last_not_of('/') + 1);
    options.endpoint = endpoint;
  }
  options.token = token();
  options.ca_file = variable("SSL_CERT_FILE");
  options.offline = is_true("HF_HUB_OFFLINE") || is_true("TRANSFORMERS_OFFLINE");
  return options;
}

}  // namespace bitnet
