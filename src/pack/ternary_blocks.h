#pragma once
/// The GGUF element types that give each block of ternary weights a scale of its own, in half precision: weight = code
/// · scale. Rows are made of whole blocks. docs/formats/ternary-blocks.md. Nothing here allocates; disjoint rows may
/// run concurrently.

#include <cstdint>
#include <optional>

namespace bitnet::pack {

/// q2_0 has room for a fourth value, +2, which is not ternary.
enum class TernaryBlocks { tq1_0, tq2_0, q2_0, q2_0_128 };

struct TernaryBlockShape {
  std::int64_t weights;
  std::int64_t bytes;
};

[[nodiscard]] constexpr TernaryBlockShape shape_of(TernaryBlocks form) {
  switch (form) {
    case TernaryBlocks::tq1_0:
      return {256, 54};
    case TernaryBlocks::tq2_0:
      return {256, 66};
    case TernaryBlocks::q2_0:
      return {64, 18};
    case TernaryBlocks::q2_0_128:
      return {128, 34};
  }
  return {};
}

/// What makes a block unreadable.
struct BadBlock {
  std::int64_t block;
  /// In the block: the first weight with code 3. None: the scale is negative or not finite.
  std::optional<std::int64_t> weight;
};

/// A row of `blocks` blocks → weights -1, 0, +1 and scales [blocks]. A block whose scale is 0 has weights 0, whatever
/// its codes are. Returns the first bad block; then the outputs are unspecified.
[[nodiscard]] std::optional<BadBlock> unpack_ternary_blocks(TernaryBlocks form, const std::uint8_t* row,
                                                            std::int64_t blocks, std::int8_t* weights, float* scales);

/// The scales of `blocks` blocks alone, whatever they are.
void read_block_scales(TernaryBlocks form, const std::uint8_t* row, std::int64_t blocks, float* scales);

/// The way back; scales are rounded to half precision.
void pack_ternary_blocks(TernaryBlocks form, const std::int8_t* weights, const float* scales, std::int64_t blocks,
                         std::uint8_t* row);

}  // namespace bitnet::pack
