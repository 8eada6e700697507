#include "pack/prepare.h"

#include <algorithm>
#include <cstring>

#include "pack/swap_fields.h"
#include "pack/ternary_layout.h"

namespace bitnet::pack {
namespace {

constexpr std::uint64_t kLowBits = 0x5555555555555555;  // of each code
constexpr std::int64_t kPackedRows = 4;                 // output rows in one packed row

std::uint64_t load_word(const std::uint8_t* p) {
  std::uint64_t word;
  std::memcpy(&word, p, sizeof word);
  return word;
}

/// 256 packed bytes → one block of each of four output rows, `row_step` bytes apart. Returns bits that are not zero
/// when some code is 3. Byte j of slice s has the codes of four rows, byte j of row i's block those of four slices: a
/// 4 × 4 transposition in each byte, in two steps. The loop is over words so that compilers make vectors of it.
std::uint64_t prepare_hf_block(const std::uint8_t* packed, std::uint8_t* block, std::int64_t row_step) {
  std::uint64_t rows[kPackedRows][kBlockBytes / 8];
  std::uint64_t invalid = 0;
  for (int i = 0; i < kBlockBytes / 8; ++i) {
    std::uint64_t word[kPackedRows];
    for (int s = 0; s < kPackedRows; ++s) {
      word[s] = load_word(packed + s * kSliceWeights + i * 8);
      invalid |= word[s] & word[s] >> 1 & kLowBits;
    }
    swap_fields(word[0], word[2], 4, 0x0f0f0f0f0f0f0f0f);
    swap_fields(word[1], word[3], 4, 0x0f0f0f0f0f0f0f0f);
    swap_fields(word[0], word[1], 2, 0x3333333333333333);
    swap_fields(word[2], word[3], 2, 0x3333333333333333);
    for (int row = 0; row < kPackedRows; ++row) rows[row][i] = word[row];
  }
  for (int row = 0; row < kPackedRows; ++row) std::memcpy(block + row * row_step, rows[row], kBlockBytes);
  return invalid;
}

/// 256 weights → one block. False when some weight is not -1, 0 or +1. A slice at a time, over local arrays, so that
/// compilers make vectors of it.
bool prepare_int8_block(const std::int8_t* weights, std::uint8_t* block) {
  std::uint8_t codes[kBlockBytes] = {};
  std::uint8_t largest = 0;
  for (int s = 3; s >= 0; --s) {
    std::uint8_t slice[kSliceWeights];
    std::memcpy(slice, weights + s * kSliceWeights, sizeof slice);
    for (int j = 0; j < kSliceWeights; ++j) {
      const auto code = static_cast<std::uint8_t>(slice[j] + 1);
      largest = std::max(largest, code);
      codes[j] = static_cast<std::uint8_t>(codes[j] * 4 + code);
    }
  }
  std::memcpy(block, codes, sizeof codes);
  return largest <= 2;
}

/// `packed` is the packed row `packed_row`.
std::optional<Position> find_invalid(const std::uint8_t* packed, std::int64_t packed_rows, std::int64_t in,
                                     std::int64_t packed_row) {
  for (std::int64_t c = 0; c < in; ++c) {
    for (std::int64_t i = 0; i < kPackedRows; ++i) {
      const int code = packed[c] >> (2 * i) & 3;
      if (code == 3) return Position{i * packed_rows + packed_row, c};
    }
  }
  return std::nullopt;
}

}  // namespace

std::optional<Position> prepare_int8(const std::int8_t* weights, std::int64_t rows, std::int64_t in,
                                     std::int64_t stride, std::uint8_t* prepared) {
  for (std::int64_t r = 0; r < rows; ++r) {
    const std::int8_t* row = weights + r * stride;
    bool valid = true;
    std::int64_t c = 0;
    for (; c + kBlockWeights <= in; c += kBlockWeights, prepared += kBlockBytes) {
      valid &= prepare_int8_block(row + c, prepared);
    }
    if (c < in) {
      std::int8_t padded[kBlockWeights] = {};
      std::memcpy(padded, row + c, static_cast<std::size_t>(in - c));
      valid &= prepare_int8_block(padded, prepared);
      prepared += kBlockBytes;
    }
    if (!valid) return Position{r, std::find_if(row, row + in, [](auto w) { return w < -1 || w > 1; }) - row};
  }
  return std::nullopt;
}

void unprepare_int8(const std::uint8_t* prepared, std::int64_t rows, std::int64_t in, std::int64_t stride,
                    std::int8_t* weights) {
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t c = 0; c < in; ++c) {
      const std::int64_t slice = c / kSliceWeights;
      const std::uint8_t byte = prepared[r * row_bytes(in) + slice / 4 * kBlockBytes + c % kSliceWeights];
      weights[r * stride + c] = static_cast<std::int8_t>((byte >> (slice % 4 * 2) & 3) - 1);
    }
  }
}

std::optional<Position> prepare_hf(const std::uint8_t* packed, std::int64_t packed_rows, std::int64_t in,
                                   std::uint8_t* prepared) {
  const std::int64_t row_step = packed_rows * row_bytes(in);
  for (std::int64_t r = 0; r < packed_rows; ++r) {
    const std::uint8_t* source = packed + r * in;
    std::uint8_t* block = prepared + r * row_bytes(in);
    std::uint64_t invalid = 0;
    std::int64_t c = 0;
    for (; c + kBlockWeights <= in; c += kBlockWeights, block += kBlockBytes) {
      invalid |= prepare_hf_block(source + c, block, row_step);
    }
    if (c < in) {
      std::uint8_t padded[kBlockWeights];
      std::memset(padded, 0x55, sizeof padded);
      std::memcpy(padded, source + c, static_cast<std::size_t>(in - c));
      invalid |= prepare_hf_block(padded, block, row_step);
    }
    if (invalid != 0) return find_invalid(source, packed_rows, in, r);
  }
  return std::nullopt;
}

}  // namespace bitnet::pack
