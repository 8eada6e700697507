#pragma once
/// Sums in tiles: one or two tiles of A × one or two of B. All of A pass through one tile and all of B through another:
/// at times each tile in use makes loads slower, probably while two threads share a core (docs/performance.md, "Tiles
/// in use").

#include "kernels/amx/tiles.h"

namespace bitnet::kernels {
namespace {

// Tile numbers. Sums of the tile a of A and b of B: a + 2 · b.
constexpr int kTileA = 4;
constexpr int kTileB = 5;

/// The shapes for `rows` rows of A in a tile × `columns` columns of B in a tile, up to 16 of both.
inline TileShapes shapes_of(std::int64_t rows, std::int64_t columns) {
  TileShapes shapes;
  const auto set = [&](int tile, std::int64_t tile_rows, std::int64_t row_bytes) {
    shapes.rows[tile] = static_cast<std::uint8_t>(tile_rows);
    shapes.row_bytes[tile] = static_cast<std::uint16_t>(row_bytes);
  };
  for (int sum = 0; sum < 4; ++sum) set(sum, rows, columns * 4);
  set(kTileA, rows, kTileRowBytes);
  set(kTileB, kTileRows, columns * 4);
  return shapes;
}

/// Sets the shapes unless they are in force: it takes hundreds of cycles.
struct Shaped {
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  void set(std::int64_t new_rows, std::int64_t new_columns) {
    if (rows == new_rows && columns == new_columns) return;
    shape_tiles(shapes_of(new_rows, new_columns));
    rows = new_rows;
    columns = new_columns;
  }
};

/// How many tiles of A and of B there are.
template <int M, int N>
struct Tiles {};

template <int M, int N>
inline void clear_sums(Tiles<M, N>) {
  clear_tile<0>();
  if constexpr (M == 2) clear_tile<1>();
  if constexpr (N == 2) clear_tile<2>();
  if constexpr (M == 2 && N == 2) clear_tile<3>();
}

template <int M, int N>
inline void load_sums(Tiles<M, N>, const std::int32_t* sums, std::int64_t stride) {
  load_tile<0>(sums, stride * 4);
  if constexpr (M == 2) load_tile<1>(sums + kTileRows * stride, stride * 4);
  if constexpr (N == 2) load_tile<2>(sums + kTileRows, stride * 4);
  if constexpr (M == 2 && N == 2) load_tile<3>(sums + kTileRows * stride + kTileRows, stride * 4);
}

template <int M, int N>
inline void store_sums(Tiles<M, N>, std::int32_t* sums, std::int64_t stride) {
  store_tile<0>(sums, stride * 4);
  if constexpr (M == 2) store_tile<1>(sums + kTileRows * stride, stride * 4);
  if constexpr (N == 2) store_tile<2>(sums + kTileRows, stride * 4);
  if constexpr (M == 2 && N == 2) store_tile<3>(sums + kTileRows * stride + kTileRows, stride * 4);
}

/// Adds the products of a slice of 64: of A, rows as they lie, `a_stride` bytes from one another; of B, one tile or two
/// one after the other.
template <int M, int N>
inline void multiply_slice(Tiles<M, N>, const std::int8_t* a, std::int64_t a_stride, const std::int8_t* b) {
  load_tile<kTileB>(b, kTileRowBytes);
  load_tile<kTileA>(a, a_stride);
  multiply_tiles<0, kTileA, kTileB>();
  if constexpr (M == 2) {
    load_tile<kTileA>(a + kTileRows * a_stride, a_stride);
    multiply_tiles<1, kTileA, kTileB>();
  }
  if constexpr (N == 2) {
    load_tile<kTileB>(b + kTileBytes, kTileRowBytes);
    multiply_tiles<M == 2 ? 3 : 2, kTileA, kTileB>();
    if constexpr (M == 2) {
      load_tile<kTileA>(a, a_stride);
      multiply_tiles<2, kTileA, kTileB>();
    }
  }
}

}  // namespace
}  // namespace bitnet::kernels
