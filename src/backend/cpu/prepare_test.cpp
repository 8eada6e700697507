#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <numeric>
#include <vector>

#include "backend/cpu/cpu_backend.h"
#include "base/cpu_features.h"
#include "kernels/dispatch.h"

namespace bitnet::backend {
namespace {

struct Prepare : testing::Test {
  ThreadPool pool{2};
  CpuBackend cpu{kernels::choose_table("", detect_cpu_features()), pool};

  /// Rows of -1, 0, +1 that depend on `seed`, prepared.
  std::unique_ptr<TernaryWeights> ternary(std::int64_t out, std::int64_t in, int seed) {
    const std::vector<std::int8_t> rows = values(out, in, seed);
    return cpu.prepare_ternary(
        {"test", TernaryForm::int8_rows, DType::i8, reinterpret_cast<const std::byte*>(rows.data()), out, in},
        {{1.0F}});
  }
  static std::vector<std::int8_t> values(std::int64_t out, std::int64_t in, int seed) {
    std::vector<std::int8_t> rows(static_cast<std::size_t>(out * in));
    for (std::size_t i = 0; i < rows.size(); ++i) {
      rows[i] = static_cast<std::int8_t>((static_cast<int>(i) * 7 + static_cast<int>(i) / 5 + seed) % 3 - 1);
    }
    return rows;
  }
  static void expect_values(const TernaryWeights& weights, int seed) {
    const std::vector<std::int8_t> want = values(weights.out(), weights.in(), seed);
    std::vector<std::int8_t> got(want.size());
    for (std::int64_t r = 0; r < weights.out(); ++r) weights.read_row(r, got.data() + r * weights.in());
    EXPECT_EQ(got, want) << "seed " << seed;
  }
  std::vector<float> row(const DenseWeights& weights, std::int32_t id) {
    std::vector<float> out(static_cast<std::size_t>(weights.cols()));
    cpu.embed(weights, {&id, 1}, {out.data(), 1, weights.cols()});
    return out;
  }
};

TEST_F(Prepare, ReservedMemoryServesAnyOrderAndOthersToo) {
  const TernaryShape shapes[] = {{40, 300}, {7, 64}, {1200, 5000}, {1, 1}};
  cpu.reserve_ternary(shapes);
  std::vector<std::unique_ptr<TernaryWeights>> made;
  made.push_back(ternary(1200, 5000, 0));
  made.push_back(ternary(9, 9, 1));       // not announced
  made.push_back(ternary(900, 5000, 2));  // more than is left
  made.push_back(ternary(40, 300, 3));
  cpu.reserve_ternary({});  // the weights keep what they have
  made.push_back(ternary(7, 64, 4));
  for (std::size_t i = 0; i < made.size(); ++i) expect_values(*made[i], static_cast<int>(i));
}

TEST_F(Prepare, OwnedBytesAreUsedWhereTheyLie) {
  auto values = std::make_shared<std::vector<float>>(6);
  std::iota(values->begin(), values->end(), 1.0F);
  const std::weak_ptr<std::vector<float>> watch = values;
  const auto* data = reinterpret_cast<const std::byte*>(values->data());
  auto weights = cpu.prepare_dense({"test", DType::f32, data, 2, 3, values});
  values->back() = 9.0F;  // only to see that there is no copy
  values.reset();
  EXPECT_FALSE(watch.expired());
  EXPECT_EQ(row(*weights, 1), (std::vector<float>{4, 5, 9}));
  weights.reset();
  EXPECT_TRUE(watch.expired());
}

TEST_F(Prepare, OtherBytesAreCopied) {
  auto bytes = std::make_shared<std::vector<std::byte>>(4 * 4 + 1);
  const std::vector<float> want = {1, 2, 3, 4};
  for (const std::size_t offset : {0, 1}) {
    std::memcpy(bytes->data() + offset, want.data(), 16);
    const bool owned = offset == 1;  // but not aligned
    const auto weights = cpu.prepare_dense(
        {"test", DType::f32, bytes->data() + offset, 1, 4, owned ? std::shared_ptr<const void>(bytes) : nullptr});
    std::fill(bytes->begin(), bytes->end(), std::byte{0});
    EXPECT_EQ(bytes.use_count(), 1) << offset;
    EXPECT_EQ(row(*weights, 0), want) << offset;
  }
}

}  // namespace
}  // namespace bitnet::backend
