#pragma once

#include <filesystem>
#include <string>

namespace bitnet::cli {

/// The folder that the user named, or, for an empty name, the default model: installed beside the program
/// (<prefix>/share/bitnet/models/fairy-bitnet) or in the source tree that the program was built from.
/// Throws Error(not_found) that lists where it looked.
[[nodiscard]] std::filesystem::path find_model(const std::string& named);

}  // namespace bitnet::cli
