#pragma once
/// Sixteen float lanes as four NEON registers. lanes16/ says what each function has to do.

#include <arm_neon.h>

#include <cstring>

#include "kernels/lanes16/elements.h"

namespace bitnet::kernels {
namespace {

struct Lanes {
  float32x4_t q[4];  // lanes 0 to 3, 4 to 7, 8 to 11, 12 to 15
};

// Register tiles: 32 registers of 4 lanes.
constexpr int kDenseRows = 4;
constexpr int kDenseTileRows = 2;
constexpr int kDenseTileTokens = 2;
constexpr int kTileHeads = 4;
constexpr int kTileVectors = 1;
constexpr int kTileSums = 6;

template <typename F>
inline Lanes each(F f) {
  return {{f(0), f(1), f(2), f(3)}};
}

inline Lanes splat(float x) {
  return each([&](int) { return vdupq_n_f32(x); });
}
inline Lanes load(const float* p) {
  return each([&](int i) { return vld1q_f32(p + i * 4); });
}
inline uint16x4_t load_4x16(const void* p) {
  uint16_t bits[4];
  std::memcpy(bits, p, sizeof bits);
  return vld1_u16(bits);
}
inline Lanes load(const F16* p) {
  return each([&](int i) { return vcvt_f32_f16(vreinterpret_f16_u16(load_4x16(p + i * 4))); });
}
inline Lanes load(const Bf16* p) {
  return each([&](int i) { return vreinterpretq_f32_u32(vshll_n_u16(load_4x16(p + i * 4), 16)); });
}
inline Lanes load(const std::int8_t* p) {
  const int8x16_t bytes = vld1q_s8(p);
  const int16x8_t lo = vmovl_s8(vget_low_s8(bytes));
  const int16x8_t hi = vmovl_s8(vget_high_s8(bytes));
  return {{vcvtq_f32_s32(vmovl_s16(vget_low_s16(lo))), vcvtq_f32_s32(vmovl_s16(vget_high_s16(lo))),
           vcvtq_f32_s32(vmovl_s16(vget_low_s16(hi))), vcvtq_f32_s32(vmovl_s16(vget_high_s16(hi)))}};
}
inline void store(float* p, Lanes a) {
  for (int i = 0; i < 4; ++i) vst1q_f32(p + i * 4, a.q[i]);
}
inline void store(F16* p, Lanes a) {
  for (int i = 0; i < 4; ++i) {
    const uint16x4_t bits = vreinterpret_u16_f16(vcvt_f16_f32(a.q[i]));
    std::memcpy(p + i * 4, &bits, sizeof bits);
  }
}
template <typename Element>
inline Lanes load_part(const Element* p, std::int64_t n) {
  Element padded[16] = {};
  std::memcpy(padded, p, static_cast<std::size_t>(n) * sizeof(Element));
  return load(padded);
}
template <typename Element>
inline void store_part(Element* p, std::int64_t n, Lanes a) {
  Element padded[16];
  store(padded, a);
  std::memcpy(p, padded, static_cast<std::size_t>(n) * sizeof(Element));
}

inline Lanes add(Lanes a, Lanes b) {
  return each([&](int i) { return vaddq_f32(a.q[i], b.q[i]); });
}
inline Lanes sub(Lanes a, Lanes b) {
  return each([&](int i) { return vsubq_f32(a.q[i], b.q[i]); });
}
inline Lanes mul(Lanes a, Lanes b) {
  return each([&](int i) { return vmulq_f32(a.q[i], b.q[i]); });
}
inline Lanes div(Lanes a, Lanes b) {
  return each([&](int i) { return vdivq_f32(a.q[i], b.q[i]); });
}
inline Lanes fma(Lanes a, Lanes b, Lanes c) {
  return each([&](int i) { return vfmaq_f32(c.q[i], a.q[i], b.q[i]); });
}
inline Lanes abs(Lanes a) {
  return each([&](int i) { return vabsq_f32(a.q[i]); });
}
// Not vmaxq_f32: it gives NaN where either operand is NaN.
inline float32x4_t greater(float32x4_t a, float32x4_t b) { return vbslq_f32(vcgtq_f32(a, b), a, b); }
inline Lanes greater(Lanes a, Lanes b) {
  return each([&](int i) { return greater(a.q[i], b.q[i]); });
}
inline Lanes select_less(Lanes a, Lanes b, Lanes yes, Lanes no) {
  return each([&](int i) { return vbslq_f32(vcltq_f32(a.q[i], b.q[i]), yes.q[i], no.q[i]); });
}
inline Lanes select_nan(Lanes a, Lanes yes, Lanes no) {
  return each([&](int i) { return vbslq_f32(vceqq_f32(a.q[i], a.q[i]), no.q[i], yes.q[i]); });
}
inline Lanes scale_by_power(Lanes a, Lanes shifted) {
  return each([&](int i) {
    const uint32x4_t power = vshlq_n_u32(vreinterpretq_u32_f32(shifted.q[i]), 23);
    return vreinterpretq_f32_u32(vaddq_u32(vreinterpretq_u32_f32(a.q[i]), power));
  });
}

inline float fold_sum(Lanes a) {
  const float32x4_t four = vaddq_f32(vaddq_f32(a.q[0], a.q[2]), vaddq_f32(a.q[1], a.q[3]));
  const float32x2_t two = vadd_f32(vget_low_f32(four), vget_high_f32(four));
  return vget_lane_f32(two, 0) + vget_lane_f32(two, 1);
}
inline float fold_greater(Lanes a) {
  float lane[4];
  vst1q_f32(lane, greater(greater(a.q[0], a.q[2]), greater(a.q[1], a.q[3])));
  float most = lane[0];
  for (int i = 1; i < 4; ++i) most = lane[i] > most ? lane[i] : most;
  return most;
}

/// Rounds 64 values to int8 (NaN to 0), stores them and returns their sum.
inline std::int32_t store_int8(const Lanes (&a)[4], std::int8_t* q) {
  int32x4_t sums = vdupq_n_s32(0);
  for (int i = 0; i < 4; ++i) {
    int32x4_t rounded[4];
    for (int j = 0; j < 4; ++j) {
      rounded[j] = vcvtnq_s32_f32(a[i].q[j]);
      sums = vaddq_s32(sums, rounded[j]);
    }
    const int16x8_t lo = vcombine_s16(vmovn_s32(rounded[0]), vmovn_s32(rounded[1]));
    const int16x8_t hi = vcombine_s16(vmovn_s32(rounded[2]), vmovn_s32(rounded[3]));
    vst1q_s8(q + i * 16, vcombine_s8(vmovn_s16(lo), vmovn_s16(hi)));
  }
  return vaddvq_s32(sums);
}

struct IntLanes {
  int32x4_t q[4];
};

inline IntLanes splat_int(std::int32_t a) {
  const int32x4_t four = vdupq_n_s32(a);
  return {{four, four, four, four}};
}
inline IntLanes load_ints(const std::int32_t* p) {
  return {{vld1q_s32(p), vld1q_s32(p + 4), vld1q_s32(p + 8), vld1q_s32(p + 12)}};
}
inline void store_ints(std::uint8_t* p, IntLanes a) {
  for (int i = 0; i < 4; ++i) vst1q_u8(p + i * 16, vreinterpretq_u8_s32(a.q[i]));
}
inline IntLanes cut_off(Lanes a) {
  IntLanes y;
  for (int i = 0; i < 4; ++i) y.q[i] = vcvtq_s32_f32(a.q[i]);
  return y;
}
inline IntLanes or_shifted(IntLanes a, IntLanes b, int shift) {
  IntLanes y;
  for (int i = 0; i < 4; ++i) y.q[i] = vorrq_s32(a.q[i], vshlq_s32(b.q[i], vdupq_n_s32(shift)));
  return y;
}
inline IntLanes twice_less(IntLanes a, IntLanes b) {
  IntLanes y;
  for (int i = 0; i < 4; ++i) y.q[i] = vsubq_s32(vaddq_s32(a.q[i], a.q[i]), b.q[i]);
  return y;
}
inline Lanes to_float(IntLanes a) {
  return each([&](int i) { return vcvtq_f32_s32(a.q[i]); });
}

/// The highest four bits of each lane.
inline float32x4_t high_nibbles(int32x4_t words) { return vcvtq_f32_s32(vshrq_n_s32(words, 28)); }
template <int K>
inline Lanes nibbles(IntLanes words) {
  return each([&](int i) { return high_nibbles(vshlq_n_s32(words.q[i], 28 - 4 * K)); });
}
inline Lanes load_nibbles(const std::int32_t* pair) {
  const int32x2_t words = vld1_s32(pair);
  const int32_t first[4] = {28, 28, 24, 24};
  const int32x4_t shifts = vld1q_s32(first);
  return each([&](int i) {
    return high_nibbles(vshlq_s32(vcombine_s32(words, words), vsubq_s32(shifts, vdupq_n_s32(8 * i))));
  });
}

}  // namespace
}  // namespace bitnet::kernels
