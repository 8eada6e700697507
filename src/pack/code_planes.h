#pragma once
/// Two-bit codes that lie in planes: byte m of 32 holds the codes (weight + 1) of the weights m, 32 + m, 64 + m and
/// 96 + m. I2_S has the first of them in the highest bits, TQ2_0 in the lowest.

#include <cstdint>
#include <cstring>

namespace bitnet::pack {

inline constexpr int kPlaneBytes = 32;
inline constexpr int kPlaneWeights = 128;

enum class FirstPlane { highest_bits, lowest_bits };

template <FirstPlane kFirst>
[[nodiscard]] constexpr int plane_shift(int plane) {
  return kFirst == FirstPlane::highest_bits ? 6 - 2 * plane : 2 * plane;
}

/// 32 bytes → 128 weights; a code 3 becomes 2. Returns bits that are not zero when there is one. Over local arrays, so
/// that compilers know that nothing overlaps and make vectors of it.
template <FirstPlane kFirst>
[[nodiscard]] std::uint8_t unpack_planes(const std::uint8_t* packed, std::int8_t* weights) {
  std::uint8_t bytes[kPlaneBytes];
  std::memcpy(bytes, packed, sizeof bytes);
  std::int8_t out[kPlaneWeights];
  std::uint8_t invalid = 0;
  for (const std::uint8_t byte : bytes) invalid |= static_cast<std::uint8_t>(byte & byte >> 1 & 0x55);
  for (int plane = 0; plane < 4; ++plane) {
    for (int m = 0; m < kPlaneBytes; ++m) {
      out[plane * kPlaneBytes + m] = static_cast<std::int8_t>((bytes[m] >> plane_shift<kFirst>(plane) & 3) - 1);
    }
  }
  std::memcpy(weights, out, sizeof out);
  return invalid;
}

/// The way back.
template <FirstPlane kFirst>
void pack_planes(const std::int8_t* weights, std::uint8_t* packed) {
  for (int m = 0; m < kPlaneBytes; ++m) {
    int byte = 0;
    for (int plane = 0; plane < 4; ++plane) {
      byte |= (weights[plane * kPlaneBytes + m] + 1) << plane_shift<kFirst>(plane);
    }
    packed[m] = static_cast<std::uint8_t>(byte);
  }
}

}  // namespace bitnet::pack
