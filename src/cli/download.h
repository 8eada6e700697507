#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "bitnet/hub.h"

namespace bitnet::cli {

struct Pulled {
  std::filesystem::path path;
  std::int64_t bytes = 0;  ///< of the files that were missing before
};

/// pull() with a progress bar and its remarks on standard error. Ctrl-C ends it with Error(cancelled).
[[nodiscard]] Pulled pull_model(const std::string& id, HubOptions options);

}  // namespace bitnet::cli
