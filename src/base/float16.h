#pragma once
/// Conversions between float32 and the 16-bit formats, by integer arithmetic alone: the same bits on every machine.
/// For use outside of kernels/, whose files carry their own copies (docs/ARCHITECTURE.md says why).

#include <bit>
#include <cstdint>

namespace bitnet {

[[nodiscard]] constexpr float bf16_to_f32(std::uint16_t h) { return std::bit_cast<float>(std::uint32_t{h} << 16); }

/// Round to nearest even; NaN stays NaN.
[[nodiscard]] constexpr std::uint16_t f32_to_bf16(float f) {
  const auto u = std::bit_cast<std::uint32_t>(f);
  if ((u & 0x7fffffffU) > 0x7f800000U) return static_cast<std::uint16_t>((u >> 16) | 0x40U);
  return static_cast<std::uint16_t>((u + 0x7fffU + ((u >> 16) & 1U)) >> 16);
}

[[nodiscard]] constexpr float f16_to_f32(std::uint16_t h) {
  const std::uint32_t sign = std::uint32_t{h & 0x8000U} << 16;
  const std::uint32_t exponent = (h >> 10) & 0x1fU;
  const std::uint32_t mantissa = h & 0x3ffU;
  if (exponent == 0x1f) return std::bit_cast<float>(sign | 0x7f800000U | (mantissa << 13));
  if (exponent != 0) return std::bit_cast<float>(sign | ((exponent + 112) << 23) | (mantissa << 13));
  const float subnormal = static_cast<float>(mantissa) * 0x1p-24F;
  return std::bit_cast<float>(std::bit_cast<std::uint32_t>(subnormal) | sign);
}

/// Round to nearest even; too large becomes infinity, NaN stays NaN.
[[nodiscard]] constexpr std::uint16_t f32_to_f16(float f) {
  const auto u = std::bit_cast<std::uint32_t>(f);
  const auto sign = static_cast<std::uint16_t>((u >> 16) & 0x8000U);
  const std::uint32_t a = u & 0x7fffffffU;
  if (a > 0x7f800000U) return static_cast<std::uint16_t>(sign | 0x7e00U | ((a >> 13) & 0x3ffU));
  if (a >= 0x477ff000U) return static_cast<std::uint16_t>(sign | 0x7c00U);
  if (a < 0x38800000U) {  // subnormal or zero: the addition rounds at the last place of a binary16 subnormal
    const float shifted = std::bit_cast<float>(a) + 0.5F;
    return static_cast<std::uint16_t>(sign | (std::bit_cast<std::uint32_t>(shifted) - 0x3f000000U));
  }
  const std::uint32_t rounded = a + 0xfffU + ((a >> 13) & 1U);
  return static_cast<std::uint16_t>(sign | ((rounded - 0x38000000U) >> 13));
}

}  // namespace bitnet
