#pragma once
/// Sixteen float lanes as two AVX2 registers. lanes16/ says what each function has to do.

#include <immintrin.h>

#include <cstring>

#include "kernels/lanes16/elements.h"

namespace bitnet::kernels {
namespace {

struct Lanes {
  __m256 lo;  // lanes 0 to 7
  __m256 hi;
};

// Register tiles: 16 registers of 8 lanes.
constexpr int kDenseRows = 4;
constexpr int kDenseTileRows = 2;
constexpr int kDenseTileTokens = 2;
constexpr int kTileHeads = 6;
constexpr int kTileVectors = 1;
constexpr int kTileSums = 6;

inline Lanes splat(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
inline Lanes load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
inline __m128i load_8x16(const void* p) { return _mm_loadu_si128(static_cast<const __m128i*>(p)); }
inline Lanes load(const F16* p) { return {_mm256_cvtph_ps(load_8x16(p)), _mm256_cvtph_ps(load_8x16(p + 8))}; }
inline __m256 widen_bf16(__m128i bits) {
  return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
}
inline Lanes load(const Bf16* p) { return {widen_bf16(load_8x16(p)), widen_bf16(load_8x16(p + 8))}; }
inline __m256 widen_int8(__m128i bytes) { return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes)); }
inline Lanes load(const std::int8_t* p) {
  const __m128i bytes = load_8x16(p);
  return {widen_int8(bytes), widen_int8(_mm_unpackhi_epi64(bytes, bytes))};
}
inline void store(float* p, Lanes a) {
  _mm256_storeu_ps(p, a.lo);
  _mm256_storeu_ps(p + 8, a.hi);
}
inline void store(F16* p, Lanes a) {
  constexpr int kNearest = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm256_cvtps_ph(a.lo, kNearest));
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p + 8), _mm256_cvtps_ph(a.hi, kNearest));
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

inline Lanes add(Lanes a, Lanes b) { return {_mm256_add_ps(a.lo, b.lo), _mm256_add_ps(a.hi, b.hi)}; }
inline Lanes sub(Lanes a, Lanes b) { return {_mm256_sub_ps(a.lo, b.lo), _mm256_sub_ps(a.hi, b.hi)}; }
inline Lanes mul(Lanes a, Lanes b) { return {_mm256_mul_ps(a.lo, b.lo), _mm256_mul_ps(a.hi, b.hi)}; }
inline Lanes div(Lanes a, Lanes b) { return {_mm256_div_ps(a.lo, b.lo), _mm256_div_ps(a.hi, b.hi)}; }
inline Lanes fma(Lanes a, Lanes b, Lanes c) {
  return {_mm256_fmadd_ps(a.lo, b.lo, c.lo), _mm256_fmadd_ps(a.hi, b.hi, c.hi)};
}
inline Lanes abs(Lanes a) {
  const __m256 sign = _mm256_set1_ps(-0.0F);
  return {_mm256_andnot_ps(sign, a.lo), _mm256_andnot_ps(sign, a.hi)};
}
inline Lanes greater(Lanes a, Lanes b) { return {_mm256_max_ps(a.lo, b.lo), _mm256_max_ps(a.hi, b.hi)}; }
inline Lanes select_less(Lanes a, Lanes b, Lanes yes, Lanes no) {
  return {_mm256_blendv_ps(no.lo, yes.lo, _mm256_cmp_ps(a.lo, b.lo, _CMP_LT_OQ)),
          _mm256_blendv_ps(no.hi, yes.hi, _mm256_cmp_ps(a.hi, b.hi, _CMP_LT_OQ))};
}
inline Lanes select_nan(Lanes a, Lanes yes, Lanes no) {
  return {_mm256_blendv_ps(no.lo, yes.lo, _mm256_cmp_ps(a.lo, a.lo, _CMP_UNORD_Q)),
          _mm256_blendv_ps(no.hi, yes.hi, _mm256_cmp_ps(a.hi, a.hi, _CMP_UNORD_Q))};
}
inline __m256 scale_by_power(__m256 a, __m256 shifted) {
  const __m256i power = _mm256_slli_epi32(_mm256_castps_si256(shifted), 23);
  return _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(a), power));
}
inline Lanes scale_by_power(Lanes a, Lanes shifted) {
  return {scale_by_power(a.lo, shifted.lo), scale_by_power(a.hi, shifted.hi)};
}

