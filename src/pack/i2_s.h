#pragma once
/// I2_S, the GGUF element type of the BitNet fork: the weights of a whole matrix, row after row, in blocks of 128 that
/// may straddle rows; 32 bytes a block, and 32 more at the end of the tensor, which begin with the scale. A weight is
/// its code times that scale. docs/formats/i2_s.md. Nothing here allocates; disjoint ranges may run concurrently.

#include <cstdint>
#include <optional>

namespace bitnet::pack {

inline constexpr std::int64_t kI2sBlockWeights = 128;
inline constexpr std::int64_t kI2sBlockBytes = 32;
inline constexpr std::int64_t kI2sTailBytes = 32;

/// Weights begin ≤ i < end of the flattened matrix as -1, 0, +1. `blocks` starts with the block of the weight `begin`,
/// number begin / 128. Returns the first weight of the range with the invalid code 3; then `weights` is unspecified.
[[nodiscard]] std::optional<std::int64_t> unpack_i2_s(const std::uint8_t* blocks, std::int64_t begin, std::int64_t end,
                                                      std::int8_t* weights);

/// The way back for `count` weights from the start of a block on, a multiple of 128.
void pack_i2_s(const std::int8_t* weights, std::int64_t count, std::uint8_t* blocks);

/// The scale in a tail, whatever it is.
[[nodiscard]] float i2_s_scale(const std::uint8_t* tail);
void write_i2_s_tail(float scale, std::uint8_t* tail);

}  // namespace bitnet::pack
