#pragma once
/// The layouts that kernel tables read: "K-interleaved blocks", in one of two codings.
///
/// A row of `in` ternary weights is cut into blocks of 256, the last one padded with zeros (code 1). A block is 64
/// bytes; byte j holds the weights j, 64 + j, 128 + j and 192 + j of the block at bits 0-1, 2-3, 4-5 and 6-7, as
/// code = weight + 1 (0, 1, 2; 3 never occurs). So one 64-byte load gives, by three shifts, four vectors that line up
/// with 64 consecutive activations each. Rows follow one another without gaps. docs/formats/prepared-ternary.md.
///
/// That is the coding `two_bits`. In `base3` five blocks of a row share the space of four: byte j of the four is
/// Σ_s code_s[j] · 3^s over the four codes of the same byte in `two_bits`, plus 81 · one code of the fifth block, that
/// of its slice k in the k-th of the four. The last one to four blocks of a row stay as they are.

#include <cstdint>

namespace bitnet::pack {

inline constexpr std::int64_t kBlockWeights = 256;
inline constexpr std::int64_t kBlockBytes = 64;
/// Activations that one shift of a block covers; group scales span multiples of it.
inline constexpr std::int64_t kSliceWeights = 64;
/// Blocks in one group of base3.
inline constexpr std::int64_t kBase3Blocks = 5;

enum class TernaryCoding : std::uint8_t { two_bits, base3 };

[[nodiscard]] constexpr std::int64_t block_count(std::int64_t in) { return (in + kBlockWeights - 1) / kBlockWeights; }
[[nodiscard]] constexpr std::int64_t row_bytes(std::int64_t in, TernaryCoding coding = TernaryCoding::two_bits) {
  const std::int64_t blocks = block_count(in);
  return (coding == TernaryCoding::base3 ? blocks - blocks / kBase3Blocks : blocks) * kBlockBytes;
}
/// What 64 bytes of a row hold: byte j has the weights first + 64 · s + j for s < 4 and, in a group of base3,
/// fifth + j.
struct RowLine {
  std::int64_t first;
  std::int64_t fifth;  ///< -1: none
};
[[nodiscard]] constexpr RowLine row_line(std::int64_t blocks, TernaryCoding coding, std::int64_t line) {
  constexpr std::int64_t kGroupLines = kBase3Blocks - 1;
  const std::int64_t groups = coding == TernaryCoding::base3 ? blocks / kBase3Blocks : 0;
  const std::int64_t group = line / kGroupLines;
  if (group >= groups) return {(line + groups) * kBlockWeights, -1};
  const std::int64_t k = line % kGroupLines;
  return {(line + group) * kBlockWeights, ((group + 1) * kBase3Blocks - 1) * kBlockWeights + k * kSliceWeights};
}
/// `in` rounded up to whole blocks: the length of an activation row that a kernel may read.
[[nodiscard]] constexpr std::int64_t padded_length(std::int64_t in) { return block_count(in) * kBlockWeights; }

}  // namespace bitnet::pack
