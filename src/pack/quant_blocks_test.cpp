#include "pack/quant_blocks.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "base/float16.h"
#include "base/rng.h"

namespace bitnet::pack {
namespace {

constexpr QuantBlocks kQuantForms[] = {QuantBlocks::q8_0, QuantBlocks::q4_0, QuantBlocks::q6_k};

float half_at(const std::uint8_t* at) { return f16_to_f32(static_cast<std::uint16_t>(at[0] | at[1] << 8)); }

/// Weight i of a block, straight from the format's definition.
float weight_in_block(QuantBlocks form, const std::uint8_t* block, int i) {
  if (form == QuantBlocks::q8_0) return half_at(block) * static_cast<float>(static_cast<std::int8_t>(block[2 + i]));
  if (form == QuantBlocks::q4_0) {
    const int code = i < 16 ? block[2 + i] & 15 : block[2 + i - 16] >> 4;
    return half_at(block) * static_cast<float>(code - 8);
  }
  const int half = i / 128;
  const int quarter = i % 128 / 32;
  const int low = block[half * 64 + quarter % 2 * 32 + i % 32] >> (quarter / 2 * 4) & 15;
  const int high = block[128 + half * 32 + i % 32] >> (2 * quarter) & 3;
  const auto scale = static_cast<float>(static_cast<std::int8_t>(block[192 + i / 16]));
  return half_at(block + 208) * scale * static_cast<float>(low + 16 * high - 32);
}

std::vector<float> quantized(QuantBlocks form, const std::vector<float>& weights) {
  const auto n = static_cast<std::int64_t>(weights.size());
  std::vector<std::uint8_t> row(static_cast<std::size_t>(n / shape_of(form).weights * shape_of(form).bytes));
  quantize_row(form, weights.data(), n, row.data());
  std::vector<float> back(weights.size());
  dequantize_row(form, row.data(), n, back.data());
  return back;
}

/// About normal: a sum of uniform numbers.
std::vector<float> random_row(std::uint64_t seed, std::size_t n) {
  Rng rng(seed);
  std::vector<float> weights(n);
  for (float& w : weights) {
    double sum = -6.0;
    for (int k = 0; k < 12; ++k) sum += rng.uniform();
    w = static_cast<float>(sum * 0.02);
  }
  return weights;
}

double rms_difference(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += (a[i] - b[i]) * (a[i] - b[i]);
  return std::sqrt(sum / static_cast<double>(a.size()));
}

/// Of weights rounded to steps of (the largest of `group` weights) / steps: step / √12.
double rounding_error(const std::vector<float>& weights, std::size_t group, double steps) {
  double sum = 0.0;
  for (std::size_t g = 0; g < weights.size(); g += group) {
    double largest = 0.0;
    for (std::size_t i = g; i < g + group; ++i) largest = std::max(largest, std::fabs(double{weights[i]}));
    sum += largest / steps * (largest / steps) / 12.0;
  }
  return std::sqrt(sum / static_cast<double>(weights.size() / group));
}

RC_GTEST_PROP(QuantBlocks, AnyBytesReadAsDefined, ()) {
  Rng rng(*rc::gen::arbitrary<std::uint64_t>());
  for (const QuantBlocks form : kQuantForms) {
    const QuantBlockShape shape = shape_of(form);
    std::vector<std::uint8_t> row(static_cast<std::size_t>(2 * shape.bytes));
    for (auto& byte : row) byte = static_cast<std::uint8_t>(rng.next());
    std::vector<float> weights(static_cast<std::size_t>(2 * shape.weights));
    dequantize_row(form, row.data(), 2 * shape.weights, weights.data());
    for (std::int64_t i = 0; i < 2 * shape.weights; ++i) {
      const std::uint8_t* block = row.data() + i / shape.weights * shape.bytes;
      const float want = weight_in_block(form, block, static_cast<int>(i % shape.weights));
      const float got = weights[static_cast<std::size_t>(i)];
      RC_ASSERT(std::bit_cast<std::uint32_t>(got) == std::bit_cast<std::uint32_t>(want) ||
                (std::isnan(got) && std::isnan(want)));
    }
  }
}

TEST(QuantBlocks, Q80AndQ40GiveTheseBytes) {
  std::vector<float> weights(32, 0.0F);
  weights[0] = -254.0F;  // q8_0: d = 2; q4_0: d = 31.75
  weights[1] = 5.0F;     // 2.5, away from zero: 3
  weights[2] = -5.0F;
  weights[17] = 100.0F;
  std::vector<std::uint8_t> q8(34);
  quantize_row(QuantBlocks::q8_0, weights.data(), 32, q8.data());
  std::vector<std::uint8_t> want8(34, 0);
  want8[1] = 0x40;
  want8[2] = 0x81;
  want8[3] = 3;
  want8[4] = 0xfd;
  want8[2 + 17] = 50;
  EXPECT_EQ(q8, want8);
  std::vector<std::uint8_t> q4(18);
  quantize_row(QuantBlocks::q4_0, weights.data(), 32, q4.data());
  std::vector<std::uint8_t> want4(18, 0x88);
  want4[0] = 0xf0;
  want4[1] = 0x4f;
  want4[2] = 0x80;
  want4[3] = 0xb8;  // 100 / 31.75 = 3.15
  EXPECT_EQ(q4, want4);
}

TEST(QuantBlocks, ErrorsAreThoseOfRoundingToTheNearest) {
  const std::vector<float> weights = random_row(1, 256 * 40);
  EXPECT_LT(rms_difference(weights, quantized(QuantBlocks::q8_0, weights)), 1.02 * rounding_error(weights, 32, 127));
  EXPECT_LT(rms_difference(weights, quantized(QuantBlocks::q4_0, weights)), 1.02 * rounding_error(weights, 32, 8));
  // The search gains more than the eight bits of a group's scale cost.
  EXPECT_LT(rms_difference(weights, quantized(QuantBlocks::q6_k, weights)), 0.92 * rounding_error(weights, 16, 32));
}

TEST(QuantBlocks, TakeExtremeWeights) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const QuantBlocks form : kQuantForms) {
    const std::vector<float> zeros(256, 0.0F);
    EXPECT_EQ(quantized(form, zeros), zeros);
    for (const float extreme : {std::nanf(""), kInfinity, -kInfinity, 3e38F, -1e-40F, 1e-9F}) {
      std::vector<float> weights = random_row(2, 256);
      weights[70] = extreme;
      const std::vector<float> back = quantized(form, weights);
      if (form != QuantBlocks::q6_k) {  // whose blocks are longer
        EXPECT_NEAR(back[0], weights[0], 0.02F);
      }
      std::vector<float> alone(256, 0.0F);
      alone[70] = extreme;
      const float read = quantized(form, alone)[70];
      if (std::fabs(extreme) < 1e-20F) {
        EXPECT_EQ(read, 0.0F);
      }
      if (extreme == 3e38F) {
        EXPECT_GT(read, 65504.0F);  // the largest that there is room for
      }
    }
  }
}

}  // namespace
}  // namespace bitnet::pack
