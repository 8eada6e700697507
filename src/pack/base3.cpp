#include "pack/base3.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "pack/ternary_layout.h"

namespace bitnet::pack {
namespace {

constexpr std::int64_t kPackedBlocks = kBase3Blocks - 1;  // the space of a group
constexpr std::int64_t kGroupBytes = kPackedBlocks * kBlockBytes;

/// Four codes of two bits in each byte → Σ code_s · 3^s, at most 80. No field reaches into the next one.
std::uint64_t in_base3(std::uint64_t codes) {
  const std::uint64_t high = codes >> 2 & 0x3333333333333333;
  const std::uint64_t pairs = (codes & 0x3333333333333333) + high + (high << 1);  // 0 to 8 in each nibble
  const std::uint64_t upper = pairs >> 4 & 0x0f0f0f0f0f0f0f0f;
  return (pairs & 0x0f0f0f0f0f0f0f0f) + upper + (upper << 3);
}

/// Five blocks → four. Over words, so that compilers make vectors of it.
void pack_group(const std::uint8_t* two_bits, std::uint8_t* base3) {
  std::uint64_t blocks[kBase3Blocks][kBlockBytes / 8];
  std::memcpy(blocks, two_bits, sizeof blocks);
  for (int k = 0; k < kPackedBlocks; ++k) {
    for (int i = 0; i < kBlockBytes / 8; ++i) {
      const std::uint64_t fifth = blocks[kPackedBlocks][i] >> (2 * k) & 0x0303030303030303;
      blocks[k][i] = in_base3(blocks[k][i]) + fifth + (fifth << 4) + (fifth << 6);
    }
  }
  std::memcpy(base3, blocks, kGroupBytes);
}

/// [byte]: its five digits in base 3, two bits each.
constexpr auto kDigits = [] {
  std::array<std::uint16_t, 256> digits{};
  for (unsigned byte = 0; byte < digits.size(); ++byte) {
    unsigned left = byte;
    for (unsigned s = 0; s < kBase3Blocks - 1; ++s, left /= 3) digits[byte] |= left % 3 << (2 * s);
    digits[byte] |= left << (2 * (kBase3Blocks - 1));
  }
  return digits;
}();

void unpack_group(const std::uint8_t* base3, std::uint8_t* two_bits) {
  std::uint8_t* fifth = two_bits + kGroupBytes;
  std::memset(fifth, 0, kBlockBytes);
  for (std::int64_t k = 0; k < kPackedBlocks; ++k) {
    for (std::int64_t j = 0; j < kBlockBytes; ++j) {
      const unsigned digits = kDigits[base3[k * kBlockBytes + j]];
      two_bits[k * kBlockBytes + j] = static_cast<std::uint8_t>(digits);
      fifth[j] = static_cast<std::uint8_t>(fifth[j] | digits >> 8 << (2 * k));
    }
  }
}

/// Calls step(from, to) for each group of a row, whose bytes are so many in both, and copies the other blocks.
template <typename Step>
void for_groups(const std::uint8_t* from, std::int64_t from_bytes, std::uint8_t* to, std::int64_t to_bytes,
                std::int64_t blocks, Step step) {
  for (; blocks >= kBase3Blocks; blocks -= kBase3Blocks, from += from_bytes, to += to_bytes) step(from, to);
  std::copy_n(from, blocks * kBlockBytes, to);
}

}  // namespace

void pack_base3(const std::uint8_t* two_bits, std::int64_t blocks, std::uint8_t* base3) {
  for_groups(two_bits, kBase3Blocks * kBlockBytes, base3, kGroupBytes, blocks, pack_group);
}

void unpack_base3(const std::uint8_t* base3, std::int64_t blocks, std::uint8_t* two_bits) {
  for_groups(base3, kGroupBytes, two_bits, kBase3Blocks * kBlockBytes, blocks, unpack_group);
}

}  // namespace bitnet::pack
