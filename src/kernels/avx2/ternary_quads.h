#pragma once
/// What lanes16/ternary_columns.h asks for.

#include <immintrin.h>

#include <cstdint>

namespace bitnet::kernels {
namespace {

using QuadCodes = __m256i;
using QuadSums = __m256i;
using QuadInputs = __m256i;
constexpr int kCodeBytes = 32;
constexpr int kQuadsTogether = 2;

inline QuadCodes load_codes(const std::uint8_t* p) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)); }
inline QuadSums load_sums(const std::int32_t* p) { return _mm256_load_si256(reinterpret_cast<const __m256i*>(p)); }
inline void store_sums(std::int32_t* p, QuadSums sums) { _mm256_store_si256(reinterpret_cast<__m256i*>(p), sums); }

template <int V>
inline void interleave(const QuadCodes (&x)[4], QuadCodes (&y)[2]) {
  const QuadCodes a = V == 0 ? _mm256_unpacklo_epi8(x[0], x[1]) : _mm256_unpackhi_epi8(x[0], x[1]);
  const QuadCodes b = V == 0 ? _mm256_unpacklo_epi8(x[2], x[3]) : _mm256_unpackhi_epi8(x[2], x[3]);
  y[0] = _mm256_unpacklo_epi16(a, b);
  y[1] = _mm256_unpackhi_epi16(a, b);
}

inline QuadInputs spread_inputs(std::int32_t four) { return _mm256_set1_epi32(four); }

/// Two products fit 16 bits with room to spare: at most 2 · 2 · 128.
inline QuadSums add_quads(QuadSums sums, QuadCodes codes, QuadInputs inputs) {
  const __m256i pairs = _mm256_maddubs_epi16(codes, inputs);
  return _mm256_add_epi32(sums, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
}

template <int S>
inline QuadCodes two_bit_slice(QuadCodes two_bits) {
  return _mm256_and_si256(_mm256_srli_epi16(two_bits, 2 * S), _mm256_set1_epi8(3));
}

}  // namespace
}  // namespace bitnet::kernels
