#pragma once
/// The ternary product of a few tokens with tiles: weights as they lie, unpacked, are A, and activations, arranged once
/// for all rows, are B. Few tokens pay for every row that is unpacked, and this way no weights need to be transposed.

#include "kernels/amx/tile_sums.h"
#include "kernels/amx/unpack.h"

namespace bitnet::kernels {
namespace {

/// Fewer tokens wait for memory, not for the processor.
constexpr std::int64_t kFewestTileTokens = 5;
constexpr std::int64_t kMostFewTokens = 2 * kTileRows;

constexpr std::int64_t kFewRows = 2 * kTileRows;  // weight rows at once
/// A column is what 64 bytes of all rows hold: in a group of base3 the four slices of a block and one of the fifth
/// block, beyond the groups the four slices of a block.
constexpr std::int64_t kColumnSlices = 5;
constexpr std::int64_t kColumnStride = kColumnSlices * kTileRowBytes;
/// What is arranged of the activations at once: 32 columns of 16 tokens. On the stack.
constexpr std::int64_t kArrangedBytes = 32 * kColumnSlices * kTileBytes;

struct Column {
  std::int64_t slices;
  std::int64_t first;  // slice of the activations
  std::int64_t fifth;
};

inline Column column_of(const TernaryMatrix& w, std::int64_t column) {
  const std::int64_t groups = w.blocks / pack::kBase3Blocks;
  const std::int64_t group = column / 4;
  if (group >= groups) return {4, (column + groups) * 4, 0};
  return {kColumnSlices, (column + group) * 4, (group * pack::kBase3Blocks + 4) * 4 + column % 4};
}
inline std::int64_t columns_of(const TernaryMatrix& w) { return w.blocks - w.blocks / pack::kBase3Blocks; }

/// One slice of all tokens becomes a tile of B for each sixteen tokens: row i holds their bytes 4i … 4i + 3 side by
/// side.
inline void arrange_slice(const Int8Rows& x, std::int64_t slice, std::int8_t* tiles) {
  for (std::int64_t t = 0; t < x.count; t += kTileRows, tiles += kTileBytes) {
    __m512i rows[kTileRows];
    for (std::int64_t i = 0; i < kTileRows; ++i) {
      rows[i] = t + i < x.count ? _mm512_loadu_si512(x.data + (t + i) * x.stride + slice * pack::kSliceWeights)
                                : _mm512_setzero_si512();
    }
    transpose(rows);
    for (std::int64_t i = 0; i < kTileRows; ++i) _mm512_store_si512(tiles + i * kTileRowBytes, rows[i]);
  }
}

/// Columns [begin, end), `step` bytes a slice, kColumnSlices steps each.
inline void arrange(const TernaryMatrix& w, const Int8Rows& x, std::int64_t begin, std::int64_t end, std::int64_t step,
                    std::int8_t* tiles) {
  for (std::int64_t c = begin; c < end; ++c, tiles += kColumnSlices * step) {
    const Column column = column_of(w, c);
    for (std::int64_t s = 0; s < 4; ++s) arrange_slice(x, column.first + s, tiles + s * step);
    if (column.slices > 4) arrange_slice(x, column.fifth, tiles + 4 * step);
  }
}

/// A column of `rows` rows as codes 0, 1, 2, kColumnStride bytes from row to row.
inline void unpack_column(const TernaryMatrix& w, std::int64_t row, std::int64_t rows, std::int64_t column,
                          std::int8_t* codes) {
  const bool base3 = column_of(w, column).slices > 4;
  const std::uint8_t* at = w.codes + row * w.row_bytes + column * pack::kBlockBytes;
  for (std::int64_t i = 0; i < rows; ++i, at += w.row_bytes, codes += kColumnStride) {
    // The rows that are unpacked after these: a hint, which may point beyond the matrix.
    _mm_prefetch(reinterpret_cast<const char*>(at + kFewRows * w.row_bytes), _MM_HINT_T0);
    __m512i two_bits = load_once(at);
    if (base3) {
      const __m512i four = four_of(two_bits);
      _mm512_store_si512(codes + 4 * kTileRowBytes, fifth_of(two_bits, four));
      two_bits = two_bits_of(four);
    }
    _mm512_store_si512(codes, slice_of<0>(two_bits));
    _mm512_store_si512(codes + kTileRowBytes, slice_of<1>(two_bits));
    _mm512_store_si512(codes + 2 * kTileRowBytes, slice_of<2>(two_bits));
    _mm512_store_si512(codes + 3 * kTileRowBytes, slice_of<3>(two_bits));
  }
}

/// Sums of codes [rows][tokens], kMostFewTokens apart, are added to the sums of weights [tokens][rows], from which Σ x
/// of each token has been taken away, or, for the first of them, take it away.
inline void add_transposed(const std::int32_t* codes, std::int64_t rows, const std::int32_t* offsets,
                           std::int64_t tokens, bool first, std::int32_t* sums, std::int64_t sums_stride) {
  for (std::int64_t r = 0; r < rows; r += kTileRows) {
    const auto mask = static_cast<__mmask16>((1U << smaller(kTileRows, rows - r)) - 1);
    for (std::int64_t t = 0; t < tokens; t += kTileRows) {
      __m512i of[kTileRows];
      for (std::int64_t i = 0; i < kTileRows; ++i) of[i] = _mm512_load_si512(codes + (r + i) * kMostFewTokens + t);
      transpose(of);
      for (std::int64_t i = 0; i < smaller(kTileRows, tokens - t); ++i) {
        std::int32_t* to = sums + (t + i) * sums_stride + r;
        const __m512i before = first ? _mm512_set1_epi32(-offsets[t + i]) : _mm512_maskz_loadu_epi32(mask, to);
        _mm512_mask_storeu_epi32(to, mask, _mm512_add_epi32(before, of[i]));
      }
    }
  }
}

/// Up to 32 tokens. While one column is multiplied the next one is unpacked, so that no tile is loaded from where the
/// stores have not arrived yet.
inline void few_tokens(const TernaryMatrix& w, std::int64_t row_begin, std::int64_t row_end, const Int8Rows& x,
                       std::int32_t* sums, std::int64_t sums_stride) {
  alignas(64) std::int8_t tokens[kArrangedBytes];
  alignas(64) std::int8_t weights[2][kFewRows * kColumnStride];
  alignas(64) std::int32_t tile_sums[kFewRows * kMostFewTokens] = {};
  std::int32_t offsets[kMostFewTokens];
  for (std::int64_t t = 0; t < x.count; ++t) offsets[t] = sum_of(x, t, {0, w.blocks * 4});
  const std::int64_t step = x.count > kTileRows ? 2 * kTileBytes : kTileBytes;
  const std::int64_t chunk = kArrangedBytes / (kColumnSlices * step);
  Shaped shaped;
  for (std::int64_t begin = 0; begin < columns_of(w); begin += chunk) {
    const std::int64_t end = smaller(begin + chunk, columns_of(w));
    arrange(w, x, begin, end, step, tokens);
    for (std::int64_t row = row_begin; row < row_end; row += kFewRows) {
      const std::int64_t rows = smaller(kFewRows, row_end - row);
      const auto unpack = [&](std::int64_t c) { unpack_column(w, row, rows, c, weights[c % 2]); };
      shaped.set(rows, x.count);
      with_tiles(rows, x.count, [&](auto tiles) {
        clear_sums(tiles);
        unpack(begin);
        for (std::int64_t c = begin; c < end; ++c) {
          if (c + 1 < end) unpack(c + 1);
          multiply_slices(tiles, weights[c % 2], kColumnStride, tokens + (c - begin) * kColumnSlices * step, step,
                          column_of(w, c).slices);
        }
        store_sums(tiles, tile_sums, kMostFewTokens);
      });
      add_transposed(tile_sums, rows, offsets, x.count, begin == 0, sums + (row - row_begin), sums_stride);
    }
  }
}

}  // namespace
}  // namespace bitnet::kernels
