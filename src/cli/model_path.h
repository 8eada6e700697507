#pragma once

#include <filesystem>
#include <string>

namespace bitnet::cli {

/// The file or folder that the user named; what is none and has the form of an id is pulled from the hub (pull_model),
/// so that the result and not the name goes to whoever asks again. For an empty name, the default model: installed
/// beside the program (<prefix>/share/bitnet/models/fairy-bitnet) or in the source tree that the program was built
/// from. Throws Error that says where it looked.
[[nodiscard]] std::filesystem::path find_model(const std::string& named);

}  // namespace bitnet::cli
