#include "vnni_peak.h"

#include <immintrin.h>

std::int64_t vnni_products(std::int64_t rounds) {
  constexpr int kSums = 16;
  __m512i sums[kSums];
  for (auto& sum : sums) sum = _mm512_setzero_si512();
  __m512i a = _mm512_set1_epi8(1);
  __m512i b = _mm512_set1_epi8(2);
  for (std::int64_t i = 0; i < rounds; ++i) {
    for (auto& sum : sums) sum = _mm512_dpbusd_epi32(sum, a, b);
    asm volatile("" : "+v"(a), "+v"(b));  // the products are new in every round
  }
  __m512i total = _mm512_setzero_si512();
  for (const auto& sum : sums) total = _mm512_add_epi32(total, sum);
  volatile int kept = _mm512_cvtsi512_si32(total);
  (void)kept;
  return rounds * kSums * 64;
}