inline float fold_sum(Lanes a) {
  const __m256 eight = _mm256_add_ps(a.lo, a.hi);
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
}
inline float fold_greater(Lanes a) {
  const __m256 eight = _mm256_max_ps(a.lo, a.hi);
  const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
}

inline std::int32_t fold_sum(__m256i a) {
  const __m128i four = _mm_add_epi32(_mm256_castsi256_si128(a), _mm256_extracti128_si256(a, 1));
  const __m128i two = _mm_add_epi32(four, _mm_unpackhi_epi64(four, four));
  return _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32(two, 1)));
}

inline __m256i round_to_int32(__m256 a) {
  return _mm256_cvtps_epi32(_mm256_and_ps(a, _mm256_cmp_ps(a, a, _CMP_ORD_Q)));
}

/// Rounds 64 values to int8 (NaN to 0), stores them and returns their sum.
inline std::int32_t store_int8(const Lanes (&a)[4], std::int8_t* q) {
  __m256i sums = _mm256_setzero_si256();
  for (int i = 0; i < 4; ++i) {
    const __m256i lo = round_to_int32(a[i].lo);
    const __m256i hi = round_to_int32(a[i].hi);
    sums = _mm256_add_epi32(sums, _mm256_add_epi32(lo, hi));
    // packs works within 128-bit halves: the quarters come out as 0, 2, 1, 3.
    const __m256i words = _mm256_permute4x64_epi64(_mm256_packs_epi32(lo, hi), 0xd8);
    const __m128i bytes = _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(q + i * 16), bytes);
  }
  return fold_sum(sums);
}

struct IntLanes {
  __m256i lo;  // lanes 0 to 7
  __m256i hi;
};

inline IntLanes splat_int(std::int32_t a) { return {_mm256_set1_epi32(a), _mm256_set1_epi32(a)}; }
inline __m256i load_8x32(const std::int32_t* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
inline IntLanes load_ints(const std::int32_t* p) { return {load_8x32(p), load_8x32(p + 8)}; }
inline void store_ints(void* p, IntLanes a) {
  _mm256_storeu_si256(static_cast<__m256i*>(p), a.lo);
  _mm256_storeu_si256(static_cast<__m256i*>(p) + 1, a.hi);
}
inline IntLanes cut_off(Lanes a) { return {_mm256_cvttps_epi32(a.lo), _mm256_cvttps_epi32(a.hi)}; }
inline IntLanes or_shifted(IntLanes a, IntLanes b, int shift) {
  const __m128i count = _mm_cvtsi32_si128(shift);
  return {_mm256_or_si256(a.lo, _mm256_sll_epi32(b.lo, count)), _mm256_or_si256(a.hi, _mm256_sll_epi32(b.hi, count))};
}
inline __m256i twice_less(__m256i a, __m256i b) { return _mm256_sub_epi32(_mm256_add_epi32(a, a), b); }
inline IntLanes twice_less(IntLanes a, IntLanes b) { return {twice_less(a.lo, b.lo), twice_less(a.hi, b.hi)}; }
inline Lanes to_float(IntLanes a) { return {_mm256_cvtepi32_ps(a.lo), _mm256_cvtepi32_ps(a.hi)}; }
/// The highest four bits of each lane.
inline __m256 high_nibbles(__m256i words) { return _mm256_cvtepi32_ps(_mm256_srai_epi32(words, 28)); }
template <int K>
inline Lanes nibbles(IntLanes words) {
  return {high_nibbles(_mm256_slli_epi32(words.lo, 28 - 4 * K)), high_nibbles(_mm256_slli_epi32(words.hi, 28 - 4 * K))};
}
inline Lanes load_nibbles(const std::int32_t* pair) {
  const __m256i shifts = _mm256_setr_epi32(28, 28, 24, 24, 20, 20, 16, 16);
  const __m256i words = _mm256_broadcastq_epi64(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(pair)));
  return {high_nibbles(_mm256_sllv_epi32(words, shifts)),
          high_nibbles(_mm256_sllv_epi32(words, _mm256_sub_epi32(shifts, _mm256_set1_epi32(16))))};
}

}  // namespace
}  // namespace bitnet::kernels
