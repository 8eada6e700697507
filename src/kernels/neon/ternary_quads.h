#pragma once
/// What lanes16/ternary_columns.h asks for.

#include <arm_neon.h>

#include <cstdint>

namespace bitnet::kernels {
namespace {

using QuadCodes = uint8x16_t;
using QuadSums = int32x4_t;
using QuadInputs = int8x16_t;
constexpr int kCodeBytes = 16;
constexpr int kQuadsTogether = 4;

inline QuadCodes load_codes(const std::uint8_t* p) { return vld1q_u8(p); }
inline QuadSums load_sums(const std::int32_t* p) { return vld1q_s32(p); }
inline void store_sums(std::int32_t* p, QuadSums sums) { vst1q_s32(p, sums); }

template <int V>
inline void interleave(const QuadCodes (&x)[4], QuadCodes (&y)[4]) {
  const uint16x8_t low01 = vreinterpretq_u16_u8(vzip1q_u8(x[0], x[1]));
  const uint16x8_t low23 = vreinterpretq_u16_u8(vzip1q_u8(x[2], x[3]));
  const uint16x8_t high01 = vreinterpretq_u16_u8(vzip2q_u8(x[0], x[1]));
  const uint16x8_t high23 = vreinterpretq_u16_u8(vzip2q_u8(x[2], x[3]));
  y[0] = vreinterpretq_u8_u16(vzip1q_u16(low01, low23));
  y[1] = vreinterpretq_u8_u16(vzip2q_u16(low01, low23));
  y[2] = vreinterpretq_u8_u16(vzip1q_u16(high01, high23));
  y[3] = vreinterpretq_u8_u16(vzip2q_u16(high01, high23));
}

inline QuadInputs spread_inputs(std::int32_t four) { return vreinterpretq_s8_s32(vdupq_n_s32(four)); }

inline QuadSums add_quads(QuadSums sums, QuadCodes codes, QuadInputs inputs) {
  return vdotq_s32(sums, vreinterpretq_s8_u8(codes), inputs);
}

template <int S>
inline QuadCodes two_bit_slice(QuadCodes two_bits) {
  const QuadCodes moved = vshlq_u8(two_bits, vdupq_n_s8(-2 * S));
  return vandq_u8(moved, vdupq_n_u8(3));
}

}  // namespace
}  // namespace bitnet::kernels
