#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <cmath>
#include <random>

#include "backend/cpu/cpu_backend.h"
#include "base/cpu_features.h"
#include "bitnet/error.h"
#include "kernels/dispatch.h"

namespace bitnet::backend {
namespace {

/// y = BitLinear(x) in float64 from the definition; the int8 values are those of float32, as in the reference.
std::vector<double> expected(const std::vector<float>& x, std::int64_t tokens, const std::vector<std::int8_t>& weights,
                             std::int64_t out, std::int64_t in, const WeightScales& scales) {
  std::vector<double> y(static_cast<std::size_t>(tokens * out));
  for (std::int64_t t = 0; t < tokens; ++t) {
    const float* row = x.data() + t * in;
    float most = 1e-5F;
    for (std::int64_t k = 0; k < in; ++k) most = std::max(most, std::fabs(row[k]));
    const float s = 1.0F / most * 127.0F;
    for (std::int64_t r = 0; r < out; ++r) {
      double total = 0;
      for (std::int64_t k = 0; k < in; ++k) {
        const double q = std::min(127.0F, std::max(-128.0F, std::nearbyint(row[k] * s)));
        const std::int64_t groups = scales.group == 0 ? 1 : (in + scales.group - 1) / scales.group;
        const std::int64_t group = scales.group == 0 ? 0 : k / scales.group;
        const double g =
            scales.values.size() == 1 ? scales.values[0] : scales.values[static_cast<std::size_t>(r * groups + group)];
        const double product = q * weights[static_cast<std::size_t>(r * in + k)];
        total += scales.rule == ScaleRule::divide ? product / g : product * g;
      }
      total /= s;
      const double bias = scales.bias.empty() ? 0 : scales.bias[static_cast<std::size_t>(r)];
      // After-bias scaling multiplies the bias too; the test uses it with one scale for the tensor.
      total += scales.rule == ScaleRule::multiply_after_bias ? bias * scales.values[0] : bias;
      y[static_cast<std::size_t>(t * out + r)] = total;
    }
  }
  return y;
}

void check(std::int64_t tokens, std::int64_t out, std::int64_t in, WeightScales scales, int threads, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0.0F, 2.0F);
  std::vector<std::int8_t> weights(static_cast<std::size_t>(out * in));
  for (std::int8_t& w : weights) w = static_cast<std::int8_t>(static_cast<int>(random() % 3) - 1);
  std::vector<float> x(static_cast<std::size_t>(tokens * in));
  for (float& value : x) value = normal(random);
  ThreadPool pool(threads);
  CpuBackend cpu(kernels::choose_table("", detect_cpu_features()), pool);
  const auto prepared = cpu.prepare_ternary(
      {"test", TernaryForm::int8_rows, DType::i8, reinterpret_cast<const std::byte*>(weights.data()), out, in}, scales);
  std::vector<float> y(static_cast<std::size_t>(tokens * out));
  const TernaryWeights* const matrices[] = {prepared.get()};
  const MatrixView<float> outputs[] = {{y.data(), tokens, out}};
  cpu.bit_linear({x.data(), tokens, in}, matrices, outputs);
  const std::vector<double> want = expected(x, tokens, weights, out, in, scales);
  // Sums are exact; what is left are a few roundings to float32, and one per group.
  for (std::size_t i = 0; i < y.size(); ++i) {
    const double slack = 1e-6 * (std::fabs(want[i]) + 2.0 * std::sqrt(static_cast<double>(in)));
    ASSERT_NEAR(y[i], want[i], slack) << "element " << i;
  }
}

std::vector<float> positive(std::int64_t count) {
  std::vector<float> values;
  for (std::int64_t i = 0; i < count; ++i) values.push_back(0.5F + static_cast<float>(i % 17) * 0.1F);
  return values;
}

TEST(BitLinear, ScalesPerTensorRowAndGroup) {
  for (const ScaleRule rule : {ScaleRule::multiply, ScaleRule::divide}) {
    check(3, 9, 100, {{0.3F}, 0, rule, {}}, 2, 1);
    check(3, 9, 100, {positive(9), 0, rule, {}}, 2, 2);
    check(3, 9, 300, {positive(9 * 5), 64, rule, {}}, 2, 3);   // 300 inputs: a last group of 44
    check(3, 9, 300, {positive(9 * 3), 128, rule, {}}, 2, 4);  // padding to 512 adds a group without a scale
  }
}

TEST(BitLinear, BiasBeforeOrAfterTheScale) {
  const std::vector<float> bias = positive(7);
  check(2, 7, 64, {{0.25F}, 0, ScaleRule::multiply, bias}, 1, 5);
  check(2, 7, 64, {{0.25F}, 0, ScaleRule::multiply_after_bias, bias}, 1, 6);
  check(2, 7, 64, {{4.0F}, 0, ScaleRule::divide, bias}, 1, 7);
  check(2, 7, 128, {positive(7 * 2), 64, ScaleRule::multiply, bias}, 1, 8);
}

RC_GTEST_PROP(BitLinear, AnyShapeAnyThreads, ()) {
  const auto tokens = *rc::gen::inRange<std::int64_t>(1, 20);
  const auto out = *rc::gen::inRange<std::int64_t>(1, 80);
  const auto in = *rc::gen::inRange<std::int64_t>(1, 600);
  const auto threads = *rc::gen::inRange(1, 4);
  check(tokens, out, in, {{0.7F}, 0, ScaleRule::multiply, {}}, threads, *rc::gen::arbitrary<unsigned>());
}

TEST(BitLinear, PackedRowsNeedNoMultipleOfFour) {
  ThreadPool pool(2);
  CpuBackend cpu(kernels::choose_table("", detect_cpu_features()), pool);
  // 6 output rows in 2 packed rows: rows 0, 2, 4 in the first, 1, 3, 5 in the second; code = weight + 1.
  const std::uint8_t packed[] = {0b00'10'01'00, 0b00'00'01'10};
  const auto weights = cpu.prepare_ternary(
      {"test", TernaryForm::huggingface_packed, DType::u8, reinterpret_cast<const std::byte*>(packed), 6, 1}, {{1.0F}});
  const int want[] = {-1, 1, 0, 0, 1, -1};
  for (std::int64_t r = 0; r < 6; ++r) {
    std::int8_t weight = 9;
    weights->read_row(r, &weight);
    EXPECT_EQ(weight, want[r]) << r;
  }
}

TEST(BitLinear, BadCodesAreNamedByRowAndColumn) {
  ThreadPool pool(3);
  CpuBackend cpu(kernels::choose_table("", detect_cpu_features()), pool);
  std::vector<std::uint32_t> words(8, 0x55555555);  // [4 outputs, 32 inputs], zeros
  words[5] |= 3U << 14;                             // output 2, input 16 + 7
  const TernarySource source{"file: tensor w",
                             TernaryForm::design_packed,
                             DType::u32,
                             reinterpret_cast<const std::byte*>(words.data()),
                             4,
                             32};
  try {
    (void)cpu.prepare_ternary(source, {{1.0F}});
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("file: tensor w: row 2, column 23"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace bitnet::backend
