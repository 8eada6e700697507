#include "base/rng.h"

#include <gtest/gtest.h>

namespace bitnet {
namespace {

TEST(Rng, GivesThePublishedNumbers) {
  Rng zero(0);
  for (const std::uint64_t expected : {0xe220a8397b1dcdafULL, 0x6e789e6aa1b965f4ULL, 0x06c45d188009454fULL}) {
    EXPECT_EQ(zero.next(), expected);
  }
  Rng other(1234567);
  for (const std::uint64_t expected : {6457827717110365317ULL, 3203168211198807973ULL, 9817491932198370423ULL,
                                       4593380528125082431ULL, 16408922859458223821ULL}) {
    EXPECT_EQ(other.next(), expected);
  }
}

TEST(Rng, UniformIsTheTop53BitsInTheUnitInterval) {
  Rng bits(42);
  Rng rng(42);
  for (int i = 0; i < 10'000; ++i) {
    const double x = rng.uniform();
    EXPECT_EQ(x * 0x1p53, static_cast<double>(bits.next() >> 11));
    EXPECT_GE(x, 0.0);
    EXPECT_LT(x, 1.0);
  }
}

}  // namespace
}  // namespace bitnet
