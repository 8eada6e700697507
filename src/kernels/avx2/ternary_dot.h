#pragma once

#include <immintrin.h>

#include <cstdint>

namespace bitnet::kernels {
namespace {

constexpr int kTernaryRows = 4;      // rows at once for one token
constexpr int kTernaryTileRows = 3;  // rows × tokens at once for more
constexpr int kTernaryTileTokens = 4;
constexpr int kTernaryLastRows = kTernaryTileRows;  // the last tokens have no tile of their own
constexpr int kTernaryLastTokens = kTernaryTileTokens;

/// One token reads weights from memory and never again: they are asked for this far ahead in each stream of rows.
constexpr std::int64_t kPrefetchBytes = 2048;

/// A pair of products is at most 2 · 2 · 128 = 512 in magnitude, so 63 of them fit into 16 bits. A slice adds two.
constexpr std::int64_t kSlicesPer16Bits = 28;

inline __m256i load32(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }

template <int R, int T>
inline void add_products(const __m256i (&codes)[R], const std::int8_t* x, std::int64_t x_stride, __m256i (&sum)[T][R]) {
  for (int t = 0; t < T; ++t) {
    const __m256i v = load32(x + t * x_stride);
    for (int r = 0; r < R; ++r) sum[t][r] = _mm256_add_epi16(sum[t][r], _mm256_maddubs_epi16(codes[r], v));
  }
}

template <int R, int T>
inline void add_slice(const std::uint8_t* w, std::int64_t row_bytes, const std::int8_t* x, std::int64_t x_stride,
                      std::int64_t slice, __m256i (&sum)[T][R]) {
  const __m256i three = _mm256_set1_epi8(3);
  const __m128i shift = _mm_cvtsi32_si128(static_cast<int>(slice % 4 * 2));
  for (int half = 0; half < 64; half += 32) {
    __m256i codes[R];
    for (int r = 0; r < R; ++r) {
      codes[r] = _mm256_and_si256(_mm256_srl_epi16(load32(w + r * row_bytes + slice / 4 * 64 + half), shift), three);
    }
    add_products<R, T>(codes, x + slice * 64 + half, x_stride, sum);
  }
}

template <int R, int T>
inline void add_block(const std::uint8_t* w, std::int64_t row_bytes, const std::int8_t* x, std::int64_t x_stride,
                      std::int64_t block, __m256i (&sum)[T][R]) {
  const __m256i three = _mm256_set1_epi8(3);
  for (int half = 0; half < 64; half += 32) {
    __m256i packed[R];
    __m256i codes[R];
    const std::int8_t* block_x = x + block * 256 + half;
    for (int r = 0; r < R; ++r) {
      const std::uint8_t* at = w + r * row_bytes + block * 64 + half;
      if (T == 1 && half == 0) _mm_prefetch(reinterpret_cast<const char*>(at + kPrefetchBytes), _MM_HINT_T0);
      packed[r] = load32(at);
      codes[r] = _mm256_and_si256(packed[r], three);
    }
    add_products<R, T>(codes, block_x, x_stride, sum);
    for (int r = 0; r < R; ++r) codes[r] = _mm256_and_si256(_mm256_srli_epi16(packed[r], 2), three);
    add_products<R, T>(codes, block_x + 64, x_stride, sum);
    for (int r = 0; r < R; ++r) codes[r] = _mm256_and_si256(_mm256_srli_epi16(packed[r], 4), three);
    add_products<R, T>(codes, block_x + 128, x_stride, sum);
    for (int r = 0; r < R; ++r) codes[r] = _mm256_and_si256(_mm256_srli_epi16(packed[r], 6), three);
    add_products<R, T>(codes, block_x + 192, x_stride, sum);
  }
}

template <int R, int T>
inline void dot(const std::uint8_t* w, std::int64_t row_bytes, const std::int8_t* x, std::int64_t x_stride,
                std::int64_t begin, std::int64_t end, std::int32_t (&dots)[T][R]) {
  __m256i wide[T][R];
  for (auto& row : wide) {
    for (auto& lanes : row) lanes = _mm256_setzero_si256();
  }
  for (std::int64_t s = begin; s < end;) {
    const std::int64_t chunk_end = end - s < kSlicesPer16Bits ? end : s + kSlicesPer16Bits;
    __m256i narrow[T][R];
    for (auto& row : narrow) {
      for (auto& lanes : row) lanes = _mm256_setzero_si256();
    }
    for (; s % 4 != 0 && s < chunk_end; ++s) add_slice<R, T>(w, row_bytes, x, x_stride, s, narrow);
    for (; s + 4 <= chunk_end; s += 4) add_block<R, T>(w, row_bytes, x, x_stride, s / 4, narrow);
    for (; s < chunk_end; ++s) add_slice<R, T>(w, row_bytes, x, x_stride, s, narrow);
    const __m256i ones = _mm256_set1_epi16(1);
    for (int t = 0; t < T; ++t) {
      for (int r = 0; r < R; ++r) {
        wide[t][r] = _mm256_add_epi32(wide[t][r], _mm256_madd_epi16(narrow[t][r], ones));
      }
    }
  }
  for (int t = 0; t < T; ++t) {
    for (int r = 0; r < R; ++r) dots[t][r] = fold_sum(wide[t][r]);
  }
}

}  // namespace
}  // namespace bitnet::kernels
