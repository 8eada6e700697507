#pragma once

#include <span>
#include <string>
#include <string_view>

namespace bitnet::cli {

/// Insertions, deletions, replacements and swaps of neighbours that turn `a` into `b` (optimal string alignment).
[[nodiscard]] int edit_distance(std::string_view a, std::string_view b);

/// "; did you mean 'X'?" with the nearest of `choices`, or "" when none is near enough to be meant.
[[nodiscard]] std::string suggestion(std::string_view typed, std::span<const std::string> choices);

}  // namespace bitnet::cli
