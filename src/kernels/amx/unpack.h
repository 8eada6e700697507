#pragma once
/// Packed codes → weights -1, 0, +1 in the arrangement of a B tile: row i holds the bytes 4i … 4i + 3 of sixteen
/// weight rows side by side.

#include <immintrin.h>

#include "kernels/amx/tiles.h"
#include "kernels/avx512_vbmi/base3.h"

namespace bitnet::kernels {
namespace {

constexpr std::int64_t kRowsAhead = 32;

/// Register i becomes the elements i of all sixteen.
inline void transpose(__m512i (&m)[16]) {
  __m512i pairs[16];
  for (int i = 0; i < 16; i += 2) {
    pairs[i] = _mm512_unpacklo_epi32(m[i], m[i + 1]);
    pairs[i + 1] = _mm512_unpackhi_epi32(m[i], m[i + 1]);
  }
  __m512i fours[16];  // [4g + c]: element c of each 128 bits, of the rows 4g … 4g + 3
  for (int i = 0; i < 16; i += 4) {
    fours[i] = _mm512_unpacklo_epi64(pairs[i], pairs[i + 2]);
    fours[i + 1] = _mm512_unpackhi_epi64(pairs[i], pairs[i + 2]);
    fours[i + 2] = _mm512_unpacklo_epi64(pairs[i + 1], pairs[i + 3]);
    fours[i + 3] = _mm512_unpackhi_epi64(pairs[i + 1], pairs[i + 3]);
  }
  for (int c = 0; c < 4; ++c) {
    const __m512i even_low = _mm512_shuffle_i32x4(fours[c], fours[4 + c], 0x88);
    const __m512i even_high = _mm512_shuffle_i32x4(fours[8 + c], fours[12 + c], 0x88);
    const __m512i odd_low = _mm512_shuffle_i32x4(fours[c], fours[4 + c], 0xdd);
    const __m512i odd_high = _mm512_shuffle_i32x4(fours[8 + c], fours[12 + c], 0xdd);
    m[c] = _mm512_shuffle_i32x4(even_low, even_high, 0x88);
    m[4 + c] = _mm512_shuffle_i32x4(odd_low, odd_high, 0x88);
    m[8 + c] = _mm512_shuffle_i32x4(even_low, even_high, 0xdd);
    m[12 + c] = _mm512_shuffle_i32x4(odd_low, odd_high, 0xdd);
  }
}

/// One block of the 16 weight rows from `row` on, or of the `rows` that there are, becomes four tiles, `apart` bytes
/// from one another, one for each slice. They are transposed while still packed, once for all four. Columns of missing
/// rows hold no weights.
inline void unpack_block(const TernaryMatrix& w, std::int64_t row, std::int64_t rows, std::int64_t block,
                         std::int8_t* tiles, std::int64_t apart) {
  __m512i packed[16];
  load_block(w, row, rows, block, packed);
  // The rows that are unpacked after these, wherever they come from: a hint, which may point beyond the matrix.
  const std::uint8_t* ahead = w.codes + (row + kRowsAhead) * w.row_bytes + block * pack::kBlockBytes * 4 / 5;
  for (int i = 0; i < 16; ++i) {
    _mm_prefetch(reinterpret_cast<const char*>(ahead + i * w.row_bytes), _MM_HINT_T0);
  }
  transpose(packed);
  const __m512i three = _mm512_set1_epi8(3);
  const __m512i one = _mm512_set1_epi8(1);
  const auto store = [&](std::int8_t* to, __m512i shifted) {
    _mm512_store_si512(to, _mm512_sub_epi8(_mm512_and_si512(shifted, three), one));
  };
  for (int i = 0; i < 16; ++i) {
    std::int8_t* to = tiles + i * kTileRowBytes;
    store(to, packed[i]);
    store(to + apart, _mm512_srli_epi16(packed[i], 2));
    store(to + 2 * apart, _mm512_srli_epi16(packed[i], 4));
    store(to + 3 * apart, _mm512_srli_epi16(packed[i], 6));
  }
}

}  // namespace
}  // namespace bitnet::kernels
