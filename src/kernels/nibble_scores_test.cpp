#include "kernels/table_test.h"
#include "pack/nibble_rows.h"

namespace bitnet::kernels {
namespace {

using pack::nibble_blocks;

class NibbleScores : public TableTest {};
BITNET_FOR_EACH_TABLE(NibbleScores);

struct Rows {
  Rows(const std::vector<float>& w, std::int64_t count, std::int64_t in)
      : codes(static_cast<std::size_t>(count * nibble_blocks(in) * 64)),
        scales(static_cast<std::size_t>(count * 16)),
        blocks(nibble_blocks(in)) {
    for (std::int64_t r = 0; r < count; ++r) {
      const pack::NibbleSums sums = kScalarTable.nibble_row[index(DenseType::f32)](
          w.data() + r * in, in, codes.data() + r * blocks * 64, scales.data() + r * 16);
      bounds.push_back(pack::nibble_bound(sums, in));
    }
  }
  [[nodiscard]] NibbleMatrix view() const { return {codes.data(), scales.data(), blocks}; }

  std::vector<std::uint8_t> codes;
  std::vector<std::uint16_t> scales;
  std::vector<pack::NibbleBound> bounds;
  std::int64_t blocks;
};

struct Inputs {
  Inputs(const std::vector<float>& x, std::int64_t tokens, std::int64_t in)
      : q(static_cast<std::size_t>(tokens * nibble_blocks(in) * 128)),
        lane_offsets(static_cast<std::size_t>(tokens * 16)),
        scales(static_cast<std::size_t>(tokens * 16)),
        count(tokens) {
    for (std::int64_t t = 0; t < tokens; ++t) {
      tokens_of.push_back(pack::quantize_nibble_input(x.data() + t * in, in, q.data() + t * nibble_blocks(in) * 128,
                                                      lane_offsets.data() + t * 16, scales.data() + t * 16));
    }
  }
  [[nodiscard]] NibbleInputs view() const { return {q.data(), lane_offsets.data(), scales.data(), count}; }
  /// How far the score of a row may be from the real product.
  [[nodiscard]] double bound(const pack::NibbleBound& row) const {
    return static_cast<double>(row.error) * static_cast<double>(tokens_of[0].norm) +
           static_cast<double>(row.norm) * static_cast<double>(tokens_of[0].error);
  }

