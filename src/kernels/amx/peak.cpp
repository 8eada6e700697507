#include "kernels/amx/tiles.h"
#include "kernels/peak_loop.h"

namespace bitnet::kernels {
namespace {

constexpr std::int64_t kProducts = 4;
constexpr std::int64_t kMacs = kProducts * kTileRows * kTileRows * kTileRowBytes;

/// Two tiles of sums, as in the ternary product, with all loads in each iteration or only before the first. Few tiles
/// in use (tile_sums.h).
template <bool LoadAlways>
void run(std::int64_t iterations) {
  alignas(64) std::int8_t data[4][kTileBytes];
  for (auto& tile : data) {
    for (auto& v : tile) v = 1;
  }
  TileShapes shapes;
  for (int tile = 0; tile < 8; ++tile) {
    shapes.rows[tile] = kTileRows;
    shapes.row_bytes[tile] = kTileRowBytes;
  }
  shape_tiles(shapes);
  load_tile<2>(data[0], kTileRowBytes);
  load_tile<3>(data[1], kTileRowBytes);
  for (std::int64_t i = 0; i < iterations; ++i) {
    for (int half = 0; half < 4; half += 2) {
      if constexpr (LoadAlways) load_tile<3>(data[half], kTileRowBytes);
      if constexpr (LoadAlways) load_tile<2>(data[half + 1], kTileRowBytes);
      multiply_tiles<0, 2, 3>();
      if constexpr (LoadAlways) load_tile<2>(data[half], kTileRowBytes);
      multiply_tiles<1, 2, 3>();
    }
  }
  store_tile<0>(data[0], kTileRowBytes);  // waits for the last products
  release_tiles();
}

}  // namespace

constinit const PeakLoop kAmxPeakRegisters = {"amx_int8, registers", kAmxInt8, kMacs, run<false>};
constinit const PeakLoop kAmxPeakLoads = {"amx_int8, with tile loads", kAmxInt8, kMacs, run<true>};

}  // namespace bitnet::kernels
