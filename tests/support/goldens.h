#pragma once

#include <cstdlib>
#include <filesystem>

namespace bitnet::testing_support {

/// The folder of reference numbers: the environment variable BITNET_GOLDENS, or the repository's own.
inline std::filesystem::path golden_folder() {
  const char* chosen = std::getenv("BITNET_GOLDENS");
  return chosen != nullptr ? std::filesystem::path(chosen) : std::filesystem::path(BITNET_SOURCE_DIR) / "tests/golden";
}

}  // namespace bitnet::testing_support
