#pragma once
/// The one order of every float reduction: sixteen lanes, then halves (kernel_table.h).

#include <cstdint>

namespace bitnet::kernels::scalar {

inline constexpr std::int64_t kLanes = 16;

inline float fold(float (&lane)[kLanes]) {
  for (std::int64_t half = kLanes / 2; half > 0; half /= 2) {
    for (std::int64_t l = 0; l < half; ++l) lane[l] += lane[l + half];
  }
  return lane[0];
}

/// `n` rounded up to whole vectors of sixteen: reductions go over the padding too, because adding +0 turns -0 into +0.
constexpr std::int64_t padded_to_lanes(std::int64_t n) { return (n + kLanes - 1) / kLanes * kLanes; }

}  // namespace bitnet::kernels::scalar
