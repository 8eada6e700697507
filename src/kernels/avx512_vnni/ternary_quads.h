#pragma once
/// What lanes16/ternary_columns.h asks for.

#include "kernels/avx512_vnni/lanes.h"

namespace bitnet::kernels {
namespace {

using QuadCodes = __m512i;
using QuadSums = __m512i;
using QuadInputs = __m512i;
constexpr int kCodeBytes = 64;
constexpr int kQuadsTogether = 4;

inline QuadCodes load_codes(const std::uint8_t* p) { return load_once(p); }
inline QuadSums load_sums(const std::int32_t* p) { return _mm512_load_si512(p); }
inline void store_sums(std::int32_t* p, QuadSums sums) { _mm512_store_si512(p, sums); }

template <int V>
[[gnu::always_inline]] inline void interleave(const QuadCodes (&x)[4], QuadCodes (&y)[4]) {
  const QuadCodes low01 = _mm512_unpacklo_epi8(x[0], x[1]);
  const QuadCodes low23 = _mm512_unpacklo_epi8(x[2], x[3]);
  const QuadCodes high01 = _mm512_unpackhi_epi8(x[0], x[1]);
  const QuadCodes high23 = _mm512_unpackhi_epi8(x[2], x[3]);
  y[0] = _mm512_unpacklo_epi16(low01, low23);
  y[1] = _mm512_unpackhi_epi16(low01, low23);
  y[2] = _mm512_unpacklo_epi16(high01, high23);
  y[3] = _mm512_unpackhi_epi16(high01, high23);
}

inline QuadInputs spread_inputs(std::int32_t four) { return _mm512_set1_epi32(four); }

[[gnu::always_inline]] inline QuadSums add_quads(QuadSums sums, QuadCodes codes, QuadInputs inputs) {
  asm("vpdpbusd %2, %1, %0" : "+v"(sums) : "v"(codes), "v"(inputs));
  return sums;
}

template <int S>
inline QuadCodes two_bit_slice(QuadCodes two_bits) {
  return _mm512_and_si512(_mm512_srli_epi16(two_bits, 2 * S), _mm512_set1_epi8(3));
}

}  // namespace
}  // namespace bitnet::kernels
