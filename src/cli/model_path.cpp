#include "cli/model_path.h"

#include <array>

#include "base/fail.h"

namespace bitnet::cli {

std::filesystem::path find_model(const std::string& named) {
  namespace fs = std::filesystem;
  if (!named.empty()) return named;
  std::error_code error;
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
