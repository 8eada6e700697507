#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "loading/convert.h"

namespace bitnet {

/// Of ConvertOptions::weights. Throws Error(invalid_argument) listing the names.
[[nodiscard]] loading::TernaryTarget ternary_target(const std::string& name, const std::filesystem::path& output);

/// Of ConvertOptions::embedding and ::head; nothing for an empty name. Throws Error(invalid_argument) listing the
/// names.
[[nodiscard]] std::optional<formats::GgufType> dense_type(const std::string& name);

}  // namespace bitnet
