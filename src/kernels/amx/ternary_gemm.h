#pragma once
/// The ternary product with tiles. Many tokens: activations as they lie are A, unpacked weights B.

#include "kernels/amx/few_tokens.h"
#include "kernels/amx/tile_sums.h"
#include "kernels/amx/unpack.h"

namespace bitnet::kernels {
namespace {

constexpr std::int64_t kTileTokens = 2 * kTileRows;  // tokens at once
constexpr std::int64_t kPanelRows = 2 * kTileRows;   // weight rows at once
constexpr std::int64_t kStepBytes = 2 * kTileBytes;  // unpacked weights of a panel for one slice
constexpr std::int64_t kPanelBlockBytes = 4 * kStepBytes;

/// What is unpacked before all tokens pass: so many blocks of so many panels. The activations of 32 tokens for these
/// blocks stay in the first-level cache while the panels come from the second. 64 KiB of stack.
constexpr std::int64_t kChunkBlocks = 2;
constexpr std::int64_t kChunkPanels = 4;

/// The blocks from `block` on of up to 32 weight rows: for each slice two tiles, of which the second may be unused.
inline void unpack_panel(const TernaryMatrix& w, std::int64_t row, std::int64_t rows, std::int64_t block,
                         std::int64_t blocks, std::int8_t* weights) {
  for (std::int64_t r = 0; r < rows; r += kTileRows) {
    for (std::int64_t b = 0; b < blocks; ++b) {
      unpack_block(w, row + r, smaller(kTileRows, rows - r), block + b,
                   weights + b * kPanelBlockBytes + r * kTileRowBytes, kStepBytes);
    }
  }
}

/// The chunk that starts at `block` for `rows` rows and all tokens; the sums go on from what they are, or from 0 for
/// the first block.
inline void multiply_chunk(const Int8Rows& x, std::int64_t block, std::int64_t blocks, const std::int8_t* weights,
                           std::int64_t rows, Shaped& shaped, std::int32_t* sums, std::int64_t sums_stride) {
  for (std::int64_t t = 0; t < x.count; t += kTileTokens) {
    const std::int64_t tokens = smaller(kTileTokens, x.count - t);
    for (std::int64_t r = 0; r < rows; r += kPanelRows) {
      const std::int64_t panel_rows = smaller(kPanelRows, rows - r);
      std::int32_t* to = sums + t * sums_stride + r;
      shaped.set(tokens, panel_rows);
      with_tiles(tokens, panel_rows, [&](auto tiles) {
        if (block == 0) {
          clear_sums(tiles);
        } else {
          load_sums(tiles, to, sums_stride);
        }
        multiply_slices(tiles, x.data + t * x.stride + block * pack::kBlockWeights, x.stride,
                        weights + r / kPanelRows * kChunkBlocks * kPanelBlockBytes, kStepBytes, blocks * 4);
        store_sums(tiles, to, sums_stride);
      });
    }
  }
}

inline void many_tokens(const TernaryMatrix& w, std::int64_t row_begin, std::int64_t row_end, const Int8Rows& x,
                        std::int32_t* sums, std::int64_t sums_stride) {
  alignas(64) std::int8_t weights[kChunkPanels][kChunkBlocks * kPanelBlockBytes];
  Shaped shaped;
  std::int64_t rows = 0;
  for (std::int64_t row = row_begin; row < row_end; row += rows) {
    // Whole panels together and the rest by itself: the shapes stay the same for all panels of a chunk.
    rows = smaller(kChunkPanels * kPanelRows, row_end - row);
    if (rows > kPanelRows) rows = rows / kPanelRows * kPanelRows;
    for (std::int64_t b = 0; b < w.blocks; b += kChunkBlocks) {
      const std::int64_t blocks = smaller(kChunkBlocks, w.blocks - b);
      for (std::int64_t r = 0; r < rows; r += kPanelRows) {
        unpack_panel(w, row + r, smaller(kPanelRows, rows - r), b, blocks, weights[r / kPanelRows]);
      }
      multiply_chunk(x, b, blocks, weights[0], rows, shaped, sums + (row - row_begin), sums_stride);
    }
  }
}

void tile_ternary_gemm(const TernaryMatrix& w, const RowRuns& rows, const Int8Rows& x, std::int32_t* sums,
                       std::int64_t sums_stride) {
  if (x.count < kFewestTileTokens || w.blocks == 0) {
    ternary_gemm<Base3>(w, rows, x, sums, sums_stride);
    return;
  }
  for_each_run(rows, sums, [&](std::int64_t row, std::int64_t end, std::int32_t* to) {
    if (x.count <= kMostFewTokens) {
      few_tokens(w, row, end, x, to, sums_stride);
    } else {
      many_tokens(w, row, end, x, to, sums_stride);
    }
  });
  release_tiles();
}

}  // namespace
}  // namespace bitnet::kernels
