#include "pack/columns.h"

#include <cstring>
#include <initializer_list>

#include "pack/swap_fields.h"

namespace bitnet::pack {
namespace {

// So many inputs at once: a slice of a row.
constexpr int kTile = static_cast<int>(kSliceWeights);
using Tile = std::uint8_t[kTile][kTile];

/// tile[j][k] += factor · code of input k in row j, 64 inputs from slice `slice` on. Over words, so that compilers make
/// vectors of it: a byte stays below 256.
void add_codes(const std::uint8_t* const* rows, std::int64_t slice, unsigned factor, Tile& tile) {
  const int shift = static_cast<int>(slice % 4 * 2);
  for (int j = 0; j < kTile; ++j) {
    std::uint64_t codes[kTile / 8];
    std::uint64_t sums[kTile / 8];
    if (rows[j] == nullptr) {
      std::memset(codes, 1, sizeof codes);
    } else {
      std::memcpy(codes, rows[j] + slice / 4 * kBlockBytes, sizeof codes);
      for (std::uint64_t& word : codes) word = word >> shift & 0x0303030303030303;
    }
    std::memcpy(sums, tile[j], sizeof sums);
    for (int i = 0; i < kTile / 8; ++i) sums[i] += codes[i] * factor;
    std::memcpy(tile[j], sums, sizeof sums);
  }
}

/// Eight rows of eight bytes become eight columns.
void transpose(std::uint64_t (&words)[8]) {
  for (int i = 0; i < 4; ++i) swap_fields(words[i], words[i + 4], 32, 0x00000000ffffffff);
  for (const int i : {0, 1, 4, 5}) swap_fields(words[i], words[i + 2], 16, 0x0000ffff0000ffff);
  for (const int i : {0, 2, 4, 6}) swap_fields(words[i], words[i + 1], 8, 0x00ff00ff00ff00ff);
}

void transpose(const Tile& from, Tile& to) {
  for (int j = 0; j < kTile; j += 8) {
    for (int k = 0; k < kTile; k += 8) {
      std::uint64_t words[8];
      for (int i = 0; i < 8; ++i) std::memcpy(&words[i], from[j + i] + k, 8);
      transpose(words);
      for (int i = 0; i < 8; ++i) std::memcpy(to[k + i] + j, &words[i], 8);
    }
  }
}

}  // namespace

void make_column_lines(const std::uint8_t* const* rows, const RowLine& place, std::int64_t in, std::uint8_t* line,
                       std::int64_t column_bytes) {
  const bool base3 = place.fifth >= 0;
  for (std::int64_t first = 0; first < in; first += kTile) {
    Tile bytes = {};
    unsigned factor = 1;
    for (std::int64_t s = 0; s < (base3 ? 5 : 4); ++s, factor *= base3 ? 3 : 4) {
      add_codes(rows + s * kTile, first / kTile, factor, bytes);
    }
    Tile columns;
    transpose(bytes, columns);
    for (std::int64_t k = 0; k < kTile && first + k < in; ++k, line += column_bytes) {
      std::memcpy(line, columns[k], kTile);
    }
  }
}

}  // namespace bitnet::pack
