#include "pack/i2_s.h"

#include <algorithm>
#include <cstring>

#include "pack/code_planes.h"

namespace bitnet::pack {
namespace {

static_assert(kI2sBlockWeights == kPlaneWeights && kI2sBlockBytes == kPlaneBytes);

constexpr FirstPlane kI2sPlanes = FirstPlane::highest_bits;

}  // namespace

std::optional<std::int64_t> unpack_i2_s(const std::uint8_t* blocks, std::int64_t begin, std::int64_t end,
                                        std::int8_t* weights) {
  for (std::int64_t i = begin; i < end; blocks += kI2sBlockBytes) {
    const std::int64_t block_begin = i / kI2sBlockWeights * kI2sBlockWeights;
    const std::int64_t next = std::min(end, block_begin + kI2sBlockWeights);
    std::uint8_t invalid = 0;
    if (next - i == kI2sBlockWeights) {
      invalid = unpack_planes<kI2sPlanes>(blocks, weights);
    } else {
      std::int8_t block[kI2sBlockWeights];
      invalid = unpack_planes<kI2sPlanes>(blocks, block);
      std::copy(block + (i - block_begin), block + (next - block_begin), weights);
    }
    if (invalid != 0) {  // perhaps in a weight of the block that was not asked for
      const std::int8_t* at = std::find(weights, weights + (next - i), std::int8_t{2});
      if (at != weights + (next - i)) return i + (at - weights);
    }
    weights += next - i;
    i = next;
  }
  return std::nullopt;
}

void pack_i2_s(const std::int8_t* weights, std::int64_t count, std::uint8_t* blocks) {
  for (std::int64_t i = 0; i < count; i += kI2sBlockWeights, blocks += kI2sBlockBytes) {
    pack_planes<kI2sPlanes>(weights + i, blocks);
  }
}

float i2_s_scale(const std::uint8_t* tail) {
  float scale = 0.0F;
  std::memcpy(&scale, tail, sizeof scale);
  return scale;
}

void write_i2_s_tail(float scale, std::uint8_t* tail) {
  std::fill_n(tail, kI2sTailBytes, std::uint8_t{0});
  std::memcpy(tail, &scale, sizeof scale);
}

}  // namespace bitnet::pack
