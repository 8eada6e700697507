#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <random>

#include "backend/cpu/cpu_backend.h"
#include "base/cpu_features.h"
#include "kernels/dispatch.h"

namespace bitnet::backend {
namespace {

/// A matrix twice, once with columns, and inputs of which a share is zero.
struct Pair {
  Pair(int threads, std::int64_t out, std::int64_t in, WeightScales scales, unsigned seed)
      : pool(threads), cpu(kernels::choose_table("", detect_cpu_features()), pool), random(seed), out(out), in(in) {
    std::vector<std::int8_t> weights(static_cast<std::size_t>(out * in));
    for (std::int8_t& w : weights) w = static_cast<std::int8_t>(static_cast<int>(random() % 3) - 1);
    const TernarySource source{
        "test", TernaryForm::int8_rows, DType::i8, reinterpret_cast<const std::byte*>(weights.data()), out, in};
    plain = cpu.prepare_ternary(source, scales);
    by_input = cpu.prepare_ternary(source, scales);
    TernaryWeights* const some[] = {by_input.get()};
    cpu.prepare_columns(some);
  }

  /// Of the largest magnitude 127, so that they are int8 as they are.
  std::vector<float> inputs(std::int64_t tokens, double zeros) {
    std::vector<float> x(static_cast<std::size_t>(tokens * in));
    std::bernoulli_distribution zero(zeros);
    for (float& v : x) v = zero(random) ? 0.0F : static_cast<float>(static_cast<int>(random() % 255) - 127);
    for (std::int64_t t = 0; t < tokens; ++t) x[static_cast<std::size_t>(t * in)] = 127;
    return x;
  }

  std::vector<float> multiply(const TernaryWeights& weights, const std::vector<float>& x) {
    const auto tokens = static_cast<std::int64_t>(x.size()) / in;
    std::vector<float> y(static_cast<std::size_t>(tokens * out));
    const TernaryWeights* const matrices[] = {&weights};
    const MatrixView<float> outputs[] = {{y.data(), tokens, out}};
    cpu.bit_linear({x.data(), tokens, in}, matrices, outputs);
    return y;
  }

  ThreadPool pool;
  CpuBackend cpu;
  std::mt19937 random;
  std::int64_t out;
  std::int64_t in;
  std::unique_ptr<TernaryWeights> plain;
  std::unique_ptr<TernaryWeights> by_input;
};

std::vector<float> some_scales(std::int64_t count) {
  std::vector<float> values;
  for (std::int64_t i = 0; i < count; ++i) values.push_back(0.5F + static_cast<float>(i % 17) * 0.1F);
  return values;
}

RC_GTEST_PROP(PrepareColumns, ChangesNoResult, ()) {
  const auto out = *rc::gen::inRange<std::int64_t>(1, 1500);
  const auto in = *rc::gen::inRange<std::int64_t>(1, 400);
  const auto threads = *rc::gen::inRange(1, 7);
  const bool each_row = *rc::gen::arbitrary<bool>();
  const auto rule = *rc::gen::element(ScaleRule::multiply, ScaleRule::multiply_after_bias, ScaleRule::divide);
  const WeightScales scales{some_scales(each_row ? out : 1), 0, rule,
                            *rc::gen::arbitrary<bool>() ? some_scales(out) : std::vector<float>{}};
  Pair pair(threads, out, in, scales, *rc::gen::arbitrary<unsigned>());
  for (const double zeros : {0.0, 0.5, 0.7, 0.95, 1.0}) {
    for (const std::int64_t tokens : {1, 3}) {
      const std::vector<float> x = pair.inputs(tokens, zeros);
      RC_ASSERT(pair.multiply(*pair.by_input, x) == pair.multiply(*pair.plain, x));
    }
  }
}

TEST(PrepareColumns, LeaveOutTheWeightsOfZeros) {
  for (const int threads : {1, 2, 6}) {
    Pair pair(threads, 1280, 3000, {{0.3F}}, 1);
    const std::vector<float> sparse = pair.inputs(1, 0.8);
    const std::vector<float> want = pair.multiply(*pair.plain, sparse);
    EXPECT_EQ(pair.cpu.bytes_left_out(), 0);
    EXPECT_EQ(pair.multiply(*pair.by_input, sparse), want);
    const auto left_out = static_cast<double>(pair.cpu.bytes_left_out());
    EXPECT_NEAR(left_out / static_cast<double>(pair.plain->token_bytes()), 0.8, 0.04);
    // Where few are zero, and where several tokens share the rows, everything is read.
    (void)pair.multiply(*pair.by_input, pair.inputs(1, 0.3));
    (void)pair.multiply(*pair.by_input, pair.inputs(2, 0.8));
    EXPECT_EQ(static_cast<double>(pair.cpu.bytes_left_out()), left_out);
  }
}

TEST(PrepareColumns, NotForManyThreads) {
  Pair pair(7, 1280, 1280, {{0.3F}}, 4);
  EXPECT_EQ(pair.by_input->bytes(), pair.plain->bytes());
  Pair fewer(6, 1280, 1280, {{0.3F}}, 4);
  fewer.pool.resize(7);
  const std::vector<float> x = fewer.inputs(1, 0.9);
  EXPECT_EQ(fewer.multiply(*fewer.by_input, x), fewer.multiply(*fewer.plain, x));
  EXPECT_EQ(fewer.cpu.bytes_left_out(), 0);
}

TEST(PrepareColumns, TakeMemoryThatIsCounted) {
  Pair pair(2, 1280, 1280, {{0.3F}}, 2);
  // A square matrix, of whose bytes only the scale is not in the codes.
  EXPECT_EQ(pair.by_input->bytes(), 2 * pair.plain->bytes() - 4);
  EXPECT_EQ(pair.by_input->token_bytes(), pair.plain->token_bytes());
}

TEST(PrepareColumns, NotWithScalesByGroupOfInputs) {
  Pair pair(2, 64, 256, {some_scales(64 * 4), 64}, 3);
  EXPECT_EQ(pair.by_input->bytes(), pair.plain->bytes());
  const std::vector<float> x = pair.inputs(1, 0.9);
  EXPECT_EQ(pair.multiply(*pair.by_input, x), pair.multiply(*pair.plain, x));
}

}  // namespace
}  // namespace bitnet::backend
