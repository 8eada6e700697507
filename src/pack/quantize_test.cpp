#include "bitnet/quantize.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <cmath>
#include <limits>
#include <string>

#include "bitnet/error.h"

namespace bitnet {
namespace {

using Weights = std::vector<std::int8_t>;

/// Runs `call`, which must throw an Error of this kind whose message holds `part`.
void expect_error(ErrorKind kind, const std::string& part, auto call) {
  try {
    call();
    ADD_FAILURE() << "nothing was thrown; expected: " << part;
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind);
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
  }
}

Weights any_ternary(std::size_t n) { return *rc::gen::container<Weights>(n, rc::gen::element<std::int8_t>(-1, 0, 1)); }

TEST(PackTernaryWeights, SixteenToAWordLowestFirst) {
  Weights weights(32, 0);
  EXPECT_EQ(pack_ternary_weights(weights), (std::vector<std::uint32_t>{0x55555555, 0x55555555}));
  weights[0] = -1;
  weights[1] = 1;
  weights[15] = 1;
  weights[16] = -1;
  EXPECT_EQ(pack_ternary_weights(weights), (std::vector<std::uint32_t>{0x95555558, 0x55555554}));
  EXPECT_TRUE(pack_ternary_weights({}).empty());
}

TEST(PackTernaryWeights, ComesBack) {
  EXPECT_TRUE(rc::check("unpack(pack(w)) = w", [] {
    const Weights weights = any_ternary(16 * *rc::gen::inRange<std::size_t>(0, 9));
    RC_ASSERT(unpack_ternary_weights(pack_ternary_weights(weights)) == weights);
  }));
}

TEST(PackTernaryWeights, RefusesOtherLengthsAndValues) {
  expect_error(ErrorKind::invalid_argument, "17 weights", [] { (void)pack_ternary_weights(Weights(17)); });
  Weights weights(32);
  weights[18] = 2;
  expect_error(ErrorKind::invalid_argument, "weight 18 is 2", [&] { (void)pack_ternary_weights(weights); });
  const std::vector<std::uint32_t> packed = {0x55555555, 0x5555555d};
  expect_error(ErrorKind::corrupt, "weight 17", [&] { (void)unpack_ternary_weights(packed); });
}

TEST(PackTernaryWeightsGpu, OrderWithinAWord) {
  // The first word holds the first 16 inputs of output 0: code 3 (+1) for one of them, code 2 (0) for the others.
  const int order[] = {0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15};
  for (std::uint32_t slot = 0; slot < 16; ++slot) {
    Weights weights(16 * 32);
    weights[static_cast<std::size_t>(order[slot])] = 1;
    EXPECT_EQ(pack_ternary_weights_gpu(weights, 16, 32)[0], 0xaaaaaaaaU | 3U << (2 * slot)) << slot;
  }
}

TEST(PackTernaryWeightsGpu, OrderOfWordsAndBlocks) {
  // Output, input → word, in a matrix of 32 × 64: two by two blocks of 32 words.
  const std::size_t cases[][3] = {{0, 0, 0},   {1, 0, 1},    {7, 15, 7},   {0, 16, 8},   {7, 31, 15},
                                  {8, 0, 16},  {15, 0, 23},  {8, 16, 24},  {15, 31, 31}, {0, 32, 32},
                                  {16, 0, 64}, {31, 31, 95}, {16, 32, 96}, {31, 63, 127}};
  for (const auto& [row, column, word] : cases) {
    Weights weights(32 * 64);
    weights[row * 64 + column] = -1;
    const auto packed = pack_ternary_weights_gpu(weights, 32, 64);
    ASSERT_EQ(packed.size(), 128U);
    for (std::size_t i = 0; i < packed.size(); ++i) {
      EXPECT_EQ(packed[i] != 0xaaaaaaaaU, i == word) << row << ", " << column;
    }
  }
}

TEST(PackTernaryWeightsGpu, ComesBack) {
  EXPECT_TRUE(rc::check("unpack(pack(w)) = w", [] {
    const std::size_t out = 16 * *rc::gen::inRange<std::size_t>(0, 4);
    const std::size_t in = 32 * *rc::gen::inRange<std::size_t>(0, 4);
    const Weights weights = any_ternary(out * in);
    RC_ASSERT(unpack_ternary_weights_gpu(pack_ternary_weights_gpu(weights, out, in), out, in) == weights);
  }));
}

TEST(PackTernaryWeightsGpu, RefusesOtherShapesAndCodes) {
  Weights weights(16 * 32);
  expect_error(ErrorKind::invalid_argument, "8 x 64", [&] { (void)pack_ternary_weights_gpu(weights, 8, 64); });
  expect_error(ErrorKind::invalid_argument, "512 elements", [&] { (void)pack_ternary_weights_gpu(weights, 32, 32); });
  expect_error(ErrorKind::invalid_argument, "512 elements", [&] { (void)pack_ternary_weights_gpu(weights, 16, 0); });
  weights[33] = -2;
  expect_error(ErrorKind::invalid_argument, "weight (1, 1)", [&] { (void)pack_ternary_weights_gpu(weights, 16, 32); });
  std::vector<std::uint32_t> packed(32, 0xaaaaaaaaU);
  packed[9] &= ~(3U << 2);  // output 1, input 16 + 4
  expect_error(ErrorKind::corrupt, "weight (1, 20)", [&] { (void)unpack_ternary_weights_gpu(packed, 16, 32); });
}

TEST(CalculateWeightScales, MeanMagnitudeOfWhatIsNotZero) {
  const std::vector<float> weights = {0.5F, -1.5F, 0.0F, 0.0F, 0.0F, -0.0F, 0.0F, -3.0F, 0.0F};
  EXPECT_EQ(calculate_weight_scales(weights, 3, 3), (std::vector<float>{1.0F, 1.0F, 3.0F}));
  EXPECT_EQ(calculate_weight_scales({}, 2, 0), (std::vector<float>{1.0F, 1.0F}));
  expect_error(ErrorKind::invalid_argument, "9 weights", [&] { (void)calculate_weight_scales(weights, 2, 4); });
}

TEST(QuantizeWeightsAbsmean, RoundsByTheMeanMagnitude) {
  const std::vector<float> weights = {0.5F, -0.5F, 1.5F, -1.5F, 0.2F, -0.2F, 0.8F, -0.8F};  // mean 0.75
  const TernaryWeights result = quantize_weights_absmean(weights);
  EXPECT_EQ(result.values, (Weights{1, -1, 1, -1, 0, 0, 1, -1}));
  EXPECT_EQ(result.scale, 1.0F / (1.0F / 0.75F));
  // Exactly half the scale goes to even, which is zero: mean of {1, 3, 2, 2} is 2.
  EXPECT_EQ(quantize_weights_absmean(std::vector<float>{1.0F, -3.0F, 2.0F, -2.0F}).values, (Weights{0, -1, 1, -1}));
}

TEST(QuantizeWeightsAbsmean, SmallWeightsMeetTheFloor) {
  const TernaryWeights zeros = quantize_weights_absmean(std::vector<float>(4));
  EXPECT_EQ(zeros.values, Weights(4));
  EXPECT_EQ(zeros.scale, 1.0F / (1.0F / 1e-5F));
  EXPECT_EQ(quantize_weights_absmean(std::vector<float>{1e-6F, -9e-6F}).values, (Weights{0, -1}));
  EXPECT_TRUE(quantize_weights_absmean({}).values.empty());
}

TEST(QuantizeActivations, EachTokenHasItsOwnScale) {
  const std::vector<float> x = {1.0F, -2.0F, 0.5F, 0.0F, 0.0F, 0.0F};
  const Int8Activations result = quantize_activations(x, 3);
  EXPECT_EQ(result.values, (std::vector<std::int8_t>{64, -127, 32, 0, 0, 0}));  // 63.5 and 31.75
  EXPECT_EQ(result.scales, (std::vector<float>{63.5F, (1.0F / 1e-5F) * 127.0F}));
  EXPECT_EQ(result.inverse_scales[0], 1.0F / 63.5F);
}

TEST(QuantizeActivations, TheScaleIsRoundedTwice) {
  const float t = 1.3F;
  const float reciprocal = 1.0F / t;
  const float scale = quantize_activations(std::vector<float>{t}, 1).scales[0];
  EXPECT_EQ(scale, reciprocal * 127.0F);
  EXPECT_NE(scale, 127.0F / t);
}

TEST(QuantizeActivations, NotANumberAndInfinity) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();
  const Int8Activations result = quantize_activations(std::vector<float>{nan, 1.0F, infinity, 1.0F}, 2);
  EXPECT_EQ(result.values, (std::vector<std::int8_t>{0, 127, 0, 0}));
  EXPECT_EQ(result.scales[1], 0.0F);
}

TEST(QuantizeActivations, RefusesPartsOfATokenAndNoFeatures) {
  expect_error(ErrorKind::invalid_argument, "5 values", [] { (void)quantize_activations(std::vector<float>(5), 3); });
  expect_error(ErrorKind::invalid_argument, "5 values", [] { (void)quantize_activations(std::vector<float>(5), 0); });
  EXPECT_TRUE(quantize_activations({}, 3).scales.empty());
}

}  // namespace
}  // namespace bitnet
