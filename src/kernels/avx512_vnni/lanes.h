#pragma once
/// Sixteen float lanes as one AVX-512 register. lanes16/ says what each function has to do.

#include <immintrin.h>

#include "kernels/lanes16/elements.h"

namespace bitnet::kernels {
namespace {

struct Lanes {
  __m512 v;
};

// Register tiles: 32 registers of 16 lanes.
constexpr int kDenseRows = 8;        // rows at once for one token
constexpr int kDenseTileRows = 4;    // rows × tokens at once for more
constexpr int kDenseTileTokens = 4;  //
constexpr int kTileHeads = 8;        // attention: heads × vectors at once
constexpr int kTileVectors = 2;
constexpr int kTileSums = 24;  // of as many heads, vectors and blocks of keys as fit

inline __mmask16 first(std::int64_t n) { return static_cast<__mmask16>((1U << n) - 1U); }

inline Lanes splat(float x) { return {_mm512_set1_ps(x)}; }
inline Lanes load(const float* p) { return {_mm512_loadu_ps(p)}; }
inline Lanes load(const F16* p) { return {_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))}; }
inline Lanes widen_bf16(__m256i bits) {
  return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16))};
}
inline Lanes load(const Bf16* p) { return widen_bf16(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))); }
inline Lanes widen_int8(__m128i bytes) { return {_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes))}; }
inline Lanes load(const std::int8_t* p) { return widen_int8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))); }
inline Lanes load_part(const float* p, std::int64_t n) { return {_mm512_maskz_loadu_ps(first(n), p)}; }
inline Lanes load_part(const F16* p, std::int64_t n) {
  return {_mm512_cvtph_ps(_mm256_maskz_loadu_epi16(first(n), p))};
}
inline Lanes load_part(const Bf16* p, std::int64_t n) { return widen_bf16(_mm256_maskz_loadu_epi16(first(n), p)); }
inline Lanes load_part(const std::int8_t* p, std::int64_t n) { return widen_int8(_mm_maskz_loadu_epi8(first(n), p)); }
inline void store(float* p, Lanes a) { _mm512_storeu_ps(p, a.v); }
inline __m256i to_f16(Lanes a) { return _mm512_cvtps_ph(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
inline void store(F16* p, Lanes a) { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), to_f16(a)); }
inline void store_part(float* p, std::int64_t n, Lanes a) { _mm512_mask_storeu_ps(p, first(n), a.v); }
inline void store_part(F16* p, std::int64_t n, Lanes a) { _mm256_mask_storeu_epi16(p, first(n), to_f16(a)); }

inline Lanes add(Lanes a, Lanes b) { return {_mm512_add_ps(a.v, b.v)}; }
inline Lanes sub(Lanes a, Lanes b) { return {_mm512_sub_ps(a.v, b.v)}; }
inline Lanes mul(Lanes a, Lanes b) { return {_mm512_mul_ps(a.v, b.v)}; }
inline Lanes div(Lanes a, Lanes b) { return {_mm512_div_ps(a.v, b.v)}; }
inline Lanes fma(Lanes a, Lanes b, Lanes c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
inline Lanes abs(Lanes a) { return {_mm512_abs_ps(a.v)}; }
inline Lanes greater(Lanes a, Lanes b) { return {_mm512_max_ps(a.v, b.v)}; }
inline Lanes select_less(Lanes a, Lanes b, Lanes yes, Lanes no) {
  return {_mm512_mask_blend_ps(_mm512_cmp_ps_mask(a.v, b.v, _CMP_LT_OQ), no.v, yes.v)};
}
inline Lanes select_nan(Lanes a, Lanes yes, Lanes no) {
  return {_mm512_mask_blend_ps(_mm512_cmp_ps_mask(a.v, a.v, _CMP_UNORD_Q), no.v, yes.v)};
}
inline Lanes scale_by_power(Lanes a, Lanes shifted) {
  const __m512i power = _mm512_slli_epi32(_mm512_castps_si512(shifted.v), 23);
  return {_mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(a.v), power))};
}

