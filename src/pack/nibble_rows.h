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

/// How far a copied row can lead. For every finite x[n] and its quantize_nibble_input(), whether scores are computed as
/// kernel_table.h says (nibble_scores) or exactly, rounding on both sides included,
///   |score of the copy - dense_gemm of the row| ≤ error · input.norm + norm · input.error.
struct NibbleBound {
  float error;  ///< ≥ |row - copy|₂; infinity when the row is not finite or too large
  float norm;   ///< ≥ |copy|₂
};
[[nodiscard]] NibbleBound nibble_bound(const NibbleSums& sums, std::int64_t n);

/// What bounds the scores of an input.
struct NibbleInput {
  float norm;   ///< ≥ |x|₂; 0 when x is zero or too small, and then no bound holds
  float error;  ///< ≥ |x - quantized x|₂
};

/// An input as int8 with a scale for each lane, like the rows: x ≈ q · scales[i % 16], so that one large value makes
/// only a sixteenth of the others coarse.
/// q: nibble_blocks(n) * 128 bytes, byte 64 · half + j of a block is the input of byte j's lower (half 0) or upper
/// bits. lane_offsets[l] = 15 · Σ q over i % 16 = l. x must be finite.
[[nodiscard]] NibbleInput quantize_nibble_input(const float* x, std::int64_t n, std::int8_t* q,
                                                std::int32_t* lane_offsets, float* scales);

}  // namespace bitnet::pack
