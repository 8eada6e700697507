#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <numeric>
#include <vector>

#include "backend/cpu/cpu_backend.h"
#include "base/cpu_features.h"
#include "kernels/dispatch.h"
#include "support/expect_error.h"

namespace bitnet::backend {
namespace {

using testing_support::expect_error;

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

/// One form on disk of rows of -1, 0, +1, and what it is made of.
struct Stored {
  TernarySource source;
  std::vector<std::byte> bytes;
};

Stored stored_as(TernaryForm form, const std::vector<std::int8_t>& rows, std::int64_t out, std::int64_t in) {
  Stored stored{{"test", form, DType::u8, nullptr, out, in}, {}};
  const auto code = [&](std::int64_t row, std::int64_t column) {
    return row < out ? rows[static_cast<std::size_t>(row * in + column)] + 1 : 1;
  };
  if (form == TernaryForm::huggingface_packed) {
    const std::int64_t packed_rows = (out + 3) / 4;
    for (std::int64_t i = 0; i < packed_rows * in; ++i) {
      int byte = 0;
      for (int k = 0; k < 4; ++k) byte |= code(k * packed_rows + i / in, i % in) << (2 * k);
      stored.bytes.push_back(static_cast<std::byte>(byte));
    }
  } else if (form == TernaryForm::design_packed) {
    for (std::int64_t i = 0; i < out * in; i += 4) {  // words of sixteen, lowest bits first
      int byte = 0;
      for (int k = 0; k < 4; ++k) byte |= code((i + k) / in, (i + k) % in) << (2 * k);
      stored.bytes.push_back(static_cast<std::byte>(byte));
    }
  } else {
    for (const std::int8_t w : rows) stored.bytes.push_back(static_cast<std::byte>(w));
  }
  stored.source.decode = [&rows, in](std::int64_t row, std::int64_t count, std::int8_t* weights) {
    std::copy_n(rows.begin() + row * in, count * in, weights);
  };
  stored.source.data = stored.bytes.data();
  return stored;
}

constexpr TernaryForm kIntegerForms[] = {TernaryForm::huggingface_packed, TernaryForm::design_packed,
                                         TernaryForm::int8_rows, TernaryForm::decoded};

// Rows long enough for groups of base 3 and for several turns of reading, as many as four does not divide.
TEST(PrepareTernary, EveryFormGivesTheSameRowsInEveryCoding) {
  constexpr std::int64_t kOut = 203;
  constexpr std::int64_t kIn = 2800;
  const std::vector<std::int8_t> rows = Prepare::values(kOut, kIn, 2);
  for (const kernels::KernelTable* table : kernels::built_tables()) {
    ThreadPool pool(3);
    CpuBackend cpu(*table, pool);  // its kernels are not called
    for (const TernaryForm form : kIntegerForms) {
      for (const std::int64_t group : {0, 64}) {
        const Stored stored = stored_as(form, rows, kOut, kIn);
        const std::vector<float> scales(group == 0 ? 1 : static_cast<std::size_t>(kOut * ((kIn + 63) / 64)), 1.0F);
        const auto weights = cpu.prepare_ternary(stored.source, {scales, group});
        std::vector<std::int8_t> got(rows.size());
        for (std::int64_t r = 0; r < kOut; ++r) weights->read_row(r, got.data() + r * kIn);
        EXPECT_EQ(got, rows) << table->name << ", form " << static_cast<int>(form) << ", group " << group;
      }
    }
  }
}

TEST(PrepareTernary, NamesThePlaceOfABadCode) {
  constexpr std::int64_t kOut = 203;
  constexpr std::int64_t kIn = 2800;
  std::vector<std::int8_t> rows = Prepare::values(kOut, kIn, 1);
  rows[150 * kIn + 17] = 2;
  for (const kernels::KernelTable* table : kernels::built_tables()) {
    ThreadPool pool(2);
    CpuBackend cpu(*table, pool);
    for (const TernaryForm form : kIntegerForms) {
      const Stored stored = stored_as(form, rows, kOut, kIn);
      expect_error(ErrorKind::corrupt, {"test: row 150, column 17 holds no ternary weight"},
                   [&] { (void)cpu.prepare_ternary(stored.source, {{1.0F}}); });
    }
  }
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
