#pragma once
/// lanes16/nibble_scores.h says what each function has to do.

#include <arm_neon.h>

#include "kernels/neon/lanes.h"

namespace bitnet::kernels {
namespace {

constexpr int kNibbleRows = 4;      // rows at once for one token
constexpr int kNibbleTileRows = 2;  // rows × tokens at once for more
constexpr int kNibbleTileTokens = 2;

template <int R, int T>
inline void nibble_dot(const std::uint8_t* w, std::int64_t row_bytes, const std::int8_t* x, std::int64_t x_stride,
                       std::int64_t blocks, IntLanes (&sums)[T][R]) {
  for (auto& row : sums) {
    for (auto& lanes : row) {
      for (auto& quarter : lanes.q) quarter = vdupq_n_s32(0);
    }
  }
  for (std::int64_t b = 0; b < blocks; ++b) {
    for (int i = 0; i < 4; ++i) {
      for (int r = 0; r < R; ++r) {
        const uint8x16_t packed = vld1q_u8(w + r * row_bytes + b * 64 + i * 16);
        const int8x16_t codes[2] = {vreinterpretq_s8_u8(vandq_u8(packed, vdupq_n_u8(15))),
                                    vreinterpretq_s8_u8(vshrq_n_u8(packed, 4))};
        for (int half = 0; half < 2; ++half) {
          for (int t = 0; t < T; ++t) {
            const int8x16_t v = vld1q_s8(x + t * x_stride + b * 128 + half * 64 + i * 16);
            sums[t][r].q[i] = vdotq_s32(sums[t][r].q[i], codes[half], v);
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace bitnet::kernels