inline float fold_sum(Lanes a) {
  const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1));
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
/// fold_sum of four at once: pairs of halves, quarters and so on side by side.
inline void fold_sums(const Lanes (&a)[4], float (&sums)[4]) {
  const auto halves = [](__m512 x, __m512 y) {
    return _mm512_add_ps(_mm512_shuffle_f32x4(x, y, 0x44), _mm512_shuffle_f32x4(x, y, 0xee));
  };
  const __m512 x = halves(a[0].v, a[1].v);
  const __m512 y = halves(a[2].v, a[3].v);
  const __m512 four = _mm512_add_ps(_mm512_shuffle_f32x4(x, y, 0x88), _mm512_shuffle_f32x4(x, y, 0xdd));
  const __m512 two = _mm512_add_ps(four, _mm512_permute_ps(four, 0x4e));
  const __m512 one = _mm512_add_ps(two, _mm512_permute_ps(two, 0xb1));
  const __m512i firsts = _mm512_setr_epi32(0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12);
  _mm_storeu_ps(sums, _mm512_castps512_ps128(_mm512_permutexvar_ps(firsts, one)));
}
inline float fold_greater(Lanes a) {
  const __m256 eight = _mm256_max_ps(_mm512_castps512_ps256(a.v), _mm512_extractf32x8_ps(a.v, 1));
  const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

/// Rounds 64 values to int8 (NaN to 0), stores them and returns their sum.
inline std::int32_t store_int8(const Lanes (&a)[4], std::int8_t* q) {
  __m512i sums = _mm512_setzero_si512();
  for (int i = 0; i < 4; ++i) {
    const __mmask16 number = _mm512_cmp_ps_mask(a[i].v, a[i].v, _CMP_ORD_Q);
    const __m512i rounded = _mm512_maskz_cvtps_epi32(number, a[i].v);
    sums = _mm512_add_epi32(sums, rounded);
    _mm_storeu_si128(reinterpret_cast<__m128i*>(q + i * 16), _mm512_cvtepi32_epi8(rounded));
  }
  return _mm512_reduce_add_epi32(sums);
}

struct IntLanes {
  __m512i v;
};

/// 64 bytes that come from memory. g++ 12 would make them an operand of every operation that uses them: each would wait
/// for the line by itself, and a core could ask for fewer lines at a time.
inline __m512i load_once(const void* p) {
  __m512i loaded = _mm512_loadu_si512(p);
  asm("" : "+v"(loaded));
  return loaded;
}

inline IntLanes splat_int(std::int32_t a) { return {_mm512_set1_epi32(a)}; }
inline IntLanes load_ints(const std::int32_t* p) { return {_mm512_loadu_si512(p)}; }
inline void store_ints(void* p, IntLanes a) { _mm512_storeu_si512(p, a.v); }
inline IntLanes cut_off(Lanes a) { return {_mm512_cvttps_epi32(a.v)}; }
inline IntLanes or_shifted(IntLanes a, IntLanes b, int shift) {
  return {_mm512_or_si512(a.v, _mm512_sll_epi32(b.v, _mm_cvtsi32_si128(shift)))};
}
inline IntLanes twice_less(IntLanes a, IntLanes b) { return {_mm512_sub_epi32(_mm512_add_epi32(a.v, a.v), b.v)}; }
inline Lanes to_float(IntLanes a) { return {_mm512_cvtepi32_ps(a.v)}; }
/// The lowest four bits of each lane: the permutation looks at no others.
inline Lanes low_nibbles(__m512i words) {
  const __m512 values = _mm512_setr_ps(0, 1, 2, 3, 4, 5, 6, 7, -8, -7, -6, -5, -4, -3, -2, -1);
  return {_mm512_permutexvar_ps(words, values)};
}
template <int K>
inline Lanes nibbles(IntLanes words) {
  return low_nibbles(_mm512_srli_epi32(words.v, 4 * K));
}
inline Lanes load_nibbles(const std::int32_t* pair) {
  const __m512i shifts = _mm512_setr_epi32(0, 0, 4, 4, 8, 8, 12, 12, 16, 16, 20, 20, 24, 24, 28, 28);
  const __m512i words = _mm512_broadcastq_epi64(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(pair)));
  return low_nibbles(_mm512_srlv_epi32(words, shifts));
}

}  // namespace
}  // namespace bitnet::kernels
