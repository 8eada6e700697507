#include "kernels/amx/tiles.h"
#include "kernels/peak_loop.h"

namespace bitnet::kernels {
namespace {

constexpr std::int64_t kProducts = 4;
constexpr std::int64_t kMacs = kProducts * kTileRows * kTileRows * kTileRowBytes;

/// Two tiles by two into four, as in the ternary product, with all loads in each iteration or only before the first.
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
  const auto load = [&] {
    load_tile<4>(data[0], kTileRowBytes);
    load_tile<5>(data[1], kTileRowBytes);
    load_tile<6>(data[2], kTileRowBytes);
    load_tile<7>(data[3], kTileRowBytes);
  };
  load();
  for (std::int64_t i = 0; i < iterations; ++i) {
    if constexpr (LoadAlways) load();
    multiply_tiles<0, 4, 6>();
    multiply_tiles<1, 4, 7>();
    multiply_tiles<2, 5, 6>();
    multiply_tiles<3, 5, 7>();
  }
  store_tile<0>(data[0], kTileRowBytes);  // waits for the last products
  release_tiles();
}

}  // namespace

constinit const PeakLoop kAmxPeakRegisters = {"amx_int8, registers", kAmxInt8, kMacs, run<false>};
constinit const PeakLoop kAmxPeakLoads = {"amx_int8, with tile loads", kAmxInt8, kMacs, run<true>};

}  // namespace bitnet::kernels
