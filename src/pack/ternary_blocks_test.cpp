#include "pack/ternary_blocks.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "base/float16.h"
#include "base/rng.h"
#include "pack/i2_s.h"

namespace bitnet::pack {
namespace {

constexpr TernaryBlocks kForms[] = {TernaryBlocks::tq1_0, TernaryBlocks::tq2_0, TernaryBlocks::q2_0,
                                    TernaryBlocks::q2_0_128};

std::vector<std::int8_t> random_weights(std::uint64_t seed, std::int64_t n) {
  Rng rng(seed);
  std::vector<std::int8_t> weights(static_cast<std::size_t>(n));
  for (auto& w : weights) w = static_cast<std::int8_t>(static_cast<int>(rng.next() % 3) - 1);
  return weights;
}

/// f[n] = (7n mod 3) - 1.
std::vector<std::int8_t> example(std::int64_t n) {
  std::vector<std::int8_t> weights(static_cast<std::size_t>(n));
  for (std::int64_t i = 0; i < n; ++i) weights[static_cast<std::size_t>(i)] = static_cast<std::int8_t>(7 * i % 3 - 1);
  return weights;
}

/// The bits of weight i of a flattened I2_S matrix: byte and shift.
std::pair<std::int64_t, int> i2_s_place(std::int64_t i) {
  return {i / 128 * 32 + i % 32, 6 - 2 * static_cast<int>(i / 32 % 4)};
}

/// Code of weight i of a block, straight from the format's definition.
int code_in_block(TernaryBlocks form, const std::uint8_t* block, std::int64_t i) {
  if (form == TernaryBlocks::tq2_0) return block[i / 128 * 32 + i % 32] >> (2 * (i / 32 % 4)) & 3;
  if (form != TernaryBlocks::tq1_0) return block[2 + i / 4] >> (2 * (i % 4)) & 3;
  // Digit n of byte b, a fraction b / 256 in base 3.
  const auto digit = [](int b, std::int64_t n) {
    for (; n >= 0; --n) b *= 3;
    return b / 256 % 3;
  };
  if (i < 160) return digit(block[i % 32], i / 32);
  if (i < 240) return digit(block[32 + i % 16], (i - 160) / 16);
  return digit(block[48 + i % 4], (i - 240) / 4);
}

TEST(I2S, GivesTheseBytes) {
  std::vector<std::uint8_t> packed(64);
  pack_i2_s(example(256).data(), 256, packed.data());
  const std::uint8_t pattern[] = {0x24, 0x49, 0x92};
  for (std::size_t i = 0; i < 32; ++i) EXPECT_EQ(packed[i], pattern[i % 3]) << i;
  std::uint8_t tail[32];
  std::fill_n(tail, 32, std::uint8_t{0xee});
  write_i2_s_tail(1.5F, tail);
  const std::uint8_t scale[] = {0, 0, 0xc0, 0x3f};
  for (std::size_t i = 0; i < 32; ++i) EXPECT_EQ(tail[i], i < 4 ? scale[i] : 0) << i;
  EXPECT_EQ(i2_s_scale(tail), 1.5F);
}

RC_GTEST_PROP(I2S, UnpacksAnyRangeAndFindsInvalidCodesInIt, ()) {
  const auto n = 128 * *rc::gen::inRange<std::int64_t>(1, 5);
  const auto begin = *rc::gen::inRange<std::int64_t>(0, n + 1);
  const auto end = *rc::gen::inRange<std::int64_t>(begin, n + 1);
  const auto weights = random_weights(*rc::gen::arbitrary<std::uint64_t>(), n);
  std::vector<std::uint8_t> packed(static_cast<std::size_t>(n / 4));
  pack_i2_s(weights.data(), n, packed.data());
  for (std::int64_t i = 0; i < n; ++i) {
    const auto [byte, shift] = i2_s_place(i);
    RC_ASSERT((packed[static_cast<std::size_t>(byte)] >> shift & 3) == weights[static_cast<std::size_t>(i)] + 1);
  }
  std::vector<std::int8_t> got(static_cast<std::size_t>(end - begin));
  RC_ASSERT(!unpack_i2_s(packed.data() + begin / 128 * 32, begin, end, got.data()));
  RC_ASSERT(std::equal(got.begin(), got.end(), weights.begin() + begin));

  const auto bad = *rc::gen::inRange<std::int64_t>(0, n);
  const auto [byte, shift] = i2_s_place(bad);
  packed[static_cast<std::size_t>(byte)] |= static_cast<std::uint8_t>(3 << shift);
  const auto found = unpack_i2_s(packed.data() + begin / 128 * 32, begin, end, got.data());
  RC_ASSERT(found.has_value() == (bad >= begin && bad < end));
  RC_ASSERT(!found || *found == bad);
}

TEST(TernaryBlocks, GiveTheseBytes) {
  const auto expect_bytes = [](TernaryBlocks form, std::size_t codes_at, std::size_t scale_at,
                               std::initializer_list<std::uint8_t> codes) {
    const TernaryBlockShape shape = shape_of(form);
    std::vector<std::uint8_t> block(static_cast<std::size_t>(shape.bytes));
    const float scale = 1.5F;  // 0x3e00
    pack_ternary_blocks(form, example(shape.weights).data(), &scale, 1, block.data());
    EXPECT_EQ(block[scale_at], 0x00);
    EXPECT_EQ(block[scale_at + 1], 0x3e);
    for (std::size_t i = 0; i < 15; ++i) EXPECT_EQ(block[codes_at + i], codes.begin()[i % codes.size()]) << i;
  };
  expect_bytes(TernaryBlocks::tq1_0, 0, 52, {0x45, 0x6c, 0xcf});
  expect_bytes(TernaryBlocks::tq1_0, 32, 52, {0x94, 0xbb, 0x31});
  expect_bytes(TernaryBlocks::tq2_0, 0, 64, {0x18, 0x61, 0x86});
  expect_bytes(TernaryBlocks::q2_0, 2, 0, {0x24, 0x49, 0x92});
  expect_bytes(TernaryBlocks::q2_0_128, 2, 0, {0x24, 0x49, 0x92});
}

RC_GTEST_PROP(TernaryBlocks, PackAndUnpackAsDefined, ()) {
  for (const TernaryBlocks form : kForms) {
    const TernaryBlockShape shape = shape_of(form);
    const auto blocks = *rc::gen::inRange<std::int64_t>(0, 5);
    const auto weights = random_weights(*rc::gen::arbitrary<std::uint64_t>(), blocks * shape.weights);
    std::vector<float> scales;
    for (std::int64_t b = 0; b < blocks; ++b) scales.push_back(f16_to_f32(*rc::gen::inRange<std::uint16_t>(1, 0x7c00)));
    std::vector<std::uint8_t> row(static_cast<std::size_t>(blocks * shape.bytes));
    pack_ternary_blocks(form, weights.data(), scales.data(), blocks, row.data());
    for (std::int64_t i = 0; i < blocks * shape.weights; ++i) {
      const std::uint8_t* block = row.data() + i / shape.weights * shape.bytes;
      RC_ASSERT(code_in_block(form, block, i % shape.weights) == weights[static_cast<std::size_t>(i)] + 1);
    }
    std::vector<std::int8_t> got(weights.size());
    std::vector<float> got_scales(scales.size());
    RC_ASSERT(!unpack_ternary_blocks(form, row.data(), blocks, got.data(), got_scales.data()));
    RC_ASSERT(got == weights);
    RC_ASSERT(got_scales == scales);
  }
}

TEST(TernaryBlocks, EveryByteOfTq10HasDigits) {
  for (int byte = 0; byte < 256; ++byte) {
    std::vector<std::uint8_t> block(54, static_cast<std::uint8_t>(byte));
    block[52] = 0;
    block[53] = 0x3c;
    std::vector<std::int8_t> weights(256);
    float scale = 0.0F;
    ASSERT_FALSE(unpack_ternary_blocks(TernaryBlocks::tq1_0, block.data(), 1, weights.data(), &scale));
    for (std::int64_t i = 0; i < 256; ++i) {
      ASSERT_EQ(weights[static_cast<std::size_t>(i)] + 1, code_in_block(TernaryBlocks::tq1_0, block.data(), i));
    }
  }
}

TEST(TernaryBlocks, ReportBadScalesAndCodesButNotThoseOfZeroBlocks) {
  for (const TernaryBlocks form : kForms) {
    const TernaryBlockShape shape = shape_of(form);
    const auto weights = random_weights(7, 3 * shape.weights);
    std::vector<std::int8_t> got(weights.size());
    std::vector<float> scales(3);
    std::vector<std::uint8_t> row(static_cast<std::size_t>(3 * shape.bytes));
    const auto unpack = [&](float middle) {
      const float given[] = {0.25F, middle, 2.0F};
      pack_ternary_blocks(form, weights.data(), given, 3, row.data());
      if (form != TernaryBlocks::tq1_0) {  // weight 41 of the middle block
        const std::int64_t at = form == TernaryBlocks::tq2_0 ? 9 : 2 + 10;
        row[static_cast<std::size_t>(shape.bytes + at)] |= 3 << 2;
      }
      return unpack_ternary_blocks(form, row.data(), 3, got.data(), scales.data());
    };
    for (const float bad : {-1.0F, std::numeric_limits<float>::infinity(), std::nanf("")}) {
      const auto found = unpack(bad);
      ASSERT_TRUE(found);
      EXPECT_EQ(found->block, 1);
      EXPECT_FALSE(found->weight);
    }
    if (form != TernaryBlocks::tq1_0) {
      const auto found = unpack(1.0F);
      ASSERT_TRUE(found);
      EXPECT_EQ(found->block, 1);
      EXPECT_EQ(found->weight, 41);
    }
    for (const float zero : {0.0F, -0.0F}) {
      ASSERT_FALSE(unpack(zero));
      const auto middle = got.begin() + shape.weights;
      EXPECT_TRUE(std::all_of(middle, middle + shape.weights, [](auto w) { return w == 0; }));
      EXPECT_TRUE(std::equal(got.begin(), middle, weights.begin()));
    }
  }
}

}  // namespace
}  // namespace bitnet::pack
