#include <gtest/gtest.h>

#include <cstring>
#include <utility>
#include <vector>

#include "backend/cpu/cpu_backend.h"
#include "base/cpu_features.h"
#include "base/rng.h"
#include "kernels/dispatch.h"
#include "pack/quant_blocks.h"
#include "support/expect_error.h"

namespace bitnet::backend {
namespace {

constexpr std::int64_t kTokens = 3;

struct BlockForm {
  DenseForm form;
  pack::QuantBlocks blocks;
};

/// A matrix in blocks, and the same one as float32.
struct DenseBlocks : testing::TestWithParam<BlockForm> {
  void make(std::int64_t rows, std::int64_t cols) {
    Rng rng(5);
    const auto count = static_cast<std::size_t>(rows * cols);
    floats.resize(count);
    for (float& w : floats) w = static_cast<float>(rng.uniform() - 0.5);
    const pack::QuantBlockShape shape = pack::shape_of(GetParam().blocks);
    packed->resize(count / static_cast<std::size_t>(shape.weights) * static_cast<std::size_t>(shape.bytes));
    pack::quantize_row(GetParam().blocks, floats.data(), rows * cols, packed->data());
    pack::dequantize_row(GetParam().blocks, packed->data(), rows * cols, floats.data());
    plain = cpu.prepare_dense({"plain", DType::f32, reinterpret_cast<const std::byte*>(floats.data()), rows, cols});
    in_blocks = cpu.prepare_dense(
        {"blocks", DType::u8, reinterpret_cast<const std::byte*>(packed->data()), rows, cols, packed, GetParam().form});
    x.resize(static_cast<std::size_t>(kTokens * cols));
    for (float& v : x) v = static_cast<float>(rng.uniform() * 6 - 3);
  }
  /// Bit for bit.
  static void expect_same(const std::vector<float>& a, const std::vector<float>& b) {
    ASSERT_EQ(a.size(), b.size());
    EXPECT_EQ(std::memcmp(a.data(), b.data(), a.size() * sizeof(float)), 0);
  }
  std::vector<float> embed(const DenseWeights& weights, const std::vector<std::int32_t>& ids) {
    std::vector<float> out(ids.size() * static_cast<std::size_t>(weights.cols()));
    cpu.embed(weights, ids, {out.data(), static_cast<std::int64_t>(ids.size()), weights.cols()});
    return out;
  }
  std::vector<float> linear(const DenseWeights& weights, std::int64_t tokens) {
    std::vector<float> out(static_cast<std::size_t>(tokens * weights.rows()));
    const std::vector<float> bias(static_cast<std::size_t>(weights.rows()), 0.25F);
    cpu.linear({x.data(), tokens, weights.cols()}, weights, bias, {out.data(), tokens, weights.rows()});
    return out;
  }
  std::pair<std::int64_t, std::vector<float>> top(const DenseWeights& weights) {
    std::vector<float> out(static_cast<std::size_t>(kTokens * weights.rows()));
    const std::vector<TopRows> wanted(kTokens, TopRows{2, {}});
    const std::int64_t computed =
        cpu.linear_top({x.data(), kTokens, weights.cols()}, weights, wanted, {out.data(), kTokens, weights.rows()});
    return {computed, out};
  }

  ThreadPool pool{2};
  CpuBackend cpu{kernels::choose_table("", detect_cpu_features()), pool};
  std::vector<float> floats;
  std::shared_ptr<std::vector<std::uint8_t>> packed = std::make_shared<std::vector<std::uint8_t>>();
  std::unique_ptr<DenseWeights> plain;
  std::unique_ptr<DenseWeights> in_blocks;
  std::vector<float> x;
};

TEST_P(DenseBlocks, GiveWhatTheFloatsGive) {
  make(203, 512);
  expect_same(embed(*in_blocks, {202, 0, 17}), embed(*plain, {202, 0, 17}));
  for (const std::int64_t tokens : {std::int64_t{1}, kTokens}) {
    expect_same(linear(*in_blocks, tokens), linear(*plain, tokens));
  }
  const auto whole = top(*in_blocks);
  EXPECT_EQ(whole.first, kTokens * 203);
  cpu.prepare_top(*plain);
  cpu.prepare_top(*in_blocks);
  const auto [computed, some] = top(*in_blocks);
  const auto [computed_plain, some_plain] = top(*plain);
  EXPECT_LT(computed, whole.first);
  EXPECT_EQ(computed, computed_plain);
  expect_same(some, some_plain);
}

TEST_P(DenseBlocks, StayWhereTheyLieAndAreCounted) {
  make(16, 256);
  const auto bytes = static_cast<std::int64_t>(packed->size());
  EXPECT_EQ(in_blocks->bytes(), bytes);
  EXPECT_EQ(packed.use_count(), 2);
  const std::vector<float> before = embed(*in_blocks, {15});
  std::fill(packed->begin(), packed->end(), std::uint8_t{0});  // only to see that there is no copy
  EXPECT_NE(embed(*in_blocks, {15}), before);
  cpu.prepare_top(*in_blocks);
  EXPECT_EQ(in_blocks->bytes(), bytes + in_blocks->top_bytes());
}

TEST_P(DenseBlocks, RefuseRowsThatAreNotWholeBlocks) {
  testing_support::expect_error(ErrorKind::corrupt, {"head has 40 columns", "multiple of its block of "}, [&] {
    (void)cpu.prepare_dense({"head", DType::u8, nullptr, 2, 40, nullptr, GetParam().form});
  });
}

INSTANTIATE_TEST_SUITE_P(Forms, DenseBlocks,
                         testing::Values(BlockForm{DenseForm::q8_0, pack::QuantBlocks::q8_0},
                                         BlockForm{DenseForm::q4_0, pack::QuantBlocks::q4_0},
                                         BlockForm{DenseForm::q6_k, pack::QuantBlocks::q6_k}));

}  // namespace
}  // namespace bitnet::backend
