#include "cli/model_path.h"

#include <array>

#include "base/fail.h"
#include "bitnet/hub.h"
#include "cli/download.h"

namespace bitnet::cli {
namespace {

/// `named` is no path; so the errors are about both things that it could have been.
std::filesystem::path from_hub(const std::string& named) {
  if (!is_model_id(named)) {
    fail(ErrorKind::not_found,
         "there is no file or folder {}, and it is no id of a model on the hub (ORG/NAME or ORG/NAME@REVISION)", named);
  }
  try {
    return pull_model(named, hub_options_from_environment()).path;
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::cancelled) throw;
    fail(error.kind(), "there is no file or folder {}, and as a model of the hub: {}", named, error.what());
  }
}

}  // namespace

std::filesystem::path find_model(const std::string& named) {
  namespace fs = std::filesystem;
  std::error_code error;
  if (!named.empty()) return fs::exists(named, error) ? fs::path(named) : from_hub(named);
  const fs::path program = fs::read_symlink("/proc/self/exe", error);
  const std::array<fs::path, 2> places = {
      program.parent_path().parent_path() / "share/bitnet/models/fairy-bitnet",
      fs::path(BITNET_SOURCE_DIR) / "models/fairy-bitnet",
  };
  for (const fs::path& place : places) {
    if (fs::exists(place / "config.json", error)) return place;
  }
  fail(ErrorKind::not_found, "the default model is neither in {} nor in {}; name a model's folder", places[0].string(),
       places[1].string());
}

}  // namespace bitnet::cli
