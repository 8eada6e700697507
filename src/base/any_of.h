#pragma once

#include <cstdint>

namespace bitnet {

/// Whether test(i) holds for one of 0 .. count-1. Without a branch for each, so that a compiler can use vectors: for
/// blocks of which most have none.
template <typename Test>
[[nodiscard]] inline bool any_of(std::int64_t count, const Test& test) {
  int found = 0;
  for (std::int64_t i = 0; i < count; ++i) found |= test(i) ? 1 : 0;
  return found != 0;
}

}  // namespace bitnet
