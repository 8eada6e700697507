#pragma once

#include <arm_neon.h>

#include <cstdint>

namespace bitnet::kernels {
namespace {

constexpr int kTernaryRows = 4;      // rows at once for one token
constexpr int kTernaryTileRows = 4;  // rows × tokens at once for more
constexpr int kTernaryTileTokens = 4;
constexpr int kTernaryLastRows = kTernaryTileRows;  // the last tokens have no tile of their own
constexpr int kTernaryLastTokens = kTernaryTileTokens;

template <int R, int T>
inline void add_products(const uint8x16_t (&packed)[R], int8x16_t shift, const std::int8_t* x, std::int64_t x_stride,
                         int32x4_t (&sum)[T][R]) {
  int8x16_t codes[R];
  for (int r = 0; r < R; ++r) {
    codes[r] = vreinterpretq_s8_u8(vandq_u8(vshlq_u8(packed[r], shift), vdupq_n_u8(3)));
  }
  for (int t = 0; t < T; ++t) {
    const int8x16_t v = vld1q_s8(x + t * x_stride);
    for (int r = 0; r < R; ++r) sum[t][r] = vdotq_s32(sum[t][r], codes[r], v);
  }
}

template <int R, int T>
inline void dot(const std::uint8_t* w, std::int64_t row_bytes, const std::int8_t* x, std::int64_t x_stride,
                std::int64_t begin, std::int64_t end, std::int32_t (&dots)[T][R]) {
  int32x4_t sum[T][R];
  for (auto& row : sum) {
    for (auto& lanes : row) lanes = vdupq_n_s32(0);
  }
  for (std::int64_t s = begin; s < end;) {
    const std::int64_t slices = s % 4 == 0 && end - s >= 4 ? 4 : 1;  // a whole block where it can be
    for (int quarter = 0; quarter < 64; quarter += 16) {
      uint8x16_t packed[R];
      for (int r = 0; r < R; ++r) packed[r] = vld1q_u8(w + r * row_bytes + s / 4 * 64 + quarter);
      for (std::int64_t i = s; i < s + slices; ++i) {
        const int8x16_t shift = vdupq_n_s8(static_cast<std::int8_t>(-2 * (i % 4)));  // negative: to the right
        add_products<R, T>(packed, shift, x + i * 64 + quarter, x_stride, sum);
      }
    }
    s += slices;
  }
  for (int t = 0; t < T; ++t) {
    for (int r = 0; r < R; ++r) dots[t][r] = vaddvq_s32(sum[t][r]);
  }
}

}  // namespace
}  // namespace bitnet::kernels
