#include "kernels/table_test.h"

namespace bitnet::kernels {
namespace {

struct Quantized {
  explicit Quantized(std::int64_t padded) : q(padded), sums(padded / 64) {}
  Guarded<std::int8_t> q;
  Guarded<std::int32_t> sums;
  float scale = 0.0F;
};

Quantized quantize(const KernelTable& table, const std::vector<float>& x, std::int64_t padded) {
  Quantized result(padded);
  result.scale = table.quantize_activations(x.data(), static_cast<std::int64_t>(x.size()), padded, result.q.data(),
                                            result.sums.data());
  return result;
}

std::int64_t padded_size(std::int64_t n) { return (n + 63) / 64 * 64 + *rc::gen::element(0, 64, 192); }

class QuantizeActivations : public TableTest {};
BITNET_FOR_EACH_TABLE(QuantizeActivations);

TEST(ScalarQuantizeActivations, IsTheFormula) {
  EXPECT_TRUE(rc::check("scalar = naive", [] {
    const auto x = random_floats(any_seed(), any_size(64), any_values());
    const std::int64_t n = static_cast<std::int64_t>(x.size());
    Quantized result = quantize(kScalarTable, x, padded_size(n));
    float largest = 1e-5F;
    for (const float v : x) largest = std::isnan(v) ? largest : std::max(largest, std::fabs(v));
    const float reciprocal = 1.0F / largest;
    const float scale = reciprocal * 127.0F;
    RC_ASSERT(result.scale == scale);
    for (std::int64_t i = 0; i < n; ++i) {
      const float v = x[static_cast<std::size_t>(i)];
      const float product = v * scale;
      if (std::isnan(product)) {
        RC_ASSERT(result.q[i] == 0);
        continue;
      }
      const double lower = std::floor(static_cast<double>(product));
      const double fraction = product - lower;
      const bool up = fraction > 0.5 || (fraction == 0.5 && std::fmod(lower, 2.0) != 0.0);
      RC_ASSERT(result.q[i] == std::clamp(lower + (up ? 1.0 : 0.0), -128.0, 127.0));
    }
  }));
}

TEST_P(QuantizeActivations, EqualsScalar) {
  EXPECT_TRUE(rc::check("table = scalar", [] {
    const auto x = random_floats(any_seed(), any_size(64), any_values());
    const std::int64_t padded = padded_size(static_cast<std::int64_t>(x.size()));
    Quantized expected = quantize(kScalarTable, x, padded);
    Quantized result = quantize(table(), x, padded);
    RC_ASSERT(std::bit_cast<std::uint32_t>(result.scale) == std::bit_cast<std::uint32_t>(expected.scale));
    RC_ASSERT(result.q.same_as(expected.q));
    RC_ASSERT(result.sums.same_as(expected.sums));
  }));
}

TEST_P(QuantizeActivations, HalvesGoToEvenAndPaddingIsZero) {
  std::vector<float> x = {127.0F, 0.5F, 1.5F, 2.5F, -0.5F, -1.5F, -127.0F};
  Quantized result = quantize(table(), x, 64);
  EXPECT_EQ(result.scale, (1.0F / 127.0F) * 127.0F);
  const int expected[] = {127, 0, 2, 2, 0, -2, -127, 0};
  for (int i = 0; i < 8; ++i) EXPECT_EQ(result.q[i], expected[i]) << i;
  EXPECT_EQ(result.sums[0], 2);
}

TEST_P(QuantizeActivations, NotANumberIsZeroAndInfinityEmptiesTheRow) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  Quantized with_nan = quantize(table(), {nan, 2.0F, -1.0F}, 64);
  EXPECT_EQ(with_nan.q[0], 0);
  EXPECT_EQ(with_nan.q[1], 127);
  EXPECT_EQ(with_nan.sums[0], 127 - 64);
  Quantized with_infinity = quantize(table(), {-std::numeric_limits<float>::infinity(), 2.0F, nan}, 64);
  EXPECT_EQ(with_infinity.scale, 0.0F);
  for (int i = 0; i < 64; ++i) EXPECT_EQ(with_infinity.q[i], 0) << i;
  EXPECT_EQ(with_infinity.sums[0], 0);
}

TEST_P(QuantizeActivations, TinyRowsUseTheFloorOfTheScale) {
  Quantized result = quantize(table(), {1e-6F, -1e-6F}, 64);
  EXPECT_EQ(result.scale, (1.0F / 1e-5F) * 127.0F);
  EXPECT_EQ(result.q[0], 13);
  EXPECT_EQ(result.q[1], -13);
}

}  // namespace
}  // namespace bitnet::kernels