  std::vector<std::int8_t> q;
  std::vector<std::int32_t> lane_offsets;
  std::vector<pack::NibbleInput> tokens_of;
  std::vector<float> scales;
  std::int64_t count;
};

TEST_P(NibbleScores, EqualScalar) {
  EXPECT_TRUE(rc::check("table = scalar", [] {
    const std::int64_t rows = any_size(8, 5);
    const std::int64_t in = any_size(128, 9);
    const std::int64_t tokens = any_size(4, 2);
    const RowRuns runs = random_runs(rows);
    const std::int64_t y_stride = (runs.runs - 1) * runs.apart + runs.count + *rc::gen::inRange<std::int64_t>(0, 9);
    const Rows w(random_floats(any_seed(), rows * in, *rc::gen::element(Values::ordinary, Values::wide)), rows, in);
    const Inputs x(random_floats(any_seed(), tokens * in, *rc::gen::element(Values::ordinary, Values::wide)), tokens,
                   in);
    Guarded<float> expected(tokens * y_stride);
    Guarded<float> y(tokens * y_stride);
    kScalarTable.nibble_scores(w.view(), runs, x.view(), expected.data(), y_stride);
    table().nibble_scores(w.view(), runs, x.view(), y.data(), y_stride);
    RC_ASSERT(y.same_as(expected));
  }));
}

TEST_P(NibbleScores, RunsLieApart) {
  constexpr RowRuns kRuns{3, 5, kRowRuns, 9};
  constexpr std::int64_t kWidth = 3 * 9 + 5;
  const Rows w(random_floats(5, 40 * 300, Values::ordinary), 40, 300);
  for (std::int64_t tokens = 1; tokens <= 6; ++tokens) {
    const Inputs x(random_floats(6, tokens * 300, Values::ordinary), tokens, 300);
    Guarded<float> expected(tokens * kWidth);
    Guarded<float> y(tokens * kWidth);
    kScalarTable.nibble_scores(w.view(), kRuns, x.view(), expected.data(), kWidth);
    table().nibble_scores(w.view(), kRuns, x.view(), y.data(), kWidth);
    EXPECT_TRUE(y.same_as(expected)) << tokens << " tokens";
  }
}

// More rows than one panel of the second-level cache holds, which the last tokens find there.
TEST_P(NibbleScores, ManyRows) {
  constexpr std::int64_t kRows = 700;
  constexpr std::int64_t kIn = 1000;
  constexpr std::int64_t kTokens = 7;
  const Rows w(random_floats(3, kRows * kIn, Values::ordinary), kRows, kIn);
  const Inputs x(random_floats(4, kTokens * kIn, Values::ordinary), kTokens, kIn);
  Guarded<float> expected(kTokens * kRows);
  Guarded<float> y(kTokens * kRows);
  kScalarTable.nibble_scores(w.view(), {0, kRows}, x.view(), expected.data(), kRows);
  table().nibble_scores(w.view(), {0, kRows}, x.view(), y.data(), kRows);
  EXPECT_TRUE(y.same_as(expected));
}

TEST_P(NibbleScores, LargestInputsDoNotOverflow) {
  const std::int64_t in = pack::kNibbleLongestRow;
  for (const float sign : {1.0F, -1.0F}) {
    const Rows w(std::vector<float>(static_cast<std::size_t>(in), sign), 1, in);
    const Inputs x(std::vector<float>(static_cast<std::size_t>(in), 3.0F), 1, in);
    float y = 0.0F;
    table().nibble_scores(w.view(), {0, 1}, x.view(), &y, 1);
    EXPECT_NEAR(y, sign * 3.0F * static_cast<float>(in), 1e-3F * static_cast<float>(in));
  }
}

/// The promise of pack/nibble_rows.h, for the scalar kernels that all others equal.
TEST(ScalarNibbleScores, AreWithinTheirBoundOfTheRealProduct) {
  double tightest = 1.0;
  EXPECT_TRUE(rc::check("|copy - row| ≤ bound", [&] {
    const std::int64_t in = 1 + any_size(128, 6);
    const auto w = random_floats(any_seed(), in, any_values());
    const auto x = random_floats(any_seed(), in, *rc::gen::element(Values::ordinary, Values::wide));
    const Rows rows(w, 1, in);
    const Inputs input(x, 1, in);
    float near = 0.0F;
    kScalarTable.nibble_scores(rows.view(), {0, 1}, input.view(), &near, 1);
    float exact = 0.0F;
    kScalarTable.dense_gemm[index(DenseType::f32)](w.data(), in, 0, 1, x.data(), in, 1, &exact, 1);
    const double bound = input.bound(rows.bounds[0]);
    if (!std::isfinite(bound) || input.tokens_of[0].norm == 0.0F) return;
    RC_ASSERT(std::isfinite(exact));
    const double off = std::fabs(static_cast<double>(near) - static_cast<double>(exact));
    RC_ASSERT(off <= bound);
    if (bound > 0) tightest = std::min(tightest, (bound - off) / bound);
  }));
  EXPECT_LT(tightest, 0.7) << "the bound is far from anything that happens";
}

/// An input that lines up with the row's errors reaches the bound: it is not only large enough, but no larger.
TEST(ScalarNibbleScores, BoundIsReachedByTheWorstInput) {
  const std::int64_t in = 640;
  const auto w = random_floats(7, in, Values::ordinary);
  const Rows rows(w, 1, in);
  std::vector<float> x;
  for (std::int64_t i = 0; i < in; ++i) {
    const std::int64_t within = i % 128;
    const int code =
        rows.codes[static_cast<std::size_t>(i / 128 * 64 + within % 16 * 4 + within / 16 % 4)] >> (within / 64 * 4) &
        15;
    const float scale = f16_to_f32(rows.scales[static_cast<std::size_t>(i % 16)]);
    x.push_back(w[static_cast<std::size_t>(i)] - static_cast<float>(2 * code - 15) * scale);
  }
  const Inputs input(x, 1, in);
  float near = 0.0F;
  kScalarTable.nibble_scores(rows.view(), {0, 1}, input.view(), &near, 1);
  float exact = 0.0F;
  kScalarTable.dense_gemm[index(DenseType::f32)](w.data(), in, 0, 1, x.data(), in, 1, &exact, 1);
  EXPECT_LE(static_cast<double>(exact - near), input.bound(rows.bounds[0]));
  EXPECT_GT(static_cast<double>(exact - near),
            0.98 * static_cast<double>(rows.bounds[0].error) * static_cast<double>(input.tokens_of[0].norm));
}

TEST(NibbleRows, ARowThatIsNotFiniteHasNoBound) {
  for (const float bad : {std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN(), 1e30F}) {
    std::vector<float> w(40, 1.0F);
    w[21] = bad;
    EXPECT_EQ(Rows(w, 1, 40).bounds[0].error, std::numeric_limits<float>::infinity()) << bad;
  }
}

TEST(NibbleRows, ZerosScoreZero) {
  const Rows w(std::vector<float>(300, 0.0F), 1, 300);
  const Inputs x(std::vector<float>(300, 2.0F), 1, 300);
  float y = 1.0F;
  kScalarTable.nibble_scores(w.view(), {0, 1}, x.view(), &y, 1);
  EXPECT_EQ(y, 0.0F);
  EXPECT_LT(w.bounds[0].error, 1e-15F);
}

}  // namespace
}  // namespace bitnet::kernels
