#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string_view>

namespace bitnet {

/// Object keys keep the order of the text: chat templates print them.
using Json = nlohmann::ordered_json;

/// Parses foreign text. `source` names it in the error ("config.json"). Throws Error(corrupt) with line and column, or
/// naming the key that an object has twice; Error(limit) when arrays and objects nest deeper than 64 levels.
/// Takes O(n log n) time. Looking a key up in an object takes time in proportion to its size.
[[nodiscard]] Json parse_json(std::string_view text, std::string_view source);

/// read_text_file + parse_json; at most 64 MiB.
[[nodiscard]] Json read_json_file(const std::filesystem::path& path);

}  // namespace bitnet
