#include "pack/ternary_blocks.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/float16.h"
#include "pack/code_planes.h"

namespace bitnet::pack {
namespace {

// TQ1_0: codes as the digits of a number in base 3, the first one the highest. Runs of bytes, whose digit n belongs to
// the weight n · bytes + (the byte's index).
struct TritRun {
  int bytes;
  int digits;
};
constexpr TritRun kTritRuns[] = {{32, 5}, {16, 5}, {4, 4}};
constexpr int kTritsPerByte = 5;

// A byte holds ceil(number · 256 / 243). Multiplying by 3 moves the highest digit out at the top: the digit is how many
// times 256 fits into three times the byte, and what is left holds the next ones.
template <TritRun kRun>
void unpack_trits(const std::uint8_t* packed, std::int8_t* weights) {
  std::uint8_t left[kRun.bytes];
  std::memcpy(left, packed, sizeof left);
  std::int8_t out[kRun.digits * kRun.bytes];
  for (int n = 0; n < kRun.digits; ++n) {
    for (int m = 0; m < kRun.bytes; ++m) {
      // Arithmetic: of comparisons compilers make branches, which random weights mispredict.
      const auto tripled = static_cast<std::uint16_t>(left[m] * 3);
      out[n * kRun.bytes + m] = static_cast<std::int8_t>((tripled >> 8) - 1);
      left[m] = static_cast<std::uint8_t>(tripled);
    }
  }
  std::memcpy(weights, out, sizeof out);
}

/// Every byte is valid: digits are below 3 whatever it is.
std::uint8_t unpack_tq1_0(const std::uint8_t* codes, std::int8_t* weights) {
  unpack_trits<kTritRuns[0]>(codes, weights);
  unpack_trits<kTritRuns[1]>(codes + 32, weights + 160);
  unpack_trits<kTritRuns[2]>(codes + 48, weights + 240);
  return 0;
}

void pack_tq1_0(const std::int8_t* weights, std::uint8_t* codes) {
  for (const TritRun& run : kTritRuns) {
    for (int m = 0; m < run.bytes; ++m) {
      int number = 0;
      for (int n = 0; n < kTritsPerByte; ++n) {
        number = number * 3 + (n < run.digits ? weights[n * run.bytes + m] + 1 : 0);
      }
      codes[m] = static_cast<std::uint8_t>((number * 256 + 242) / 243);
    }
    weights += run.digits * run.bytes;
    codes += run.bytes;
  }
}

std::uint8_t unpack_tq2_0(const std::uint8_t* codes, std::int8_t* weights) {
  const std::uint8_t first = unpack_planes<FirstPlane::lowest_bits>(codes, weights);
  return first | unpack_planes<FirstPlane::lowest_bits>(codes + kPlaneBytes, weights + kPlaneWeights);
}

void pack_tq2_0(const std::int8_t* weights, std::uint8_t* codes) {
  pack_planes<FirstPlane::lowest_bits>(weights, codes);
  pack_planes<FirstPlane::lowest_bits>(weights + kPlaneWeights, codes + kPlaneBytes);
}

/// Four neighbours in a byte, the first in the lowest bits. Spread over the bytes of a word; 0x80 keeps the subtraction
/// of 1 from borrowing from the next byte.
template <int kWeights>
std::uint8_t unpack_q2_0(const std::uint8_t* codes, std::int8_t* weights) {
  std::uint8_t bytes[kWeights / 4];
  std::memcpy(bytes, codes, sizeof bytes);
  std::uint32_t out[kWeights / 4];
  std::uint8_t invalid = 0;
  for (const std::uint8_t byte : bytes) invalid |= static_cast<std::uint8_t>(byte & byte >> 1 & 0x55);
  for (int i = 0; i < kWeights / 4; ++i) {
    const std::uint32_t byte = bytes[i];
    const std::uint32_t spread = (byte | byte << 6 | byte << 12 | byte << 18) & 0x03030303U;
    out[i] = ((spread | 0x80808080U) - 0x01010101U) ^ 0x80808080U;
  }
  std::memcpy(weights, out, sizeof out);
  return invalid;
}

template <int kWeights>
void pack_q2_0(const std::int8_t* weights, std::uint8_t* codes) {
  for (int i = 0; i < kWeights / 4; ++i) {
    int byte = 0;
    for (int k = 0; k < 4; ++k) byte |= (weights[4 * i + k] + 1) << 2 * k;
    codes[i] = static_cast<std::uint8_t>(byte);
  }
}

struct Codec {
  std::uint8_t (*unpack)(const std::uint8_t* codes, std::int8_t* weights);  // not 0: some weight is 2
  void (*pack)(const std::int8_t* weights, std::uint8_t* codes);
  std::int64_t codes_at;  // in a block
  std::int64_t scale_at;
};

// In the order of TernaryBlocks.
constexpr Codec kCodecs[] = {{unpack_tq1_0, pack_tq1_0, 0, 52},
                             {unpack_tq2_0, pack_tq2_0, 0, 64},
                             {unpack_q2_0<64>, pack_q2_0<64>, 2, 0},
                             {unpack_q2_0<128>, pack_q2_0<128>, 2, 0}};

}  // namespace

std::optional<BadBlock> unpack_ternary_blocks(TernaryBlocks form, const std::uint8_t* row, std::int64_t blocks,
                                              std::int8_t* weights, float* scales) {
  const TernaryBlockShape shape = shape_of(form);
  const Codec& codec = kCodecs[static_cast<int>(form)];
  for (std::int64_t b = 0; b < blocks; ++b, row += shape.bytes, weights += shape.weights) {
    std::uint16_t bits = 0;
    std::memcpy(&bits, row + codec.scale_at, sizeof bits);
    scales[b] = f16_to_f32(bits);
    if (!(scales[b] >= 0.0F && std::isfinite(scales[b]))) return BadBlock{b, std::nullopt};
    const std::uint8_t invalid = codec.unpack(row + codec.codes_at, weights);
    if (scales[b] == 0.0F) {
      std::fill_n(weights, shape.weights, std::int8_t{0});
    } else if (invalid != 0) {
      return BadBlock{b, std::find(weights, weights + shape.weights, std::int8_t{2}) - weights};
    }
  }
  return std::nullopt;
}

void read_block_scales(TernaryBlocks form, const std::uint8_t* row, std::int64_t blocks, float* scales) {
  const std::int64_t bytes = shape_of(form).bytes;
  row += kCodecs[static_cast<std::size_t>(form)].scale_at;
  for (std::int64_t b = 0; b < blocks; ++b) {
    std::uint16_t bits = 0;
    std::memcpy(&bits, row + b * bytes, sizeof bits);
    scales[b] = f16_to_f32(bits);
  }
}

void pack_ternary_blocks(TernaryBlocks form, const std::int8_t* weights, const float* scales, std::int64_t blocks,
                         std::uint8_t* row) {
  const TernaryBlockShape shape = shape_of(form);
  const Codec& codec = kCodecs[static_cast<int>(form)];
  for (std::int64_t b = 0; b < blocks; ++b, row += shape.bytes, weights += shape.weights) {
    codec.pack(weights, row + codec.codes_at);
    const std::uint16_t bits = f32_to_f16(scales[b]);
    std::memcpy(row + codec.scale_at, &bits, sizeof bits);
  }
}

}  // namespace bitnet::pack
