#pragma once
/// What the kernel tests share: every table against the scalar one, random inputs, outputs with guards around them.

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <span>
#include <vector>

#include "base/float16.h"
#include "base/rng.h"
#include "kernels/dispatch.h"
#include "kernels/tables.h"

namespace bitnet::kernels {

/// Runs once for each table that was built; one that this processor lacks features for shows up as skipped.
class TableTest : public ::testing::TestWithParam<const KernelTable*> {
 protected:
  void SetUp() override {
    const CpuFeatures missing = table().required & ~detect_cpu_features();
    if (missing != 0) GTEST_SKIP() << table().name << " needs processor features " << describe(missing);
  }
  static const KernelTable& table() { return *GetParam(); }
};

#define BITNET_FOR_EACH_TABLE(suite)                                                                         \
  INSTANTIATE_TEST_SUITE_P(Tables, suite, ::testing::ValuesIn(built_tables().begin(), built_tables().end()), \
                           [](const auto& info) { return std::string(info.param->name); })

/// An array at an odd address, with a known pattern before and after it.
template <typename T>
class Guarded {
 public:
  explicit Guarded(std::int64_t size) : size_(size), bytes_(2 * kGuard + static_cast<std::size_t>(size) * sizeof(T)) {
    std::fill(bytes_.begin(), bytes_.end(), kPattern);
  }
  T* data() { return reinterpret_cast<T*>(bytes_.data() + kGuard); }
  const T* data() const { return reinterpret_cast<const T*>(bytes_.data() + kGuard); }
  T& operator[](std::int64_t i) { return data()[i]; }
  /// Whether all bytes, the guards and what lies between rows included, are the same as the other's. Two floats that
  /// are not numbers are the same: their payload depends on the processor.
  bool same_as(const Guarded& other) const {
    for (std::int64_t i = 0; i < size_; ++i) {
      if constexpr (std::is_same_v<T, float>) {
        if (std::isnan(data()[i]) && std::isnan(other.data()[i])) continue;
      }
      if (std::memcmp(data() + i, other.data() + i, sizeof(T)) != 0) return false;
    }
    return guards_whole() && other.guards_whole();
  }

 private:
  static constexpr std::size_t kGuard = 64 + 4;  // aligned for a float and no more
  static constexpr std::uint8_t kPattern = 0xa5;

  bool guards_whole() const {
    const auto whole = [](std::uint8_t b) { return b == kPattern; };
    return std::all_of(bytes_.begin(), bytes_.begin() + kGuard, whole) &&
           std::all_of(bytes_.end() - kGuard, bytes_.end(), whole);
  }

  std::int64_t size_;
  std::vector<std::uint8_t> bytes_;
};

/// Part of `rows` rows: one run, as many as kernels like, or another number.
inline RowRuns random_runs(std::int64_t rows) {
  const auto runs = *rc::gen::weightedElement<std::int64_t>({{2, 1}, {1, 3}, {4, kRowRuns}, {1, 7}});
  const auto apart = *rc::gen::inRange<std::int64_t>(0, rows / runs + 1);
  const auto begin = *rc::gen::inRange<std::int64_t>(0, rows - runs * apart + 1);
  const auto count = *rc::gen::inRange<std::int64_t>(0, apart + 1);
  return {begin, count, runs, apart};
}

/// A size from 0 to a few times `block`, near its multiples more often than not.
inline std::int64_t any_size(std::int64_t block, std::int64_t blocks = 3) {
  const auto multiple = *rc::gen::inRange<std::int64_t>(0, blocks + 1);
  const auto off = *rc::gen::weightedOneOf<std::int64_t>(
      {{3, rc::gen::element<std::int64_t>(-1, 0, 1)}, {2, rc::gen::inRange<std::int64_t>(0, block)}});
  return std::max<std::int64_t>(0, multiple * block + off);
}

enum class Values { ordinary, wide, special };

inline Values any_values() { return *rc::gen::element(Values::ordinary, Values::wide, Values::special); }

inline float random_float(Rng& rng, Values values) {
  const auto ordinary = static_cast<float>(rng.uniform() * 4.0 - 2.0);
  if (values == Values::ordinary) return ordinary;
  if (values == Values::special && rng.next() % 8 == 0) {
    using Limits = std::numeric_limits<float>;
    constexpr float kSpecial[] = {0.0F,
                                  -0.0F,
                                  Limits::infinity(),
                                  -Limits::infinity(),
                                  Limits::max(),
                                  -Limits::max(),
                                  Limits::denorm_min(),
                                  -Limits::min() / 4,
                                  Limits::min(),
                                  Limits::quiet_NaN(),
                                  65504.0F,
                                  70000.0F};
    return kSpecial[rng.next() % std::size(kSpecial)];
  }
  return std::ldexp(ordinary, static_cast<int>(rng.next() % 60) - 30);
}

inline std::vector<float> random_floats(std::uint64_t seed, std::int64_t n, Values values) {
  Rng rng(seed);
  std::vector<float> result(static_cast<std::size_t>(n));
  for (float& v : result) v = random_float(rng, values);
  return result;
}

inline std::uint64_t any_seed() { return *rc::gen::arbitrary<std::uint64_t>(); }

/// `values` as the bytes of one storage type.
inline std::vector<std::uint8_t> as_dense(DenseType type, const std::vector<float>& values) {
  const std::size_t each = type == DenseType::f32 ? 4 : 2;
  std::vector<std::uint8_t> bytes(values.size() * each);
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::uint16_t half = type == DenseType::f16 ? f32_to_f16(values[i]) : f32_to_bf16(values[i]);
    if (type == DenseType::f32) {
      std::memcpy(bytes.data() + i * each, &values[i], each);
    } else {
      std::memcpy(bytes.data() + i * each, &half, each);
    }
  }
  return bytes;
}

/// The values that as_dense stores, rounding included.
inline float dense_value(DenseType type, float v) {
  if (type == DenseType::f16) return f16_to_f32(f32_to_f16(v));
  return type == DenseType::bf16 ? bf16_to_f32(f32_to_bf16(v)) : v;
}

inline std::size_t index(auto type) { return static_cast<std::size_t>(type); }

}  // namespace bitnet::kernels
