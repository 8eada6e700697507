/// rms_norm, the activations, rope and softmax.
#include "kernels/scalar/ops.h"
#include "kernels/table_test.h"

namespace bitnet::kernels {
namespace {

constexpr double kEpsilon = 0x1p-24;  // half a unit in the last place of 1

class Elementwise : public TableTest {};
BITNET_FOR_EACH_TABLE(Elementwise);

Guarded<float> guarded(const std::vector<float>& values) {
  Guarded<float> result(static_cast<std::int64_t>(values.size()));
  std::copy(values.begin(), values.end(), result.data());
  return result;
}

TEST(ScalarExp, IsWithinOneUnitInTheLastPlace) {
  double worst = 0.0;
  for (std::uint32_t bits = 0; bits < 0x42b17218U; bits += 1009) {  // up to 88.7228
    for (const float x : {std::bit_cast<float>(bits), -std::bit_cast<float>(bits)}) {
      if (x < -87.3365F) continue;
      const double exact = std::exp(static_cast<double>(x));
      int exponent = 0;
      std::frexp(exact, &exponent);
      worst = std::max(worst, std::fabs(scalar::exp(x) - exact) / std::ldexp(1.0, exponent - 24));
    }
  }
  EXPECT_LT(worst, 1.0);
}

TEST(ScalarExp, EndsOfTheRange) {
  const float infinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(scalar::exp(0.0F), 1.0F);
  EXPECT_EQ(scalar::exp(-0.0F), 1.0F);
  EXPECT_TRUE(std::isfinite(scalar::exp(88.7228F)));
  EXPECT_EQ(scalar::exp(88.7229F), infinity);
  EXPECT_EQ(scalar::exp(1e30F), infinity);
  EXPECT_EQ(scalar::exp(infinity), infinity);
  EXPECT_GE(scalar::exp(-87.3365F), std::numeric_limits<float>::min());
  EXPECT_EQ(scalar::exp(-87.337F), 0.0F);
  EXPECT_EQ(scalar::exp(-infinity), 0.0F);
  EXPECT_TRUE(std::isnan(scalar::exp(std::numeric_limits<float>::quiet_NaN())));
}

TEST(ScalarRmsNorm, IsTheFormula) {
  EXPECT_TRUE(rc::check("scalar = naive", [] {
    const auto n = 1 + any_size(16, 20);
    const auto x = random_floats(any_seed(), n, Values::ordinary);
    const auto w = random_floats(any_seed(), n, Values::ordinary);
    Guarded<float> y(n);
    kScalarTable.rms_norm(x.data(), w.data(), 1e-5F, n, y.data());
    double squares = 0.0;
    for (const float v : x) squares += static_cast<double>(v) * v;
    const double inverse = 1.0 / std::sqrt(squares / static_cast<double>(n) + 1e-5F);
    for (std::int64_t i = 0; i < n; ++i) {
      const double exact = x[static_cast<std::size_t>(i)] * inverse * w[static_cast<std::size_t>(i)];
      // Additions in a lane and in the fold (halved by the root), and a handful of roundings.
      RC_ASSERT(std::fabs(y[i] - exact) <= std::fabs(exact) * kEpsilon * (static_cast<double>(n) / 32 + 10));
    }
  }));
}

TEST_P(Elementwise, RmsNormEqualsScalar) {
  EXPECT_TRUE(rc::check("table = scalar", [] {
    const std::int64_t n = any_size(16, 20);
    const auto x = random_floats(any_seed(), n, any_values());
    const auto w = random_floats(any_seed(), n, any_values());
    const float* weight = *rc::gen::arbitrary<bool>() ? w.data() : nullptr;
    const float eps = *rc::gen::element(1e-5F, 1e-6F, 0.0F);
    Guarded<float> expected(n);
    kScalarTable.rms_norm(x.data(), weight, eps, n, expected.data());
    Guarded<float> y(n);
    table().rms_norm(x.data(), weight, eps, n, y.data());
    RC_ASSERT(y.same_as(expected));
    Guarded<float> in_place = guarded(x);
    table().rms_norm(in_place.data(), weight, eps, n, in_place.data());
    RC_ASSERT(in_place.same_as(expected));
  }));
}

TEST_P(Elementwise, ScaleSumsEqualsScalar) {
  EXPECT_TRUE(rc::check("table = scalar", [] {
    const std::int64_t n = any_size(16, 20);
    Rng rng(any_seed());
    std::vector<std::int32_t> sums(static_cast<std::size_t>(n));
    for (auto& sum : sums) sum = static_cast<std::int32_t>(rng.next());
    const auto g = random_floats(any_seed(), n + 1, any_values());
    const std::int64_t step = *rc::gen::inRange<std::int64_t>(0, 2);
    const bool divide = *rc::gen::arbitrary<bool>();
    Guarded<float> expected(n);
    kScalarTable.scale_sums(sums.data(), n, 17.3F, g.data(), step, divide, expected.data());
    Guarded<float> y(n);
    table().scale_sums(sums.data(), n, 17.3F, g.data(), step, divide, y.data());
    RC_ASSERT(y.same_as(expected));
  }));
}

double naive_activation(Activation activation, double x) {
  switch (activation) {
    case Activation::relu2:
      return x > 0.0 ? x * x : 0.0;
    case Activation::silu:
      return x / (1.0 + std::exp(-x));
    case Activation::gelu:
      return x * 0.5 * std::erfc(-x / std::sqrt(2.0));
    case Activation::gelu_tanh: {
      // tanh(u) = 1 - 2 / (exp(2u) + 1)
      const double u = std::sqrt(2.0 / 3.14159265358979323846) * (x + 0.044715 * x * x * x);
      return 0.5 * x * (2.0 - 2.0 / (std::exp(2.0 * u) + 1.0));
    }
  }
  return 0.0;
}

constexpr Activation kAll[] = {Activation::relu2, Activation::silu, Activation::gelu, Activation::gelu_tanh};

TEST(ScalarActivation, IsTheFormula) {
  for (const Activation activation : kAll) {
    for (float x = -30.0F; x < 30.0F; x += 0.0371F) {
      float y = 0.0F;
      kScalarTable.activate[index(activation)](&x, 1, &y);
      const double exact = naive_activation(activation, x);
      // gelu_tanh's argument of exp is off by 4 roundings, which exp makes a relative error of its own.
      const double argument = activation == Activation::gelu_tanh ? std::fabs(x * (1.6 + 0.0714 * x * x)) : 0.0;
      EXPECT_NEAR(y, exact, std::fabs(exact) * (5 + 4 * argument) * kEpsilon + 1e-13)
          << "activation " << index(activation) << " x " << x;
      const float up = 3.0F;
      float gated = 0.0F;
      kScalarTable.activate_gated[index(activation)](&x, &up, 1, &gated);
      EXPECT_EQ(gated, y * up);
    }
  }
}

TEST(ScalarActivation, NotANumberStaysNotANumber) {
  for (const Activation activation : kAll) {
    const float x = std::numeric_limits<float>::quiet_NaN();
    float y = 0.0F;
    kScalarTable.activate[index(activation)](&x, 1, &y);
    EXPECT_TRUE(std::isnan(y));
  }
}

TEST_P(Elementwise, ActivationEqualsScalar) {
  EXPECT_TRUE(rc::check("table = scalar", [] {
    const auto a = index(*rc::gen::elementOf(std::vector<Activation>(std::begin(kAll), std::end(kAll))));
    const std::int64_t n = any_size(16, 6);
    auto x = random_floats(any_seed(), n, any_values());
    const float stretch = *rc::gen::element(1.0F, 10.0F, 45.0F);  // over the whole range of exp
    for (float& v : x) v *= stretch;
    const auto up = random_floats(any_seed(), n, any_values());
    Guarded<float> expected(n);
    Guarded<float> y(n);
    kScalarTable.activate[a](x.data(), n, expected.data());
    table().activate[a](x.data(), n, y.data());
    RC_ASSERT(y.same_as(expected));
    kScalarTable.activate_gated[a](x.data(), up.data(), n, expected.data());
    table().activate_gated[a](x.data(), up.data(), n, y.data());
    RC_ASSERT(y.same_as(expected));
    Guarded<float> in_place = guarded(up);
    table().activate_gated[a](x.data(), in_place.data(), n, in_place.data());
    RC_ASSERT(in_place.same_as(expected));
  }));
}

TEST(ScalarRope, TurnsPairsByTheirAngle) {
  const float angle = 0.7F;
  const float cos[] = {1.0F, std::cos(angle)};
  const float sin[] = {0.0F, std::sin(angle)};
  float x[] = {1.0F, 2.0F, 3.0F, 4.0F, 0.0F, 1.0F, 0.0F, 0.0F};  // two heads of four: pairs (0, 2) and (1, 3)
  kScalarTable.rope(x, 2, 4, cos, sin);
  const float expected[] = {
      1.0F, 2.0F * cos[1] - 4.0F * sin[1], 3.0F, 4.0F * cos[1] + 2.0F * sin[1], 0.0F, cos[1], 0.0F, sin[1]};
  for (int i = 0; i < 8; ++i) EXPECT_EQ(x[i], expected[i]) << i;
}

TEST_P(Elementwise, RopeEqualsScalar) {
  EXPECT_TRUE(rc::check("table = scalar", [] {
    const std::int64_t heads = any_size(2);
    const std::int64_t half = any_size(16);
    const auto x = random_floats(any_seed(), heads * half * 2, any_values());
    const auto cos = random_floats(any_seed(), half, Values::ordinary);
    const auto sin = random_floats(any_seed(), half, Values::ordinary);
    Guarded<float> expected = guarded(x);
    Guarded<float> y = guarded(x);
    kScalarTable.rope(expected.data(), heads, half * 2, cos.data(), sin.data());
    table().rope(y.data(), heads, half * 2, cos.data(), sin.data());
    RC_ASSERT(y.same_as(expected));
  }));
}

TEST(ScalarSoftmax, IsTheFormula) {
  EXPECT_TRUE(rc::check("scalar = naive", [] {
    const std::int64_t n = 1 + any_size(16, 10);
    const auto x = random_floats(any_seed(), n, Values::ordinary);
    Guarded<float> y = guarded(x);
    kScalarTable.softmax(y.data(), n);
    const float largest = *std::max_element(x.begin(), x.end());
    double sum = 0.0;
    for (const float v : x) sum += std::exp(static_cast<double>(v - largest));
    for (std::int64_t i = 0; i < n; ++i) {
      const double exact = std::exp(static_cast<double>(x[static_cast<std::size_t>(i)] - largest)) / sum;
      RC_ASSERT(std::fabs(y[i] - exact) <= exact * kEpsilon * (static_cast<double>(n) / 16 + 12));
    }
  }));
}

TEST_P(Elementwise, SoftmaxEqualsScalar) {
  EXPECT_TRUE(rc::check("table = scalar", [] {
    const std::int64_t n = 1 + any_size(16, 10);
    auto x = random_floats(any_seed(), n, any_values());
    const float stretch = *rc::gen::element(1.0F, 30.0F);
    for (float& v : x) v *= stretch;
    Guarded<float> expected = guarded(x);
    Guarded<float> y = guarded(x);
    kScalarTable.softmax(expected.data(), n);
    table().softmax(y.data(), n);
    RC_ASSERT(y.same_as(expected));
  }));
}

TEST_P(Elementwise, SoftmaxOfNegativeRowsIsNotDrawnToZeroByPadding) {
  for (std::int64_t n = 1; n <= 40; ++n) {
    Guarded<float> x(n);
    for (std::int64_t i = 0; i < n; ++i) x[i] = -200.0F;
    table().softmax(x.data(), n);
    for (std::int64_t i = 0; i < n; ++i) EXPECT_EQ(x[i], 1.0F / static_cast<float>(n)) << n;
  }
}

}  // namespace
}  // namespace bitnet::kernels
