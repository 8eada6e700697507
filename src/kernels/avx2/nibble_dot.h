#pragma once
/// lanes16/nibble_scores.h says what each function has to do.

#include <immintrin.h>

#include "kernels/avx2/lanes.h"

namespace bitnet::kernels {
namespace {

constexpr int kNibbleRows = 4;      // rows at once for one token
constexpr int kNibbleTileRows = 3;  // rows × tokens at once for more
constexpr int kNibbleTileTokens = 2;

/// The first tokens read rows from memory: they are asked for this far ahead in each stream of rows.
constexpr std::int64_t kNibblePrefetch = 2048;

/// A pair of products is at most 2 · 15 · 128 = 3840 in magnitude, so the 8 of four blocks fit into 16 bits.
constexpr std::int64_t kNibbleBlocksPer16Bits = 4;

/// Eight lanes: those at byte `kAt`, 0 or 32, of each 64.
template <int kAt, int R, int T>
inline void nibble_half_dot(const std::uint8_t* w, std::int64_t row_bytes, const std::int8_t* x, std::int64_t x_stride,
                            std::int64_t blocks, __m256i (&sum)[T][R]) {
  const __m256i fifteen = _mm256_set1_epi8(15);
  const __m256i ones = _mm256_set1_epi16(1);
  for (auto& row : sum) {
    for (auto& lanes : row) lanes = _mm256_setzero_si256();
  }
  for (std::int64_t begin = 0; begin < blocks; begin += kNibbleBlocksPer16Bits) {
    const std::int64_t end = blocks - begin < kNibbleBlocksPer16Bits ? blocks : begin + kNibbleBlocksPer16Bits;
    __m256i narrow[T][R];
    for (auto& row : narrow) {
      for (auto& lanes : row) lanes = _mm256_setzero_si256();
    }
    for (std::int64_t b = begin; b < end; ++b) {
      for (int half = 0; half < 2; ++half) {
        __m256i codes[R];
        for (int r = 0; r < R; ++r) {
          const std::uint8_t* at = w + r * row_bytes + b * 64 + kAt;
          if (half == 0 && kAt == 0) _mm_prefetch(reinterpret_cast<const char*>(at + kNibblePrefetch), _MM_HINT_T0);
          const __m256i packed = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at));
          codes[r] = _mm256_and_si256(half == 0 ? packed : _mm256_srli_epi16(packed, 4), fifteen);
        }
        for (int t = 0; t < T; ++t) {
          const std::int8_t* at = x + t * x_stride + b * 128 + half * 64 + kAt;
          const __m256i v = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at));
          for (int r = 0; r < R; ++r) {
            narrow[t][r] = _mm256_add_epi16(narrow[t][r], _mm256_maddubs_epi16(codes[r], v));
          }
        }
      }
    }
    for (int t = 0; t < T; ++t) {
      for (int r = 0; r < R; ++r) {
        sum[t][r] = _mm256_add_epi32(sum[t][r], _mm256_madd_epi16(narrow[t][r], ones));
      }
    }
  }
}

template <int R, int T>
inline void nibble_dot(const std::uint8_t* w, std::int64_t row_bytes, const std::int8_t* x, std::int64_t x_stride,
                       std::int64_t blocks, IntLanes (&sums)[T][R]) {
  __m256i lo[T][R];
  __m256i hi[T][R];
  nibble_half_dot<0>(w, row_bytes, x, x_stride, blocks, lo);
  nibble_half_dot<32>(w, row_bytes, x, x_stride, blocks, hi);
  for (int t = 0; t < T; ++t) {
    for (int r = 0; r < R; ++r) sums[t][r] = {lo[t][r], hi[t][r]};
  }
}

}  // namespace
}  // namespace bitnet::kernels
