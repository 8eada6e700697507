#pragma once
/// The ternary product with tiles: activations as they lie × unpacked weights = sums as they lie. Two tiles of tokens
/// and two of weight rows at a time give four tiles of sums.

#include "kernels/amx/unpack.h"
#include "kernels/lanes16/ternary_gemm.h"

namespace bitnet::kernels {
namespace {

/// Fewer tokens are faster without tiles: unpacking the weights would cost more than it saves.
constexpr std::int64_t kFewestTileTokens = 8;

constexpr std::int64_t kTileTokens = 2 * kTileRows;  // tokens at once
constexpr std::int64_t kPanelRows = 2 * kTileRows;   // weight rows at once
constexpr std::int64_t kStepBytes = 2 * kTileBytes;  // unpacked weights of a panel for one slice
constexpr std::int64_t kPanelBlockBytes = 4 * kStepBytes;

/// What is unpacked before all tokens pass: so many blocks of so many panels. The activations of 32 tokens for these
/// blocks stay in the first-level cache while the panels come from the second. 64 KiB of stack.
constexpr std::int64_t kChunkBlocks = 2;
constexpr std::int64_t kChunkPanels = 4;

// Tile numbers: 0 … 3 are sums of (first tokens, first rows), (first, second), (second, first), (second, second).
constexpr int kTokens0 = 4;
constexpr int kTokens1 = 5;
constexpr int kWeights0 = 6;
constexpr int kWeights1 = 7;

/// The shapes for up to 32 tokens × up to 32 rows.
inline TileShapes shapes_of(std::int64_t tokens, std::int64_t rows) {
  TileShapes shapes;
  const auto set = [&](int tile, std::int64_t tile_rows, std::int64_t row_bytes) {
    if (tile_rows <= 0 || row_bytes <= 0) return;
    shapes.rows[tile] = static_cast<std::uint8_t>(tile_rows);
    shapes.row_bytes[tile] = static_cast<std::uint16_t>(row_bytes);
  };
  const std::int64_t tokens0 = smaller(tokens, kTileRows);
  const std::int64_t bytes0 = smaller(rows, kTileRows) * 4;
  const std::int64_t tokens1 = tokens - kTileRows;
  const std::int64_t bytes1 = (rows - kTileRows) * 4;
  set(0, tokens0, bytes0);
  set(1, tokens0, bytes1);
  set(2, tokens1, bytes0);
  set(3, tokens1, bytes1);
  set(kTokens0, tokens0, kTileRowBytes);
  set(kTokens1, tokens1, kTileRowBytes);
  set(kWeights0, kTileRows, bytes0);
  set(kWeights1, kTileRows, bytes1);
  return shapes;
}

/// Sets the shapes for up to 32 tokens × up to 32 rows unless they are in force: it takes hundreds of cycles.
struct Shaped {
  std::int64_t tokens = 0;
  std::int64_t rows = 0;
  void set(std::int64_t new_tokens, std::int64_t new_rows) {
    if (tokens == new_tokens && rows == new_rows) return;
    shape_tiles(shapes_of(new_tokens, new_rows));
    tokens = new_tokens;
    rows = new_rows;
  }
};

/// How many tiles of tokens and of weight rows are in use.
template <int T, int R>
struct Tiles {};

/// Calls f(Tiles) for up to 32 tokens × up to 32 rows.
template <typename F>
inline void with_tiles(std::int64_t tokens, std::int64_t rows, F f) {
  if (tokens > kTileRows) {
    rows > kTileRows ? f(Tiles<2, 2>{}) : f(Tiles<2, 1>{});
  } else {
    rows > kTileRows ? f(Tiles<1, 2>{}) : f(Tiles<1, 1>{});
  }
}

template <int T, int R>
inline void clear_sums(Tiles<T, R>) {
  clear_tile<0>();
  if constexpr (R == 2) clear_tile<1>();
  if constexpr (T == 2) clear_tile<2>();
  if constexpr (T == 2 && R == 2) clear_tile<3>();
}

template <int T, int R>
inline void load_sums(Tiles<T, R>, const std::int32_t* sums, std::int64_t stride) {
  load_tile<0>(sums, stride * 4);
  if constexpr (R == 2) load_tile<1>(sums + kTileRows, stride * 4);
  if constexpr (T == 2) load_tile<2>(sums + kTileRows * stride, stride * 4);
  if constexpr (T == 2 && R == 2) load_tile<3>(sums + kTileRows * stride + kTileRows, stride * 4);
}

template <int T, int R>
inline void store_sums(Tiles<T, R>, std::int32_t* sums, std::int64_t stride) {
  store_tile<0>(sums, stride * 4);
  if constexpr (R == 2) store_tile<1>(sums + kTileRows, stride * 4);
  if constexpr (T == 2) store_tile<2>(sums + kTileRows * stride, stride * 4);
  if constexpr (T == 2 && R == 2) store_tile<3>(sums + kTileRows * stride + kTileRows, stride * 4);
}

/// Adds the products of `blocks` blocks: activations from x, weights as unpack_panel leaves them.
template <int T, int R>
inline void add_blocks(Tiles<T, R>, const std::int8_t* x, std::int64_t x_stride, const std::int8_t* weights,
                       std::int64_t blocks) {
  for (std::int64_t s = 0; s < blocks * 4; ++s, x += kTileRowBytes, weights += kStepBytes) {
    load_tile<kTokens0>(x, x_stride);
    load_tile<kWeights0>(weights, kTileRowBytes);
    multiply_tiles<0, kTokens0, kWeights0>();
    if constexpr (R == 2) {
      load_tile<kWeights1>(weights + kTileBytes, kTileRowBytes);
      multiply_tiles<1, kTokens0, kWeights1>();
    }
    if constexpr (T == 2) {
      load_tile<kTokens1>(x + kTileRows * x_stride, x_stride);
      multiply_tiles<2, kTokens1, kWeights0>();
    }
    if constexpr (T == 2 && R == 2) multiply_tiles<3, kTokens1, kWeights1>();
  }
}

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

/// Up to 32 tokens: their sums stay in the tiles. While one block is multiplied the next one is unpacked, so that no
/// tile is loaded from where the stores have not arrived yet.
inline void few_tokens(const TernaryMatrix& w, std::int64_t row_begin, std::int64_t row_end, const Int8Rows& x,
                       std::int32_t* sums, std::int64_t sums_stride) {
  alignas(64) std::int8_t weights[2][kPanelBlockBytes];
  Shaped shaped;
  for (std::int64_t row = row_begin; row < row_end; row += kPanelRows) {
    const std::int64_t rows = smaller(kPanelRows, row_end - row);
    shaped.set(x.count, rows);
    with_tiles(x.count, rows, [&](auto tiles) {
      clear_sums(tiles);
      unpack_panel(w, row, rows, 0, 1, weights[0]);
      for (std::int64_t b = 0; b < w.blocks; ++b) {
        if (b + 1 < w.blocks) unpack_panel(w, row, rows, b + 1, 1, weights[(b + 1) % 2]);
        add_blocks(tiles, x.data + b * pack::kBlockWeights, x.stride, weights[b % 2], 1);
      }
      store_sums(tiles, sums + (row - row_begin), sums_stride);
    });
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
        add_blocks(tiles, x.data + t * x.stride + block * pack::kBlockWeights, x.stride,
                   weights + r / kPanelRows * kChunkBlocks * kPanelBlockBytes, blocks);
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
    if (x.count <= kTileTokens) {
      few_tokens(w, row, end, x, to, sums_stride);
    } else {
      many_tokens(w, row, end, x, to, sums_stride);
    }
  });
  release_tiles();
}

}  // namespace
}  // namespace bitnet::kernels
