#include "kernels/amx/tile_sums.h"
#include "kernels/peak_loop.h"

namespace bitnet::kernels {
namespace {

constexpr std::int64_t kProducts = 2;
constexpr std::int64_t kMacs = kProducts * kTileRows * kTileRows * kTileRowBytes;

/// A slice of the ternary product in each iteration, with its loads or without them.
template <bool LoadAlways>
void run(std::int64_t iterations) {
  alignas(64) std::int8_t a[kProducts * kTileBytes];
  alignas(64) std::int8_t b[kTileBytes];
  alignas(64) std::int32_t sums[kProducts * kTileRows * kTileRows];
  for (auto& v : a) v = 1;
  for (auto& v : b) v = 1;
  constexpr Tiles<kProducts, 1> kTiles;
  shape_tiles(shapes_of(kTileRows, kTileRows));
  clear_sums(kTiles);
  multiply_slice(kTiles, a, kTileRowBytes, b);
  for (std::int64_t i = 0; i < iterations; ++i) {
    if constexpr (LoadAlways) {
      multiply_slice(kTiles, a, kTileRowBytes, b);
    } else {
      multiply_tiles<0, kTileA, kTileB>();
      multiply_tiles<1, kTileA, kTileB>();
    }
  }
  store_sums(kTiles, sums, kTileRows);  // waits for the last products
  release_tiles();
}

}  // namespace

constinit const PeakLoop kAmxPeakRegisters = {"amx_int8, registers", kAmxInt8, kMacs, run<false>};
constinit const PeakLoop kAmxPeakLoads = {"amx_int8, with tile loads", kAmxInt8, kMacs, run<true>};

}  // namespace bitnet::kernels
