#include "kernels/table_test.h"
#include "pack/base3.h"
#include "pack/prepare.h"
#include "pack/ternary_layout.h"

namespace bitnet::kernels {
namespace {

/// A ternary matrix by input, and inputs of which some are zero.
struct ColumnProblem {
  std::int64_t in;
  std::int64_t out;
  std::vector<std::int8_t> weights;  // [in, out]
  std::vector<std::uint8_t> two_bits;
  std::vector<std::uint8_t> base3;
  std::vector<std::int8_t> x;  // [in]

  TernaryMatrix columns(pack::TernaryCoding coding) const {
    const auto* codes = coding == pack::TernaryCoding::base3 ? base3.data() : two_bits.data();
    return {codes, in, pack::block_count(out), pack::row_bytes(out, coding)};
  }
};

ColumnProblem make_column_problem(std::int64_t in, std::int64_t out, auto weight, auto input) {
  constexpr auto kBase3 = pack::TernaryCoding::base3;
  ColumnProblem p{in, out, {}, {}, {}, {}};
  for (std::int64_t i = 0; i < in * out; ++i) p.weights.push_back(static_cast<std::int8_t>(weight()));
  p.two_bits.resize(static_cast<std::size_t>(in * pack::row_bytes(out)));
  EXPECT_FALSE(pack::prepare_int8(p.weights.data(), in, out, out, p.two_bits.data()));
  p.base3.resize(static_cast<std::size_t>(in * pack::row_bytes(out, kBase3)));
  for (std::int64_t k = 0; k < in; ++k) {
    pack::pack_base3(p.two_bits.data() + k * pack::row_bytes(out), pack::block_count(out),
                     p.base3.data() + k * pack::row_bytes(out, kBase3));
    p.x.push_back(static_cast<std::int8_t>(input()));
  }
  return p;
}

/// One input of `each` is not zero.
ColumnProblem random_columns(std::uint64_t seed, std::int64_t in, std::int64_t out, std::uint64_t each) {
  Rng rng(seed);
  return make_column_problem(
      in, out, [&] { return static_cast<int>(rng.next() % 3) - 1; },
      [&] { return rng.next() % each == 0 ? static_cast<int>(rng.next() % 256) - 128 : 0; });
}

ColumnProblem random_column_problem() {
  const std::int64_t in = any_size(16, 8);
  const std::int64_t out = any_size(256, 12);
  return random_columns(any_seed(), in, out, *rc::gen::inRange<std::uint64_t>(1, 9));
}

/// Sums that were something before.
Guarded<std::int32_t> first_sums(const ColumnProblem& p) {
  Guarded<std::int32_t> sums(pack::padded_length(p.out));
  for (std::int64_t r = 0; r < pack::padded_length(p.out); ++r) sums[r] = static_cast<std::int32_t>(r * 31 - 5000);
  return sums;
}

bool equals_scalar(const KernelTable& table, const ColumnProblem& p) {
  Guarded<std::int32_t> expected = first_sums(p);
  Guarded<std::int32_t> sums = first_sums(p);
  kScalarTable.ternary_columns(p.columns(pack::TernaryCoding::two_bits), p.x.data(), expected.data());
  table.ternary_columns(p.columns(table.coding), p.x.data(), sums.data());
  return sums.same_as(expected);
}

class TernaryColumns : public TableTest {};
BITNET_FOR_EACH_TABLE(TernaryColumns);

TEST(ScalarTernaryColumns, AddTheIntegerProduct) {
  EXPECT_TRUE(rc::check("scalar = naive", [] {
    const ColumnProblem p = random_column_problem();
    Guarded<std::int32_t> sums = first_sums(p);
    kScalarTable.ternary_columns(p.columns(pack::TernaryCoding::two_bits), p.x.data(), sums.data());
    const Guarded<std::int32_t> before = first_sums(p);
    for (std::int64_t r = 0; r < p.out; ++r) {
      std::int64_t sum = before.data()[r];
      for (std::int64_t k = 0; k < p.in; ++k) {
        sum += std::int64_t{p.weights[static_cast<std::size_t>(k * p.out + r)]} * p.x[static_cast<std::size_t>(k)];
      }
      RC_ASSERT(sums[r] == sum);
    }
  }));
}

TEST_P(TernaryColumns, EqualScalar) {
  EXPECT_TRUE(rc::check("table = scalar", [] { RC_ASSERT(equals_scalar(table(), random_column_problem())); }));
}

// More inputs than are looked through at once, more outputs than have their sums nearby.
TEST_P(TernaryColumns, ManyInputsAndOutputs) {
  EXPECT_TRUE(equals_scalar(table(), random_columns(1, 9000, 300, 3)));
  EXPECT_TRUE(equals_scalar(table(), random_columns(2, 700, 2 * 2560 + 600, 5)));
  EXPECT_TRUE(equals_scalar(table(), random_columns(3, 6912, 2560, 4)));
}

TEST_P(TernaryColumns, LargestSums) {
  for (const int weight : {-1, 0, 1}) {
    for (const int input : {-128, 127, 0}) {
      const ColumnProblem p = make_column_problem(
          4099, 1300, [&] { return weight; }, [&] { return input; });
      Guarded<std::int32_t> sums(pack::padded_length(p.out));
      std::fill_n(sums.data(), pack::padded_length(p.out), 0);
      table().ternary_columns(p.columns(table().coding), p.x.data(), sums.data());
      for (std::int64_t r = 0; r < p.out; ++r) ASSERT_EQ(sums[r], weight * input * p.in) << r;
    }
  }
}

}  // namespace
}  // namespace bitnet::kernels
