#pragma once

#include <cstdint>

namespace bitnet::pack {

/// Swaps the fields of b that `mask` names with those of a that are `shift` bits higher.
inline void swap_fields(std::uint64_t& a, std::uint64_t& b, int shift, std::uint64_t mask) {
  const std::uint64_t different = (a >> shift ^ b) & mask;
  a ^= different << shift;
  b ^= different;
}

}  // namespace bitnet::pack
