#pragma once

#include "kernels/avx512_vnni/lanes.h"

namespace bitnet::kernels {
namespace {

constexpr int kTernaryRows = 4;      // rows at once for one token
constexpr int kTernaryTileRows = 4;  // rows × tokens at once for more
constexpr int kTernaryTileTokens = 4;
constexpr int kTernaryLastRows = 3;  // rows × at most so many tokens where these are all that are left
constexpr int kTernaryLastTokens = 6;

inline __m512i load64(const void* p) { return _mm512_loadu_si512(p); }

/// The sums of the sixteen elements of each of four registers.
inline __m128i fold4(__m512i a, __m512i b, __m512i c, __m512i d) {
  const __m512i ab = _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
  const __m512i cd = _mm512_add_epi32(_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
  const __m512i abcd = _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
  const __m256i half = _mm256_add_epi32(_mm512_castsi512_si256(abcd), _mm512_extracti64x4_epi64(abcd, 1));
  return _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
}

// g++ 12 keeps the sums of a tile in registers only if the loops over them are unrolled and inlined early. It would
// also copy each sum before and after the product if the instruction were its own.

template <int R, int T>
[[gnu::always_inline]] inline void clear_sums(__m512i (&sum)[T][R]) {
#pragma GCC unroll 8
  for (int t = 0; t < T; ++t) {
    for (int r = 0; r < R; ++r) sum[t][r] = _mm512_setzero_si512();
  }
}

template <int R, int T>
[[gnu::always_inline]] inline void add_products(const __m512i (&codes)[R], const std::int8_t* x, std::int64_t x_stride,
                                                __m512i (&sum)[T][R]) {
#pragma GCC unroll 8
  for (int t = 0; t < T; ++t) {
    const __m512i v = load64(x + t * x_stride);
    for (int r = 0; r < R; ++r) {
      __m512i added = sum[t][r];
      asm("vpdpbusd %2, %1, %0" : "+v"(added) : "v"(codes[r]), "v"(v));
      sum[t][r] = added;
    }
  }
}

template <int R, int T>
[[gnu::always_inline]] inline void fold_dots(const __m512i (&sum)[T][R], std::int32_t (&dots)[T][R]) {
#pragma GCC unroll 8
  for (int t = 0; t < T; ++t) {
    if constexpr (R == 4) {
      _mm_storeu_si128(reinterpret_cast<__m128i*>(dots[t]), fold4(sum[t][0], sum[t][1], sum[t][2], sum[t][3]));
    } else if constexpr (R == 3) {
      const __m128i of = fold4(sum[t][0], sum[t][1], sum[t][2], sum[t][2]);
      _mm_storel_epi64(reinterpret_cast<__m128i*>(dots[t]), of);
      dots[t][2] = _mm_extract_epi32(of, 2);
    } else {
      for (int r = 0; r < R; ++r) dots[t][r] = _mm512_reduce_add_epi32(sum[t][r]);
    }
  }
}

template <int R, int T>
[[gnu::always_inline]] inline void add_slices(const std::uint8_t* w, std::int64_t row_bytes, const std::int8_t* x,
                                              std::int64_t x_stride, std::int64_t begin, std::int64_t end,
                                              __m512i (&sum)[T][R]) {
  const __m512i three = _mm512_set1_epi8(3);
  for (std::int64_t s = begin; s < end; ++s) {
    const __m128i shift = _mm_cvtsi32_si128(static_cast<int>(s % 4 * 2));
    __m512i codes[R];
    for (int r = 0; r < R; ++r) {
      codes[r] = _mm512_and_si512(_mm512_srl_epi16(load64(w + r * row_bytes + s / 4 * 64), shift), three);
    }
    add_products<R, T>(codes, x + s * 64, x_stride, sum);
  }
}

/// The first tokens read weights from memory: they are asked for this far ahead in each stream of rows.
constexpr std::int64_t kPrefetchBytes = 2048;

template <int R, int T>
[[gnu::always_inline]] inline void dot(const std::uint8_t* w, std::int64_t row_bytes, const std::int8_t* x,
                                       std::int64_t x_stride, std::int64_t begin, std::int64_t end,
                                       std::int32_t (&dots)[T][R]) {
  const __m512i three = _mm512_set1_epi8(3);
  __m512i sum[T][R];
  clear_sums(sum);
  const std::int64_t first_block = (begin + 3) / 4;
  const std::int64_t last_block = end / 4;
  if (first_block > last_block) {
    add_slices<R, T>(w, row_bytes, x, x_stride, begin, end, sum);
  } else {
    add_slices<R, T>(w, row_bytes, x, x_stride, begin, first_block * 4, sum);
    for (std::int64_t b = first_block; b < last_block; ++b) {
      const std::int8_t* block_x = x + b * 256;
      __m512i packed[R];
      __m512i codes[R];
      for (int r = 0; r < R; ++r) {
        const std::uint8_t* block = w + r * row_bytes + b * 64;
        _mm_prefetch(reinterpret_cast<const char*>(block + kPrefetchBytes), _MM_HINT_T0);
        packed[r] = load_once(block);
        codes[r] = _mm512_and_si512(packed[r], three);
      }
      add_products<R, T>(codes, block_x, x_stride, sum);
      for (int r = 0; r < R; ++r) codes[r] = _mm512_and_si512(_mm512_srli_epi16(packed[r], 2), three);
      add_products<R, T>(codes, block_x + 64, x_stride, sum);
      for (int r = 0; r < R; ++r) codes[r] = _mm512_and_si512(_mm512_srli_epi16(packed[r], 4), three);
      add_products<R, T>(codes, block_x + 128, x_stride, sum);
      for (int r = 0; r < R; ++r) codes[r] = _mm512_and_si512(_mm512_srli_epi16(packed[r], 6), three);
      add_products<R, T>(codes, block_x + 192, x_stride, sum);
    }
    add_slices<R, T>(w, row_bytes, x, x_stride, last_block * 4, end, sum);
  }
  fold_dots(sum, dots);
}

}  // namespace
}  // namespace bitnet::kernels
