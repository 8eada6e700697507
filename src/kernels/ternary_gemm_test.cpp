#include "kernels/table_test.h"
#include "pack/base3.h"
#include "pack/prepare.h"
#include "pack/ternary_layout.h"

namespace bitnet::kernels {

#if defined(__x86_64__)
extern const KernelTable kSoftwareAmxTable;  // amx/software_tiles_test.cpp
#endif

namespace {

/// A ternary matrix and int8 activations, with rows of the latter further apart than they need to be.
struct Problem {
  std::int64_t rows;
  std::int64_t in;
  std::int64_t tokens;
  std::int64_t stride;
  std::int64_t slice_stride;
  std::vector<std::int8_t> weights;  // [rows, in]
  std::vector<std::uint8_t> two_bits;
  std::vector<std::uint8_t> base3;
  std::vector<std::int8_t> x;  // [tokens, stride]
  std::vector<std::int32_t> slice_sums;

  TernaryMatrix matrix(pack::TernaryCoding coding = pack::TernaryCoding::two_bits) const {
    const auto* codes = coding == pack::TernaryCoding::base3 ? base3.data() : two_bits.data();
    return {codes, rows, pack::block_count(in), pack::row_bytes(in, coding)};
  }
  Int8Rows activations() const { return {x.data(), stride, slice_sums.data(), slice_stride, tokens}; }
  std::int64_t slices() const { return pack::block_count(in) * 4; }
};

Problem make_problem(std::int64_t rows, std::int64_t in, std::int64_t tokens, std::int64_t extra, auto weight,
                     auto activation) {
  Problem p{rows, in, tokens, pack::padded_length(in) + extra, pack::block_count(in) * 4 + extra, {}, {}, {}, {}, {}};
  for (std::int64_t i = 0; i < rows * in; ++i) p.weights.push_back(static_cast<std::int8_t>(weight()));
  p.two_bits.resize(static_cast<std::size_t>(rows * pack::row_bytes(in)));
  EXPECT_FALSE(pack::prepare_int8(p.weights.data(), rows, in, in, p.two_bits.data()));
  p.base3.resize(static_cast<std::size_t>(rows * pack::row_bytes(in, pack::TernaryCoding::base3)));
  for (std::int64_t r = 0; r < rows; ++r) {
    pack::pack_base3(p.two_bits.data() + r * pack::row_bytes(in), pack::block_count(in),
                     p.base3.data() + r * pack::row_bytes(in, pack::TernaryCoding::base3));
  }
  p.x.resize(static_cast<std::size_t>(tokens * p.stride));
  p.slice_sums.resize(static_cast<std::size_t>(tokens * p.slice_stride));
  for (std::int64_t t = 0; t < tokens; ++t) {
    for (std::int64_t k = 0; k < in; ++k) {
      const auto v = static_cast<std::int8_t>(activation());
      p.x[static_cast<std::size_t>(t * p.stride + k)] = v;
      p.slice_sums[static_cast<std::size_t>(t * p.slice_stride + k / 64)] += v;
    }
  }
  return p;
}

Problem random_values(Rng& rng, std::int64_t rows, std::int64_t in, std::int64_t tokens, std::int64_t extra) {
  return make_problem(
      rows, in, tokens, extra, [&] { return static_cast<int>(rng.next() % 3) - 1; },
      [&] { return static_cast<int>(rng.next() % 256) - 128; });
}

Problem random_problem() {
  Rng rng(any_seed());
  const std::int64_t rows = any_size(8, 5);
  const std::int64_t in = any_size(256, 12);
  const std::int64_t tokens = any_size(4, 2);
  return random_values(rng, rows, in, tokens, *rc::gen::inRange<std::int64_t>(0, 80));
}

/// Around the multiples of 16 and 32 that matrix tiles take at once.
Problem random_problem_of_many_tokens() {
  Rng rng(any_seed());
  const std::int64_t rows = any_size(32, 2);
  const std::int64_t in = any_size(256, 12);
  const std::int64_t tokens = any_size(16, 7);
  return random_values(rng, rows, in, tokens, *rc::gen::inRange<std::int64_t>(0, 80));
}

std::int64_t naive_dot(const Problem& p, std::int64_t row, std::int64_t token, std::int64_t begin, std::int64_t end) {
  std::int64_t sum = 0;
  for (std::int64_t k = begin; k < std::min(end, p.in); ++k) {
    sum += std::int64_t{p.weights[static_cast<std::size_t>(row * p.in + k)]} *
           p.x[static_cast<std::size_t>(token * p.stride + k)];
  }
  return sum;
}

void expect_scalar_is_naive(const Problem& p) {
  const std::int64_t stride = p.rows + 3;
  Guarded<std::int32_t> sums(p.tokens * stride);
  kScalarTable.ternary_gemm(p.matrix(), {0, p.rows}, p.activations(), sums.data(), stride);
  for (std::int64_t t = 0; t < p.tokens; ++t) {
    for (std::int64_t r = 0; r < p.rows; ++r) {
      ASSERT_EQ(sums[t * stride + r], naive_dot(p, r, t, 0, p.in)) << "token " << t << " row " << r;
    }
  }
}

class TernaryGemm : public TableTest {};
BITNET_FOR_EACH_TABLE(TernaryGemm);
#if defined(__x86_64__)
INSTANTIATE_TEST_SUITE_P(TilesInSoftware, TernaryGemm, ::testing::Values(&kSoftwareAmxTable),
                         [](const auto&) { return std::string("amx_int8"); });
#endif

TEST(ScalarTernaryGemm, IsTheIntegerProduct) {
  EXPECT_TRUE(rc::check("scalar = naive", [] { expect_scalar_is_naive(random_problem()); }));
}

TEST(ScalarTernaryGemm, GroupsAreTheIntegerProductOfTheirInputs) {
  EXPECT_TRUE(rc::check("scalar groups = naive", [] {
    const Problem p = random_problem();
    const auto group = *rc::gen::inRange<std::int64_t>(1, 9);
    const std::int64_t groups = (p.slices() + group - 1) / group;
    Guarded<std::int32_t> sums(p.tokens * p.rows * groups);
    kScalarTable.ternary_gemm_grouped(p.matrix(), 0, p.rows, p.activations(), group, sums.data());
    for (std::int64_t t = 0; t < p.tokens; ++t) {
      for (std::int64_t r = 0; r < p.rows; ++r) {
        for (std::int64_t g = 0; g < groups; ++g) {
          RC_ASSERT(sums[(t * p.rows + r) * groups + g] == naive_dot(p, r, t, g * group * 64, (g + 1) * group * 64));
        }
      }
    }
  }));
}

TEST(ScalarTernaryGemm, RunsAreRowsOfTheWhole) {
  EXPECT_TRUE(rc::check("runs = rows", [] {
    const Problem p = random_problem();
    const RowRuns rows = random_runs(p.rows);
    Guarded<std::int32_t> sums(p.tokens * rows.total());
    kScalarTable.ternary_gemm(p.matrix(), rows, p.activations(), sums.data(), rows.total());
    for (std::int64_t t = 0; t < p.tokens; ++t) {
      for (std::int64_t run = 0; run < rows.runs; ++run) {
        for (std::int64_t i = 0; i < rows.count; ++i) {
          const std::int64_t row = rows.begin + run * rows.apart + i;
          RC_ASSERT(sums[t * rows.total() + run * rows.count + i] == naive_dot(p, row, t, 0, p.in));
        }
      }
    }
  }));
}

bool equals_scalar(const KernelTable& table, const Problem& p, const RowRuns& rows, std::int64_t stride) {
  Guarded<std::int32_t> expected(p.tokens * stride);
  Guarded<std::int32_t> sums(p.tokens * stride);
  kScalarTable.ternary_gemm(p.matrix(), rows, p.activations(), expected.data(), stride);
  table.ternary_gemm(p.matrix(table.coding), rows, p.activations(), sums.data(), stride);
  return sums.same_as(expected);
}

void expect_equals_scalar(const KernelTable& table, const Problem& p) {
  const RowRuns rows = random_runs(p.rows);
  RC_ASSERT(equals_scalar(table, p, rows, rows.total() + *rc::gen::inRange<std::int64_t>(0, 5)));
}

TEST_P(TernaryGemm, EqualsScalar) {
  EXPECT_TRUE(rc::check("table = scalar", [] { expect_equals_scalar(table(), random_problem()); }));
}

TEST_P(TernaryGemm, ManyTokensEqualScalar) {
  EXPECT_TRUE(rc::check("table = scalar", [] { expect_equals_scalar(table(), random_problem_of_many_tokens()); }));
}

TEST_P(TernaryGemm, RunsLieApart) {
  Rng rng(9);
  for (std::int64_t tokens = 1; tokens <= 6; ++tokens) {
    EXPECT_TRUE(equals_scalar(table(), random_values(rng, 40, 1500, tokens, 0), {3, 5, kRowRuns, 9}, 20)) << tokens;
  }
}

// Every way in which tokens are divided among tiles, with whole tiles of rows and some that are left.
TEST_P(TernaryGemm, EveryNumberOfTokens) {
  Rng rng(6);
  for (std::int64_t tokens = 0; tokens <= 70; ++tokens) {
    EXPECT_TRUE(equals_scalar(table(), random_values(rng, 37, 1500, tokens, 64), {0, 37}, 37)) << tokens;
  }
}

TEST_P(TernaryGemm, GroupsEqualScalar) {
  EXPECT_TRUE(rc::check("table = scalar", [] {
    const Problem p = random_problem();
    const auto begin = *rc::gen::inRange<std::int64_t>(0, p.rows + 1);
    const auto end = *rc::gen::inRange<std::int64_t>(begin, p.rows + 1);
    const auto group = *rc::gen::inRange<std::int64_t>(1, 18);
    const std::int64_t groups = (p.slices() + group - 1) / group;
    Guarded<std::int32_t> expected(p.tokens * (end - begin) * groups);
    Guarded<std::int32_t> sums(p.tokens * (end - begin) * groups);
    kScalarTable.ternary_gemm_grouped(p.matrix(), begin, end, p.activations(), group, expected.data());
    table().ternary_gemm_grouped(p.matrix(), begin, end, p.activations(), group, sums.data());
    RC_ASSERT(sums.same_as(expected));
  }));
}

// Sums that would overflow 16 bits early: every product has the largest magnitude and the same sign.
TEST_P(TernaryGemm, LargestSums) {
  for (const int weight : {-1, 0, 1}) {
    for (const int activation : {-128, 127}) {
      const Problem p = make_problem(
          5, 16384 + 7, 9, 1, [&] { return weight; }, [&] { return activation; });
      Guarded<std::int32_t> sums(p.tokens * p.rows);
      table().ternary_gemm(p.matrix(table().coding), {0, p.rows}, p.activations(), sums.data(), p.rows);
      for (std::int64_t i = 0; i < p.tokens * p.rows; ++i) {
        ASSERT_EQ(sums[i], weight * activation * p.in) << "weight " << weight << " activation " << activation;
      }
    }
  }
}

void expect_all_rows_equal_scalar(const KernelTable& table, const Problem& p) {
  EXPECT_TRUE(equals_scalar(table, p, {0, p.rows}, p.rows))
      << p.rows << " rows of " << p.in << ", " << p.tokens << " tokens";
}

// More rows than one panel of the second-level cache holds, and more of everything than tiles take at once.
TEST_P(TernaryGemm, ManyRows) {
  Rng rng(7);
  for (const std::int64_t tokens : {6, 39}) {
    expect_all_rows_equal_scalar(table(), random_values(rng, 1100, 2600, tokens, 0));
  }
  expect_all_rows_equal_scalar(table(), random_values(rng, 427, 2600, 200, 0));
}

// Rows longer than what is unpacked at once, and more tokens than pass over it.
TEST_P(TernaryGemm, LongRows) {
  Rng rng(8);
  for (const std::int64_t tokens : {9, 20, 50, 197}) {
    expect_all_rows_equal_scalar(table(), random_values(rng, tokens > 32 ? 7 : 40, 10240 + 700, tokens, 0));
  }
}

}  // namespace
}  // namespace bitnet::kernels
