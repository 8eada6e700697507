#include "pack/prepare.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <vector>

#include "base/rng.h"
#include "pack/base3.h"
#include "pack/ternary_layout.h"

namespace bitnet::pack {
namespace {

std::vector<std::int8_t> random_ternary(std::uint64_t seed, std::int64_t n) {
  Rng rng(seed);
  std::vector<std::int8_t> weights(static_cast<std::size_t>(n));
  for (auto& w : weights) w = static_cast<std::int8_t>(static_cast<int>(rng.next() % 3) - 1);
  return weights;
}

/// The Hugging Face layout, straight from its formula. weights: [4 · packed_rows, in].
std::vector<std::uint8_t> pack_hf(const std::vector<std::int8_t>& weights, std::int64_t packed_rows, std::int64_t in) {
  std::vector<std::uint8_t> packed(static_cast<std::size_t>(packed_rows * in));
  for (std::int64_t r = 0; r < packed_rows; ++r) {
    for (std::int64_t c = 0; c < in; ++c) {
      int byte = 0;
      for (std::int64_t i = 0; i < 4; ++i) {
        byte |= (weights[static_cast<std::size_t>((i * packed_rows + r) * in + c)] + 1) << (2 * i);
      }
      packed[static_cast<std::size_t>(r * in + c)] = static_cast<std::uint8_t>(byte);
    }
  }
  return packed;
}

std::vector<std::int8_t> unprepared(const std::vector<std::uint8_t>& prepared, std::int64_t rows, std::int64_t in) {
  std::vector<std::int8_t> weights(static_cast<std::size_t>(rows * in));
  unprepare_int8(prepared.data(), rows, in, in, weights.data());
  return weights;
}

std::vector<std::uint8_t> room_for(std::int64_t rows, std::int64_t in) {
  return std::vector<std::uint8_t>(static_cast<std::size_t>(rows * row_bytes(in)), 0xee);
}

/// Base 3 by the definition: the codes of byte `byte` of the `group`-th five blocks, k-th of their four bytes.
int base3_value(const std::vector<std::uint8_t>& two_bits, std::int64_t group, std::int64_t k, std::int64_t byte) {
  const auto code = [&](std::int64_t block, std::int64_t slice) {
    return two_bits[static_cast<std::size_t>((group * kBase3Blocks + block) * kBlockBytes + byte)] >> (2 * slice) & 3;
  };
  return code(k, 0) + 3 * code(k, 1) + 9 * code(k, 2) + 27 * code(k, 3) + 81 * code(4, k);
}

TEST(Base3, FiveBlocksTakeTheSpaceOfFourAndComeBack) {
  EXPECT_TRUE(rc::check("base3", [] {
    const auto blocks = *rc::gen::inRange<std::int64_t>(0, 23);
    const std::int64_t in = blocks * kBlockWeights;
    const std::vector<std::int8_t> weights = random_ternary(*rc::gen::arbitrary<std::uint64_t>(), in);
    std::vector<std::uint8_t> two_bits(static_cast<std::size_t>(row_bytes(in)));
    RC_ASSERT(!prepare_int8(weights.data(), 1, in, in, two_bits.data()));
    std::vector<std::uint8_t> base3(static_cast<std::size_t>(row_bytes(in, TernaryCoding::base3)) + 1, 0xee);
    pack_base3(two_bits.data(), blocks, base3.data());
    RC_ASSERT(base3.back() == 0xee);
    const std::int64_t groups = blocks / kBase3Blocks;
    for (std::int64_t i = 0; i < groups * 4 * kBlockBytes; ++i) {
      const int value = base3_value(two_bits, i / (4 * kBlockBytes), i / kBlockBytes % 4, i % kBlockBytes);
      RC_ASSERT(base3[static_cast<std::size_t>(i)] == value);
    }
    std::vector<std::uint8_t> back(two_bits.size() + 1, 0xee);
    unpack_base3(base3.data(), blocks, back.data());
    RC_ASSERT(back.back() == 0xee);
    back.pop_back();
    RC_ASSERT(back == two_bits);
  }));
}

std::int64_t any_inputs() {
  return *rc::gen::oneOf(rc::gen::inRange<std::int64_t>(0, 600),
                         rc::gen::element<std::int64_t>(0, 1, 63, 64, 65, 255, 256, 257, 511, 512, 513));
}

TEST(PrepareInt8, ByteJHoldsFourWeightsSixtyFourApart) {
  std::vector<std::int8_t> weights(260);
  weights[3] = -1;
  weights[64 + 3] = 1;
  weights[128 + 3] = 0;
  weights[192 + 3] = 1;
  weights[259] = -1;
  auto prepared = room_for(1, 260);
  ASSERT_EQ(prepared.size(), 128U);
  ASSERT_FALSE(prepare_int8(weights.data(), 1, 260, 260, prepared.data()));
  EXPECT_EQ(prepared[3], 0b10'01'10'00);
  EXPECT_EQ(prepared[4], 0b01'01'01'01);
  EXPECT_EQ(prepared[64 + 3], 0b01'01'01'00);
  EXPECT_EQ(prepared[64 + 63], 0b01'01'01'01);  // padding is zero weights
}

TEST(PrepareInt8, ComesBack) {
  EXPECT_TRUE(rc::check("unprepare(prepare(w)) = w", [] {
    const auto rows = *rc::gen::inRange<std::int64_t>(0, 5);
    const std::int64_t in = any_inputs();
    const std::int64_t stride = in + *rc::gen::inRange<std::int64_t>(0, 5);
    const auto weights = random_ternary(*rc::gen::arbitrary<std::uint64_t>(), rows * stride);
    auto prepared = room_for(rows, in);
    RC_ASSERT(!prepare_int8(weights.data(), rows, in, stride, prepared.data()));
    std::vector<std::int8_t> back(weights.size(), 99);
    unprepare_int8(prepared.data(), rows, in, stride, back.data());
    for (std::size_t i = 0; i < back.size(); ++i) {
      const bool used = static_cast<std::int64_t>(i) % stride < in;
      RC_ASSERT(back[i] == (used ? weights[i] : 99));
    }
    for (const std::uint8_t byte : prepared) RC_ASSERT((byte & (byte >> 1) & 0x55) == 0);
  }));
}

TEST(PrepareInt8, NamesTheFirstWeightThatIsNotTernary) {
  auto weights = random_ternary(1, 3 * 300);
  weights[2 * 300 + 17] = 2;
  weights[1 * 300 + 299] = -2;
  auto prepared = room_for(3, 300);
  const auto found = prepare_int8(weights.data(), 3, 300, 300, prepared.data());
  ASSERT_TRUE(found);
  EXPECT_EQ(found->row, 1);
  EXPECT_EQ(found->column, 299);
}

// W[r][c] = ((7r + 5c) mod 3) - 1, 8 × 4.
TEST(PrepareHf, GoldenMatrix) {
  const std::vector<std::uint8_t> packed = {24, 134, 97, 24, 97, 24, 134, 97};
  auto prepared = room_for(8, 4);
  ASSERT_FALSE(prepare_hf(packed.data(), 2, 4, prepared.data()));
  const auto weights = unprepared(prepared, 8, 4);
  for (int r = 0; r < 8; ++r) {
    for (int c = 0; c < 4; ++c) EXPECT_EQ(weights[static_cast<std::size_t>(r * 4 + c)], (7 * r + 5 * c) % 3 - 1);
  }
  EXPECT_EQ(pack_hf(weights, 2, 4), packed);
}

TEST(PrepareHf, GoldenByte) {
  const std::vector<std::uint8_t> packed = {0b10100001, 0b01010101};
  auto prepared = room_for(8, 1);
  ASSERT_FALSE(prepare_hf(packed.data(), 2, 1, prepared.data()));
  EXPECT_EQ(unprepared(prepared, 8, 1), (std::vector<std::int8_t>{0, 0, -1, 0, 1, 0, 1, 0}));
}

TEST(PrepareHf, MakesTheSameMatrixAsInt8) {
  EXPECT_TRUE(rc::check("prepare_hf = prepare_int8", [] {
    const auto packed_rows = *rc::gen::inRange<std::int64_t>(0, 6);
    const std::int64_t in = any_inputs();
    const auto weights = random_ternary(*rc::gen::arbitrary<std::uint64_t>(), 4 * packed_rows * in);
    const auto packed = pack_hf(weights, packed_rows, in);
    auto expected = room_for(4 * packed_rows, in);
    RC_ASSERT(!prepare_int8(weights.data(), 4 * packed_rows, in, in, expected.data()));
    auto prepared = room_for(4 * packed_rows, in);
    RC_ASSERT(!prepare_hf(packed.data(), packed_rows, in, prepared.data()));
    RC_ASSERT(prepared == expected);
  }));
}

TEST(PrepareHf, NamesTheWeightWithCodeThree) {
  EXPECT_TRUE(rc::check("finds the invalid code", [] {
    const auto packed_rows = *rc::gen::inRange<std::int64_t>(1, 6);
    const std::int64_t in = 1 + any_inputs();
    const auto row = *rc::gen::inRange<std::int64_t>(0, 4 * packed_rows);
    const auto column = *rc::gen::inRange<std::int64_t>(0, in);
    const auto weights = random_ternary(*rc::gen::arbitrary<std::uint64_t>(), 4 * packed_rows * in);
    auto packed = pack_hf(weights, packed_rows, in);
    const std::int64_t packed_row = row % packed_rows;
    auto& byte = packed[static_cast<std::size_t>(packed_row * in + column)];
    byte = static_cast<std::uint8_t>(byte | 3 << (2 * (row / packed_rows)));
    auto prepared = room_for(4 * packed_rows, in);
    const auto found = prepare_hf(packed.data(), packed_rows, in, prepared.data());
    RC_ASSERT(found.has_value());
    RC_ASSERT(found->row == row);
    RC_ASSERT(found->column == column);
  }));
}

}  // namespace
}  // namespace bitnet::pack
