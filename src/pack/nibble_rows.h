#pragma once
/// Four-bit copies of float rows, and the input that goes with them: a small stand-in for the head, with a bound on
/// how far its scores can be from the real ones. docs/formats/nibble-rows.md.
///
/// A row of `n` weights is cut into blocks of 128, the last one padded. A block is 64 bytes; byte 4 · l + m holds the
/// weights 16 · m + l (bits 0-3) and 64 + 16 · m + l (bits 4-7) of the block, for l < 16 and m < 4. So a vector of
/// sixteen 32-bit lanes has the weights i with i % 16 = l in lane l, and a row has one scale for each lane:
/// weight = (2 · code - 15) · scale[i % 16].

#include <cstdint>

namespace bitnet::pack {

inline constexpr std::int64_t kNibbleBlockWeights = 128;
inline constexpr std::int64_t kNibbleBlockBytes = 64;
inline constexpr std::int64_t kNibbleScales = 16;
/// Longer rows could overflow the 32-bit sums of a lane.
inline constexpr std::int64_t kNibbleLongestRow = 32768;

[[nodiscard]] constexpr std::int64_t nibble_blocks(std::int64_t n) {
  return (n + kNibbleBlockWeights - 1) / kNibbleBlockWeights;
}

/// What kernel_table.h (nibble_row) finds out about a row of n weights while it copies it.
struct NibbleSums {
  float errors;   ///< Σ (weight - copy)²
  float squares;  ///< Σ weight²
};

/// e such that for every finite x[n], whether the scores are computed as kernel_table.h says (nibble_scores, of
/// split_input(x)) or exactly,
///   |score of the copy - dense_gemm of the row| ≤ e · |x|₂,
/// rounding on both sides included. Infinity when the row is not finite or has no such bound.
[[nodiscard]] float nibble_bound(const NibbleSums& sums, std::int64_t n);

/// x as 16-bit integers, q = round(x · 32639 / max|x|), each cut into two signed bytes, q = 256 · high + low.
/// planes: nibble_blocks(n) * 256 bytes; for each block the high and then the low bytes of its first 64 weights, then
/// of its last 64, in the order of the codes. lane_sums[l] = Σ q over i % 16 = l. Returns max|x| / 32639; 0 when x is
/// zero or too small for that, and then no bound holds. x must be finite.
[[nodiscard]] float split_input(const float* x, std::int64_t n, std::int8_t* planes, std::int32_t* lane_sums);

}  // namespace bitnet::pack
