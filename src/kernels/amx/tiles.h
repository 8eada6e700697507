#pragma once
/// The tile instructions of AMX, by tile number. Not the compiler's own: those of g++ 12 do not say that a load reads
/// memory, so that stores before it may be moved behind it. With BITNET_SOFTWARE_TILES, which tests define, functions
/// that do the same take their place.

#include <cstdint>

#include "base/cpu_features.h"

namespace bitnet::kernels {
namespace {

constexpr std::int64_t kTileRows = 16;
constexpr std::int64_t kTileRowBytes = 64;
constexpr std::int64_t kTileBytes = kTileRows * kTileRowBytes;

/// The operand of LDTILECFG. A tile that is not used has 0 rows of 0 bytes.
struct alignas(64) TileShapes {
  std::uint8_t palette = 1;
  std::uint8_t start_row = 0;
  std::uint8_t reserved[14] = {};
  std::uint16_t row_bytes[16] = {};
  std::uint8_t rows[16] = {};
};
static_assert(sizeof(TileShapes) == 64);

}  // namespace
}  // namespace bitnet::kernels

#ifdef BITNET_SOFTWARE_TILES
#include "kernels/amx/software_tiles.h"
#else

namespace bitnet::kernels {
namespace {

constexpr const char* kTileTable = "amx_int8";
constexpr CpuFeatures kTileFeatures = kAmxInt8;

/// Clears all tiles. Shapes belong to the thread.
inline void shape_tiles(const TileShapes& shapes) { asm volatile("ldtilecfg %0" : : "m"(shapes)); }

/// Back to the state in which the operating system has nothing to save.
inline void release_tiles() { asm volatile("tilerelease"); }

template <int Tile>
inline void clear_tile() {
  asm volatile("tilezero %%tmm%c0" : : "i"(Tile));
}

/// Row i is read at rows + i * stride (bytes).
template <int Tile>
inline void load_tile(const void* rows, std::int64_t stride) {
  asm volatile("tileloadd (%0,%1,1), %%tmm%c2" : : "r"(rows), "r"(stride), "i"(Tile) : "memory");
}

template <int Tile>
inline void store_tile(void* rows, std::int64_t stride) {
  asm volatile("tilestored %%tmm%c2, (%0,%1,1)" : : "r"(rows), "r"(stride), "i"(Tile) : "memory");
}

/// Sum[i, j] += Σ_k A[i, k] · B[k / 4, 4 · j + k % 4]; int8 · int8 into int32.
template <int Sum, int A, int B>
inline void multiply_tiles() {
  asm volatile("tdpbssd %%tmm%c2, %%tmm%c1, %%tmm%c0" : : "i"(Sum), "i"(A), "i"(B));
}

}  // namespace
}  // namespace bitnet::kernels

#endif
