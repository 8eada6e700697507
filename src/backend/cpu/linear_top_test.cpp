#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "backend/cpu/cpu_backend.h"
#include "base/cpu_features.h"
#include "base/float16.h"
#include "base/rng.h"
#include "kernels/dispatch.h"

namespace bitnet::backend {
namespace {

constexpr float kNever = -std::numeric_limits<float>::infinity();

struct Head {
  Head(std::int64_t rows, std::int64_t cols, std::uint64_t seed, int threads)
      : pool(threads), cpu(kernels::choose_table("", detect_cpu_features()), pool), rows(rows), cols(cols) {
    Rng rng(seed);
    std::vector<std::uint16_t> bits(static_cast<std::size_t>(rows * cols));
    for (auto& b : bits) b = f32_to_bf16(static_cast<float>(rng.uniform() * 2 - 1));
    weights = cpu.prepare_dense({"head", DType::bf16, reinterpret_cast<const std::byte*>(bits.data()), rows, cols});
    for (std::int64_t k = 0; k < cols; ++k) x.push_back(static_cast<float>(rng.uniform() * 6 - 3));
    // The input of a trained model lines up with the row of the token that it predicts.
    const auto token = static_cast<std::int64_t>(rng.next() % static_cast<std::uint64_t>(rows));
    for (std::int64_t k = 0; k < cols; ++k) {
      x[static_cast<std::size_t>(k)] += 2 * bf16_to_f32(bits[static_cast<std::size_t>(token * cols + k)]);
    }
  }
  std::vector<float> full() {
    std::vector<float> y(static_cast<std::size_t>(rows));
    cpu.linear({x.data(), 1, cols}, *weights, {}, {y.data(), 1, rows});
    return y;
  }
  std::vector<float> top(const TopRows& wanted) {
    std::vector<float> y(static_cast<std::size_t>(rows), 7.0F);
    computed = cpu.linear_top({x.data(), 1, cols}, *weights, std::span(&wanted, 1), {y.data(), 1, rows});
    return y;
  }

