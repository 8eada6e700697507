#pragma once
/// Sums in tiles: up to two tiles of A × up to two of B.

#include "kernels/amx/tiles.h"
#include "kernels/lanes16/ternary_gemm.h"

namespace bitnet::kernels {
namespace {

// Tile numbers: 0 … 3 are sums of (first rows of A, first columns of B), (first, second), (second, first), (second,
// second).
constexpr int kA0 = 4;
constexpr int kA1 = 5;
constexpr int kB0 = 6;
constexpr int kB1 = 7;

/// The shapes for up to 32 rows of A × up to 32 columns of B.
inline TileShapes shapes_of(std::int64_t rows, std::int64_t columns) {
  TileShapes shapes;
  const auto set = [&](int tile, std::int64_t tile_rows, std::int64_t row_bytes) {
    if (tile_rows <= 0 || row_bytes <= 0) return;
    shapes.rows[tile] = static_cast<std::uint8_t>(tile_rows);
    shapes.row_bytes[tile] = static_cast<std::uint16_t>(row_bytes);
  };
  const std::int64_t rows0 = smaller(rows, kTileRows);
  const std::int64_t bytes0 = smaller(columns, kTileRows) * 4;
  const std::int64_t rows1 = rows - kTileRows;
  const std::int64_t bytes1 = (columns - kTileRows) * 4;
  set(0, rows0, bytes0);
  set(1, rows0, bytes1);
  set(2, rows1, bytes0);
  set(3, rows1, bytes1);
  set(kA0, rows0, kTileRowBytes);
  set(kA1, rows1, kTileRowBytes);
  set(kB0, kTileRows, bytes0);
  set(kB1, kTileRows, bytes1);
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

/// How many tiles of A and of B are in use.
template <int M, int N>
struct Tiles {};

/// Calls f(Tiles) for up to 32 rows of A × up to 32 columns of B.
template <typename F>
inline void with_tiles(std::int64_t rows, std::int64_t columns, F f) {
  if (rows > kTileRows) {
    columns > kTileRows ? f(Tiles<2, 2>{}) : f(Tiles<2, 1>{});
  } else {
    columns > kTileRows ? f(Tiles<1, 2>{}) : f(Tiles<1, 1>{});
  }
}

template <int M, int N>
inline void clear_sums(Tiles<M, N>) {
  clear_tile<0>();
  if constexpr (N == 2) clear_tile<1>();
  if constexpr (M == 2) clear_tile<2>();
  if constexpr (M == 2 && N == 2) clear_tile<3>();
}

template <int M, int N>
inline void load_sums(Tiles<M, N>, const std::int32_t* sums, std::int64_t stride) {
  load_tile<0>(sums, stride * 4);
  if constexpr (N == 2) load_tile<1>(sums + kTileRows, stride * 4);
  if constexpr (M == 2) load_tile<2>(sums + kTileRows * stride, stride * 4);
  if constexpr (M == 2 && N == 2) load_tile<3>(sums + kTileRows * stride + kTileRows, stride * 4);
}

template <int M, int N>
inline void store_sums(Tiles<M, N>, std::int32_t* sums, std::int64_t stride) {
  store_tile<0>(sums, stride * 4);
  if constexpr (N == 2) store_tile<1>(sums + kTileRows, stride * 4);
  if constexpr (M == 2) store_tile<2>(sums + kTileRows * stride, stride * 4);
  if constexpr (M == 2 && N == 2) store_tile<3>(sums + kTileRows * stride + kTileRows, stride * 4);
}

/// Adds the products of `slices` slices of 64: of A, rows as they lie, `a_stride` bytes from one another; of B, one
/// tile for each slice, or two one after the other, `b_step` bytes from slice to slice.
template <int M, int N>
inline void multiply_slices(Tiles<M, N>, const std::int8_t* a, std::int64_t a_stride, const std::int8_t* b,
                            std::int64_t b_step, std::int64_t slices) {
  for (std::int64_t s = 0; s < slices; ++s, a += kTileRowBytes, b += b_step) {
    load_tile<kA0>(a, a_stride);
    load_tile<kB0>(b, kTileRowBytes);
    multiply_tiles<0, kA0, kB0>();
    if constexpr (N == 2) {
      load_tile<kB1>(b + kTileBytes, kTileRowBytes);
      multiply_tiles<1, kA0, kB1>();
    }
    if constexpr (M == 2) {
      load_tile<kA1>(a + kTileRows * a_stride, a_stride);
      multiply_tiles<2, kA1, kB0>();
    }
    if constexpr (M == 2 && N == 2) multiply_tiles<3, kA1, kB1>();
  }
}

}  // namespace
}  // namespace bitnet::kernels
