#pragma once
/// What tiles.h says, without the instructions: tests of the tile kernels on processors that have none, and under
/// sanitizers, which do not see what a tile instruction reads and writes. Shapes that the processor would refuse trap.

#include <cstring>

namespace bitnet::kernels {
namespace {

constexpr const char* kTileTable = "amx_int8_in_software";
constexpr CpuFeatures kTileFeatures = 0;

struct SoftwareTiles {
  TileShapes shapes;
  std::int8_t data[8][kTileRows][kTileRowBytes];
};
thread_local SoftwareTiles software_tiles;

inline void require(bool allowed) {
  if (!allowed) __builtin_trap();
}

/// `row` of a tile that has a shape.
template <int Tile>
inline std::int8_t* tile_row(std::int64_t row) {
  require(software_tiles.shapes.rows[Tile] != 0);
  return software_tiles.data[Tile][row];
}

inline void shape_tiles(const TileShapes& shapes) {
  require(shapes.palette == 1 && shapes.start_row == 0);
  for (int tile = 0; tile < 8; ++tile) {
    require(shapes.rows[tile] <= kTileRows && shapes.row_bytes[tile] <= kTileRowBytes);
    require((shapes.rows[tile] == 0) == (shapes.row_bytes[tile] == 0));
  }
  software_tiles = {shapes, {}};
}

inline void release_tiles() { software_tiles = {}; }

template <int Tile>
inline void clear_tile() {
  std::memset(tile_row<Tile>(0), 0, kTileBytes);
}

template <int Tile>
inline void load_tile(const void* rows, std::int64_t stride) {
  clear_tile<Tile>();
  for (std::int64_t i = 0; i < software_tiles.shapes.rows[Tile]; ++i) {
    std::memcpy(tile_row<Tile>(i), static_cast<const char*>(rows) + i * stride, software_tiles.shapes.row_bytes[Tile]);
  }
}

template <int Tile>
inline void store_tile(void* rows, std::int64_t stride) {
  for (std::int64_t i = 0; i < software_tiles.shapes.rows[Tile]; ++i) {
    std::memcpy(static_cast<char*>(rows) + i * stride, tile_row<Tile>(i), software_tiles.shapes.row_bytes[Tile]);
  }
}

template <int Sum, int A, int B>
inline void multiply_tiles() {
  const TileShapes& shapes = software_tiles.shapes;
  require(shapes.rows[Sum] == shapes.rows[A] && shapes.row_bytes[Sum] == shapes.row_bytes[B]);
  require(shapes.row_bytes[A] == shapes.rows[B] * 4);
  for (std::int64_t i = 0; i < shapes.rows[A]; ++i) {
    std::int32_t sums[kTileRowBytes / 4];
    std::memcpy(sums, tile_row<Sum>(i), kTileRowBytes);
    for (std::int64_t k = 0; k < shapes.row_bytes[A]; ++k) {
      const std::int32_t a = tile_row<A>(i)[k];
      const std::int8_t* b = tile_row<B>(k / 4) + k % 4;
      for (std::int64_t j = 0; j < kTileRowBytes / 4; ++j) sums[j] += a * b[4 * j];
    }
    std::memcpy(tile_row<Sum>(i), sums, kTileRowBytes);
  }
}

}  // namespace
}  // namespace bitnet::kernels
