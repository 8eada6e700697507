#include "base/float16.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

#include "base/rng.h"

namespace bitnet {
namespace {

/// The value of a small float format by the definition, in double.
struct Format {
  int exponent_bits;
  int mantissa_bits;

  [[nodiscard]] double value(std::uint32_t h) const {
    const int exponent = static_cast<int>(h >> mantissa_bits) & ((1 << exponent_bits) - 1);
    const std::uint32_t mantissa = h & ((1U << mantissa_bits) - 1);
    const int bias = (1 << (exponent_bits - 1)) - 1;
    const double sign = (h & 0x8000U) != 0 ? -1.0 : 1.0;
    if (exponent == (1 << exponent_bits) - 1) return mantissa != 0 ? std::nan("") : sign * HUGE_VAL;
    if (exponent == 0) return sign * std::ldexp(mantissa, 1 - bias - mantissa_bits);
    return sign * std::ldexp(mantissa + (1U << mantissa_bits), exponent - bias - mantissa_bits);
  }
  [[nodiscard]] std::uint32_t infinity() const { return ((1U << exponent_bits) - 1) << mantissa_bits; }

  /// Nearest value, ties to the even code; searched, not computed. `x` is not NaN.
  [[nodiscard]] std::uint32_t nearest(double x) const {
    const double a = std::abs(x);
    std::uint32_t low = 0;  // largest code whose value is at most a
    std::uint32_t high = infinity();
    while (high - low > 1) {
      const std::uint32_t middle = (low + high) / 2;
      (value(middle) <= a ? low : high) = middle;
    }
    // Infinity stands where the next finite value would be.
    const double above = high == infinity() ? 2 * value(low) - value(low - 1) : value(high);
    const double half = value(low) + (above - value(low)) / 2;
    const std::uint32_t code = a < half ? low : a > half ? high : low + (low & 1U);
    return code | (std::signbit(x) ? 0x8000U : 0U);
  }
};

constexpr Format kF16{5, 10};
constexpr Format kBf16{8, 7};

void expect_same(double expected, float found, std::uint32_t code) {
  if (std::isnan(expected)) {
    EXPECT_TRUE(std::isnan(found)) << code;
  } else {
    EXPECT_EQ(expected, static_cast<double>(found)) << code;
    EXPECT_EQ(std::signbit(expected), std::signbit(found)) << code;
  }
}

TEST(Float16, EveryCodeHasTheValueOfItsDefinition) {
  for (std::uint32_t h = 0; h < 0x10000; ++h) {
    expect_same(kF16.value(h), f16_to_f32(static_cast<std::uint16_t>(h)), h);
    expect_same(kBf16.value(h), bf16_to_f32(static_cast<std::uint16_t>(h)), h);
  }
}

TEST(Float16, EveryCodeComesBack) {
  for (std::uint32_t h = 0; h < 0x10000; ++h) {
    const auto code = static_cast<std::uint16_t>(h);
    if (!std::isnan(kF16.value(h))) {
      EXPECT_EQ(f32_to_f16(f16_to_f32(code)), code);
    }
    if (!std::isnan(kBf16.value(h))) {
      EXPECT_EQ(f32_to_bf16(bf16_to_f32(code)), code);
    }
  }
}

/// Every value, every halfway point between two neighbours, and the floats just beside them.
template <typename ToFloat, typename FromFloat>
void check_rounding(const Format& format, ToFloat to_float, FromFloat from_float) {
  for (std::uint32_t h = 0; h < format.infinity(); ++h) {
    const float value = to_float(static_cast<std::uint16_t>(h));
    const double step = h == 0 ? format.value(1) : format.value(h) - format.value(h - 1);
    const auto half = static_cast<float>(format.value(h) + step / 2);
    for (const float base : {value, half}) {
      for (const float x : {std::nextafter(base, 0.0F), base, std::nextafter(base, HUGE_VALF)}) {
        ASSERT_EQ(from_float(x), format.nearest(x)) << x;
        ASSERT_EQ(from_float(-x), format.nearest(-static_cast<double>(x))) << -x;
      }
    }
  }
}

TEST(Float16, RoundsToNearestEven) { check_rounding(kF16, f16_to_f32, f32_to_f16); }
TEST(Float16, Bf16RoundsToNearestEven) { check_rounding(kBf16, bf16_to_f32, f32_to_bf16); }

TEST(Float16, RandomBitsAgreeWithTheDefinition) {
  Rng rng(1);
  for (int i = 0; i < 200'000; ++i) {
    const auto x = std::bit_cast<float>(static_cast<std::uint32_t>(rng.next()));
    if (std::isnan(x)) {
      EXPECT_TRUE(std::isnan(f16_to_f32(f32_to_f16(x))));
      EXPECT_TRUE(std::isnan(bf16_to_f32(f32_to_bf16(x))));
    } else {
      ASSERT_EQ(f32_to_f16(x), kF16.nearest(x)) << x;
      ASSERT_EQ(f32_to_bf16(x), kBf16.nearest(x)) << x;
    }
  }
}

TEST(Float16, NanWithOnlyLowBitsStaysNan) {
  const auto x = std::bit_cast<float>(0x7f800001U);
  EXPECT_TRUE(std::isnan(f16_to_f32(f32_to_f16(x))));
  EXPECT_TRUE(std::isnan(bf16_to_f32(f32_to_bf16(x))));
}

}  // namespace
}  // namespace bitnet