  ThreadPool pool;
  CpuBackend cpu;
  std::int64_t rows;
  std::int64_t cols;
  std::unique_ptr<DenseWeights> weights;
  std::vector<float> x;
  std::int64_t computed = 0;
};

/// Outputs are the full ones or -inf, and those that `wanted` names are the full ones.
void expect_exact(const std::vector<float>& top, const std::vector<float>& full, const TopRows& wanted) {
  std::vector<float> counted;
  for (std::size_t i = 0; i < full.size(); ++i) {
    RC_ASSERT(top[i] == full[i] || top[i] == kNever);
    if (!std::binary_search(wanted.lowered.begin(), wanted.lowered.end(), static_cast<std::int32_t>(i))) {
      counted.push_back(full[i]);
    }
  }
  std::sort(counted.begin(), counted.end(), std::greater<>());
  const auto keep = static_cast<std::size_t>(wanted.keep);
  const float least = counted.size() < keep ? kNever : counted[keep - 1];
  for (std::size_t i = 0; i < full.size(); ++i) RC_ASSERT(full[i] < least || top[i] == full[i]);
}

/// 0.49 beside 127 becomes 0 as int8: by the copy alone row 0 (130) is above row 9 (128), which is the largest
/// (135.35).
TEST(LinearTop, CountsTheErrorOfTheInput) {
  constexpr std::int64_t kRows = 16;
  constexpr std::int64_t kCols = 32;
  std::vector<float> w(kRows * kCols, 0.0F);
  const auto set = [&](std::int64_t row, std::initializer_list<std::pair<std::int64_t, float>> values) {
    for (const auto& [col, value] : values) w[static_cast<std::size_t>(row * kCols + col)] = value;
  };
  set(0, {{0, 1.0F}, {16, 1.0F}, {1, 3.0F}, {17, 15.0F}});
  set(9, {{0, 1.0F}, {16, 15.0F}, {1, 1.0F}, {17, 15.0F}});
  std::vector<float> x(kCols, 0.0F);
  x[0] = 127.0F;
  x[16] = 0.49F;
  x[1] = 1.0F;
  ThreadPool pool(1);
  CpuBackend cpu(kernels::choose_table("", detect_cpu_features()), pool);
  const auto weights =
      cpu.prepare_dense({"head", DType::f32, reinterpret_cast<const std::byte*>(w.data()), kRows, kCols});
  cpu.prepare_top(*weights);
  const TopRows wanted{1, {}};
  std::vector<float> y(kRows);
  EXPECT_LT(cpu.linear_top({x.data(), 1, kCols}, *weights, std::span(&wanted, 1), {y.data(), 1, kRows}), kRows);
  EXPECT_NEAR(y[9], 135.35F, 1e-4F);
}

TEST(LinearTop, KeepsTheLargestOutputsExactly) {
  EXPECT_TRUE(rc::check("kept = full", [] {
    const auto rows = *rc::gen::inRange<std::int64_t>(8, 600);
    const auto cols = *rc::gen::inRange<std::int64_t>(1, 400);
    Head head(rows, cols, *rc::gen::arbitrary<std::uint64_t>(), *rc::gen::inRange(1, 4));
    head.cpu.prepare_top(*head.weights);
    std::vector<std::int32_t> lowered;
    for (std::int64_t i = 0; i < rows; ++i) {
      if (*rc::gen::inRange(0, 20) == 0) lowered.push_back(static_cast<std::int32_t>(i));
    }
    const TopRows wanted{*rc::gen::inRange<std::int64_t>(1, rows / 8 + 1), lowered};
    expect_exact(head.top(wanted), head.full(), wanted);
  }));
}

TEST(LinearTop, ReadsFewRowsOfAHeadThatPredicts) {
  Head head(4000, 512, 3, 2);
  head.cpu.prepare_top(*head.weights);
  (void)head.top({1, {}});
  EXPECT_GE(head.computed, 1);
  EXPECT_LT(head.computed, 400);
  EXPECT_LT(head.weights->top_bytes(), head.weights->bytes() / 4);
}

TEST(LinearTop, LoweredRowsDoNotCount) {
  Head head(500, 256, 5, 2);
  head.cpu.prepare_top(*head.weights);
  const std::vector<float> full = head.full();
  std::vector<std::int32_t> order(full.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(),
            [&](auto a, auto b) { return full[static_cast<std::size_t>(a)] > full[static_cast<std::size_t>(b)]; });
  std::vector<std::int32_t> lowered(order.begin(), order.begin() + 40);
  std::sort(lowered.begin(), lowered.end());
  const std::vector<float> top = head.top({3, lowered});
  for (int i = 0; i < 43; ++i) {
    const auto row = static_cast<std::size_t>(order[static_cast<std::size_t>(i)]);
    EXPECT_EQ(top[row], full[row]) << i;
  }
}

TEST(LinearTop, WithoutACopyOrABoundAllOutputsAreComputed) {
  Head head(300, 64, 9, 2);
  EXPECT_EQ(head.top({1, {}}), head.full());  // no copy
  EXPECT_EQ(head.computed, 300);
  head.cpu.prepare_top(*head.weights);
  EXPECT_EQ(head.top({0, {}}), head.full());    // all wanted
  EXPECT_EQ(head.top({200, {}}), head.full());  // nearly all
  std::fill(head.x.begin(), head.x.end(), 0.0F);
  EXPECT_EQ(head.top({1, {}}), head.full());
  head.x[3] = std::numeric_limits<float>::infinity();
  (void)head.top({1, {}});
  EXPECT_EQ(head.computed, 300);
}

TEST(LinearTop, SeveralTokensGetTheSameAsOne) {
  Head head(700, 200, 11, 2);
  head.cpu.prepare_top(*head.weights);
  const std::int64_t tokens = 5;
  std::vector<float> x;
  Rng rng(12);
  for (std::int64_t i = 0; i < tokens * head.cols; ++i) x.push_back(static_cast<float>(rng.uniform() - 0.5));
  const std::vector<TopRows> wanted(static_cast<std::size_t>(tokens), TopRows{2, {}});
  std::vector<float> together(static_cast<std::size_t>(tokens * head.rows));
  (void)head.cpu.linear_top({x.data(), tokens, head.cols}, *head.weights, wanted, {together.data(), tokens, head.rows});
  for (std::int64_t t = 0; t < tokens; ++t) {
    std::copy_n(x.begin() + t * head.cols, head.cols, head.x.begin());
    const std::vector<float> alone = head.top({2, {}});
    EXPECT_TRUE(std::equal(alone.begin(), alone.end(), together.begin() + t * head.rows)) << t;
  }
}

}  // namespace
}  // namespace bitnet::backend
