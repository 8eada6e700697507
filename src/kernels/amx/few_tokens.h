#pragma once
/// The ternary product of a few tokens with tiles: weights as they lie, unpacked, are A, and activations, arranged once
/// for all rows, are B. Few tokens pay for every row that is unpacked, and this way no weights need to be transposed.

#include "kernels/amx/tile_sums.h"
#include "kernels/amx/unpack.h"
#include "kernels/lanes16/ternary_gemm.h"

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

/// The bytes of a span of columns, row after row: they are asked for in the order in which they lie, which memory
/// serves faster than the order in which they are unpacked. A hint, which may point beyond the matrix.
class Soon {
 public:
  Soon(const TernaryMatrix& w, std::int64_t row, std::int64_t begin, std::int64_t end)
      : at_(w.codes + row * w.row_bytes + begin * pack::kBlockBytes),
        columns_(end - begin),
        left_(columns_),
        gap_(w.row_bytes - columns_ * pack::kBlockBytes) {}
  void ask() {
    _mm_prefetch(reinterpret_cast<const char*>(at_), _MM_HINT_T1);
    at_ += pack::kBlockBytes;
    if (--left_ > 0) return;
    at_ += gap_;
    left_ = columns_;
  }

 private:
  const std::uint8_t* at_;
  std::int64_t columns_;
  std::int64_t left_;
  std::int64_t gap_;
};

/// A column of up to kFewRows rows; of none where the rows end.
struct Place {
  std::int64_t row;
  std::int64_t rows;
  std::int64_t column;
  std::int64_t slices;
};
inline Place place_at(const TernaryMatrix& w, std::int64_t row, std::int64_t row_end, std::int64_t column) {
  return {row, row < row_end ? smaller(kFewRows, row_end - row) : 0, column, column_of(w, column).slices};
}

/// Rows [begin, end), as far as there are any, of those at `place` as codes 0, 1, 2, kColumnStride bytes from row to
/// row.
inline void unpack_rows(const TernaryMatrix& w, const Place& place, std::int64_t begin, std::int64_t end, Soon& soon,
                        std::int8_t* codes) {
  const bool base3 = place.slices == kColumnSlices;
  const std::uint8_t* at = w.codes + (place.row + begin) * w.row_bytes + place.column * pack::kBlockBytes;
  codes += begin * kColumnStride;
  for (std::int64_t i = begin; i < smaller(end, place.rows); ++i, at += w.row_bytes, codes += kColumnStride) {
    soon.ask();
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

/// Calls f(Tiles) for up to 32 rows × up to 32 tokens.
template <typename F>
inline void with_tiles(std::int64_t rows, std::int64_t tokens, F f) {
  if (rows > kTileRows) {
    tokens > kTileRows ? f(Tiles<2, 2>{}) : f(Tiles<2, 1>{});
  } else {
    tokens > kTileRows ? f(Tiles<1, 2>{}) : f(Tiles<1, 1>{});
  }
}

/// Up to 32 tokens. A column is unpacked while the one before it is multiplied, a few rows after each slice, so that
/// both have work all the time and no tile is loaded from where the stores have not arrived yet. Tiles are whole: rows
/// and tokens that are missing have sums of their own, which nobody reads.
inline void few_tokens(const TernaryMatrix& w, std::int64_t row_begin, std::int64_t row_end, const Int8Rows& x,
                       std::int32_t* sums, std::int64_t sums_stride) {
  alignas(64) std::int8_t tokens[kArrangedBytes];
  alignas(64) std::int8_t weights[2][kFewRows * kColumnStride] = {};
  alignas(64) std::int32_t tile_sums[kFewRows * kMostFewTokens];
  std::int32_t offsets[kMostFewTokens];
  for (std::int64_t t = 0; t < x.count; ++t) offsets[t] = sum_of(x, t, {0, w.blocks * 4});
  const std::int64_t step = x.count > kTileRows ? 2 * kTileBytes : kTileBytes;
  const std::int64_t chunk = kArrangedBytes / (kColumnSlices * step);
  shape_tiles(shapes_of(kTileRows, kTileRows));
  for (std::int64_t begin = 0; begin < columns_of(w); begin += chunk) {
    const std::int64_t end = smaller(begin + chunk, columns_of(w));
    arrange(w, x, begin, end, step, tokens);
    Soon soon(w, row_begin + 2 * kFewRows, begin, end);
    Place next = place_at(w, row_begin, row_end, begin);
    int at = 0;  // which of weights[2] is multiplied
    unpack_rows(w, next, 0, kFewRows, soon, weights[at]);
    while (next.rows > 0) {
      const Place first = next;
      with_tiles(first.rows, x.count, [&](auto tiles) {
        clear_sums(tiles);
        const std::int8_t* column = tokens;
        for (std::int64_t c = begin; c < end; ++c, column += kColumnSlices * step, at = 1 - at) {
          const Place now = next;
          next = c + 1 < end ? place_at(w, now.row, row_end, c + 1) : place_at(w, now.row + kFewRows, row_end, begin);
          const std::int64_t share = (kFewRows + now.slices - 1) / now.slices;
          for (std::int64_t s = 0; s < now.slices; ++s) {
            multiply_slice(tiles, weights[at] + s * kTileRowBytes, kColumnStride, column + s * step);
            unpack_rows(w, next, s * share, (s + 1) * share, soon, weights[1 - at]);
          }
        }
        store_sums(tiles, tile_sums, kMostFewTokens);
      });
      add_transposed(tile_sums, first.rows, offsets, x.count, begin == 0, sums + (first.row - row_begin), sums_stride);
    }
  }
}

}  // namespace
}  // namespace bitnet::kernels
