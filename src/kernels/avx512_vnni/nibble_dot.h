#pragma once
/// lanes16/nibble_scores.h says what each function has to do.

#include <immintrin.h>

#include "kernels/avx512_vnni/lanes.h"
#include "kernels/avx512_vnni/ternary_dot.h"

namespace bitnet::kernels {
namespace {

constexpr int kNibbleRows = 4;      // rows at once for one token
constexpr int kNibbleTileRows = 4;  // rows × tokens at once for more
constexpr int kNibbleTileTokens = 4;

/// Rows are read from memory: they are asked for this far ahead in each stream of rows.
constexpr std::int64_t kNibblePrefetch = 2048;

template <int R, int T>
[[gnu::always_inline]] inline void nibble_dot(const std::uint8_t* w, std::int64_t row_bytes, const std::int8_t* x,
                                              std::int64_t x_stride, std::int64_t blocks, IntLanes (&sums)[T][R]) {
  const __m512i fifteen = _mm512_set1_epi8(15);
  __m512i sum[T][R];
  clear_sums(sum);
  for (std::int64_t b = 0; b < blocks; ++b) {
    __m512i packed[R];
    for (int r = 0; r < R; ++r) {
      const std::uint8_t* block = w + r * row_bytes + b * 64;
      _mm_prefetch(reinterpret_cast<const char*>(block + kNibblePrefetch), _MM_HINT_T0);
      packed[r] = load_once(block);
    }
    __m512i codes[R];
    for (int r = 0; r < R; ++r) codes[r] = _mm512_and_si512(packed[r], fifteen);
    add_products<R, T>(codes, x + b * 128, x_stride, sum);
    for (int r = 0; r < R; ++r) codes[r] = _mm512_and_si512(_mm512_srli_epi16(packed[r], 4), fifteen);
    add_products<R, T>(codes, x + b * 128 + 64, x_stride, sum);
  }
#pragma GCC unroll 4
  for (int t = 0; t < T; ++t) {
    for (int r = 0; r < R; ++r) sums[t][r].v = sum[t][r];
  }
}

}  // namespace
}  // namespace bitnet::kernels
