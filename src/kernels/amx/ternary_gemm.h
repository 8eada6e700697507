#pragma once
/// The ternary product with tiles. Many tokens: activations as they lie are A, unpacked weights B.

#include "kernels/amx/few_tokens.h"
#include "kernels/amx/tile_sums.h"
#include "kernels/amx/unpack.h"

namespace bitnet::kernels {
namespace {

/// Tokens that go through few_tokens at once or one half after the other: unpacking twice into the first-level cache
/// takes less than once into the second.
constexpr std::int64_t kMostHalves = 2 * kMostFewTokens;

/// What is unpacked before all tokens pass: so many blocks of so many rows. The activations of 32 tokens for these
/// blocks stay in the first-level cache while the weights come from the second. 64 KiB of stack.
constexpr std::int64_t kChunkBlocks = 2;
constexpr std::int64_t kChunkRows = 128;
/// 16 rows of a chunk: a tile for each slice.
constexpr std::int64_t kTilePanelBytes = kChunkBlocks * 4 * kTileBytes;

/// The chunk that starts at `block` for `rows` rows, all in whole panels or fewer than one has, and all tokens; the
/// sums go on from what they are, or from 0 for the first block.
inline void multiply_chunk(const Int8Rows& x, std::int64_t block, std::int64_t blocks, const std::int8_t* weights,
                           std::int64_t rows, Shaped& shaped, std::int32_t* sums, std::int64_t sums_stride) {
  const auto with_tokens = [&](auto tiles, std::int64_t t) {
    for (std::int64_t r = 0; r < rows; r += kTileRows) {
      std::int32_t* to = sums + t * sums_stride + r;
      if (block == 0) {
        clear_sums(tiles);
      } else {
        load_sums(tiles, to, sums_stride);
      }
      const std::int8_t* a = x.data + t * x.stride + block * pack::kBlockWeights;
      const std::int8_t* b = weights + r / kTileRows * kTilePanelBytes;
      for (std::int64_t s = 0; s < blocks * 4; ++s, a += kTileRowBytes, b += kTileBytes) {
        multiply_slice(tiles, a, x.stride, b);
      }
      store_sums(tiles, to, sums_stride);
    }
  };
  const std::int64_t columns = smaller(rows, kTileRows);
  std::int64_t t = 0;
  for (; t + 2 * kTileRows <= x.count; t += 2 * kTileRows) {
    shaped.set(kTileRows, columns);
    with_tokens(Tiles<2, 1>{}, t);
  }
  for (; t < x.count; t += kTileRows) {
    shaped.set(smaller(x.count - t, kTileRows), columns);
    with_tokens(Tiles<1, 1>{}, t);
  }
}

inline void many_tokens(const TernaryMatrix& w, std::int64_t row_begin, std::int64_t row_end, const Int8Rows& x,
                        std::int32_t* sums, std::int64_t sums_stride) {
  alignas(64) std::int8_t weights[kChunkRows / kTileRows * kTilePanelBytes];
  Shaped shaped;
  std::int64_t rows = 0;
  for (std::int64_t row = row_begin; row < row_end; row += rows) {
    // Whole panels together and the rest by itself: the shapes stay the same for all panels of a chunk.
    rows = smaller(kChunkRows, row_end - row);
    if (rows > kTileRows) rows = rows / kTileRows * kTileRows;
    for (std::int64_t b = 0; b < w.blocks; b += kChunkBlocks) {
      const std::int64_t blocks = smaller(kChunkBlocks, w.blocks - b);
      for (std::int64_t r = 0; r < rows; r += kTileRows) {
        for (std::int64_t i = 0; i < blocks; ++i) {
          unpack_block(w, row + r, smaller(kTileRows, rows - r), b + i,
                       weights + r / kTileRows * kTilePanelBytes + i * 4 * kTileBytes, kTileBytes);
        }
      }
      multiply_chunk(x, b, blocks, weights, rows, shaped, sums + (row - row_begin), sums_stride);
    }
  }
}

inline Int8Rows tokens_of(const Int8Rows& x, std::int64_t begin, std::int64_t count) {
  return {x.data + begin * x.stride, x.stride, x.slice_sums + begin * x.slice_stride, x.slice_stride, count};
}

void tile_ternary_gemm(const TernaryMatrix& w, const RowRuns& rows, const Int8Rows& x, std::int32_t* sums,
                       std::int64_t sums_stride) {
  if (x.count < kFewestTileTokens || w.blocks == 0) {
    ternary_gemm<Base3>(w, rows, x, sums, sums_stride);
    return;
  }
  for_each_run(rows, sums, [&](std::int64_t row, std::int64_t end, std::int32_t* to) {
    if (x.count > kMostHalves) {
      many_tokens(w, row, end, x, to, sums_stride);
      return;
    }
    for (std::int64_t t = 0; t < x.count; t += kMostFewTokens) {
      few_tokens(w, row, end, tokens_of(x, t, smaller(kMostFewTokens, x.count - t)), to + t * sums_stride, sums_stride);
    }
  });
  release_tiles();
}

}  // namespace
}  // namespace bitnet::kernels
