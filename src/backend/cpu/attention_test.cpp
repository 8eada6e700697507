#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "backend/cpu/cpu_backend.h"
#include "base/cpu_features.h"
#include "base/rng.h"
#include "kernels/dispatch.h"
#include "kernels/tables.h"

namespace bitnet::backend {
namespace {

struct Result {
  std::vector<float> out;
  std::vector<float> probabilities;
  bool operator==(const Result&) const = default;
};

/// Attention of the last of `keys` tokens, 6 query heads over 3 key heads of 40.
Result last_token(KvType type, std::int64_t keys, int threads) {
  ThreadPool pool(threads);
  CpuBackend cpu(kernels::choose_table("", detect_cpu_features()), pool);
  const KvShape shape{2, 3, 40, type};
  std::vector<std::unique_ptr<KvBlock>> blocks;
  std::vector<KvBlock*> pointers;
  for (std::int64_t at = 0; at < keys; at += cpu.kv_block_tokens()) {
    blocks.push_back(cpu.make_kv_block(shape));
    pointers.push_back(blocks.back().get());
  }
  Rng rng(8);
  const auto random = [&](std::int64_t n) {
    std::vector<float> values(static_cast<std::size_t>(n));
    for (float& v : values) v = static_cast<float>(rng.uniform() * 2 - 1);
    return values;
  };
  std::vector<KvCursor> cursors;
  for (std::int64_t t = 0; t < keys; ++t) cursors.push_back({pointers.data(), t});
  const auto k = random(keys * 120);
  const auto v = random(keys * 120);
  cpu.store_kv(shape, 1, {k.data(), keys, 120}, {v.data(), keys, 120}, cursors);
  const auto q = random(240);
  Result result{std::vector<float>(240), std::vector<float>(static_cast<std::size_t>(6 * keys))};
  cpu.attention(shape, 1, {q.data(), 1, 240}, 0.2F, std::span(cursors).last(1), {result.out.data(), 1, 240},
                {result.probabilities.data(), 6, keys});
  return result;
}

// One token's heads are shared among the threads from some length on: the same bits as by one thread alone.
TEST(Attention, OfOneTokenIsTheSameWithEveryNumberOfThreads) {
  for (const KvType type : {KvType::f32, KvType::f16}) {
    for (const std::int64_t keys : {31, 255, 256, 257, 300, 512}) {
      const Result alone = last_token(type, keys, 1);
      for (const int threads : {2, 3, 5}) EXPECT_EQ(last_token(type, keys, threads), alone) << keys << ' ' << threads;
    }
  }
}

constexpr std::int64_t kKvHeads = 2;
constexpr std::int64_t kHeadDim = 40;  // two and a half vectors

/// Sequences of some length each, their keys and values stored.
struct Sequences {
  Sequences(CpuBackend& cpu, const KvShape& shape, std::span<const std::int64_t> lengths) {
    Rng rng(5);
    const std::int64_t width = shape.kv_heads * shape.head_dim;
    for (const std::int64_t length : lengths) {
      auto& blocks = pointers.emplace_back();
      std::vector<KvCursor> cursors;
      for (std::int64_t at = 0; at < length; at += cpu.kv_block_tokens()) {
        memory.push_back(cpu.make_kv_block(shape));
        blocks.push_back(memory.back().get());
      }
      for (std::int64_t t = 0; t < length; ++t) cursors.push_back({blocks.data(), t});
      std::vector<float> rows(static_cast<std::size_t>(2 * length * width));
      for (float& v : rows) v = static_cast<float>(rng.uniform() * 2 - 1);
      // An infinite value each in a dimension of its own: 0 times infinity would be NaN, so a token that does not see
      // a key may not touch its value.
      for (std::int64_t t = 0; t < length; ++t) {
        rows[static_cast<std::size_t>((length + t) * width + t % width)] = std::numeric_limits<float>::infinity();
      }
      cpu.store_kv(shape, 0, {rows.data(), length, width}, {rows.data() + length * width, length, width}, cursors);
    }
  }
  std::vector<std::unique_ptr<KvBlock>> memory;
  std::vector<std::vector<KvBlock*>> pointers;
};

/// Rows of a call: tokens of some sequences, in the order given.
struct Row {
  std::size_t sequence;
  std::int64_t position;
};

/// The call at once, or with one call for each token. q: as many random numbers as needed, the same each time.
Result attend(const kernels::KernelTable& table, int threads, KvType type, std::int64_t group,
              std::span<const std::int64_t> lengths, std::span<const Row> rows, bool at_once) {
  ThreadPool pool(threads);
  CpuBackend cpu(table, pool);
  const KvShape shape{1, kKvHeads, kHeadDim, type};
  const Sequences sequences(cpu, shape, lengths);
  const auto count = static_cast<std::int64_t>(rows.size());
  const std::int64_t heads = kKvHeads * group;
  const std::int64_t width = heads * kHeadDim;
  const std::int64_t stride = width + 3;  // rows of a wider matrix
  const std::int64_t keys = *std::max_element(lengths.begin(), lengths.end());
  std::vector<float> q(static_cast<std::size_t>(count * stride));
  Rng rng(6);
  for (float& v : q) v = static_cast<float>(rng.uniform() * 8 - 4);
  std::vector<KvCursor> cursors;
  for (const Row& row : rows) cursors.push_back({sequences.pointers[row.sequence].data(), row.position});
  Result result{std::vector<float>(static_cast<std::size_t>(count * stride), -5.0F),
                std::vector<float>(static_cast<std::size_t>(count * heads * keys), -5.0F)};
  const std::int64_t step = at_once ? count : 1;
  for (std::int64_t i = 0; i < count; i += step) {
    cpu.attention(shape, 0, {q.data() + i * stride, step, width, stride}, 0.3F,
                  std::span(cursors).subspan(static_cast<std::size_t>(i), static_cast<std::size_t>(step)),
                  {result.out.data() + i * stride, step, width, stride},
                  {result.probabilities.data() + i * heads * keys, step * heads, keys});
  }
  return result;
}

/// Equal bits, but that every NaN is a NaN.
bool same(const std::vector<float>& a, const std::vector<float>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](float x, float y) {
    return (std::isnan(x) && std::isnan(y)) || std::memcmp(&x, &y, sizeof x) == 0;
  });
}

void expect_same_as_token_by_token(KvType type, std::int64_t group, std::span<const std::int64_t> lengths,
                                   std::span<const Row> rows, int threads) {
  const Result expected = attend(kernels::kScalarTable, 1, type, group, lengths, rows, false);
  for (const kernels::KernelTable* table : kernels::built_tables()) {
    if ((table->required & ~detect_cpu_features()) != 0) continue;
    for (const bool at_once : {false, true}) {
      const Result result = attend(*table, threads, type, group, lengths, rows, at_once);
      EXPECT_TRUE(same(result.out, expected.out)) << table->name << ' ' << at_once;
      EXPECT_TRUE(same(result.probabilities, expected.probabilities)) << table->name << ' ' << at_once;
    }
  }
}

// 1 key; within a block; across borders of blocks; whole items of 32 tokens and a rest; from the middle of a block.
TEST(Attention, OfAPromptIsTheSameAsTokenByToken) {
  for (const KvType type : {KvType::f32, KvType::f16}) {
    for (const std::int64_t group : {1, 3, 4}) {
      for (const auto& [begin, end] : {std::pair<int, int>{0, 1}, {0, 40}, {5, 31}, {30, 34}, {32, 64}, {47, 118}}) {
        std::vector<Row> rows;
        for (std::int64_t position = begin; position < end; ++position) rows.push_back({0, position});
        const std::int64_t lengths[] = {end};
        expect_same_as_token_by_token(type, group, lengths, rows, 1);
      }
    }
  }
}

// Runs of tokens of several sequences, in any order, also the same token again and runs that go on without a break.
TEST(Attention, OfManySequencesIsTheSameAsTokenByToken) {
  EXPECT_TRUE(rc::check("at once = one by one", [] {
    const auto lengths = *rc::gen::container<std::vector<std::int64_t>>(3, rc::gen::inRange<std::int64_t>(1, 100));
    std::vector<Row> rows;
    const auto runs = *rc::gen::inRange(1, 5);
    for (int run = 0; run < runs; ++run) {
      const auto sequence = *rc::gen::inRange<std::size_t>(0, 3);
      const auto begin = *rc::gen::inRange<std::int64_t>(0, lengths[sequence]);
      const auto end = *rc::gen::inRange<std::int64_t>(begin, lengths[sequence]) + 1;
      for (std::int64_t position = begin; position < end; ++position) rows.push_back({sequence, position});
    }
    const KvType type = *rc::gen::element(KvType::f32, KvType::f16);
    const auto group = *rc::gen::inRange<std::int64_t>(1, 6);
    expect_same_as_token_by_token(type, group, lengths, rows, *rc::gen::inRange(1, 5));
    RC_ASSERT(!testing::Test::HasFailure());
  }));
}

// So many keys that the scores of 32 tokens would take too much memory: fewer tokens at a time.
TEST(Attention, OfALongContextIsTheSameAsTokenByToken) {
  const std::int64_t lengths[] = {9000};
  std::vector<Row> rows;
  for (std::int64_t position = 8975; position < 9000; ++position) rows.push_back({0, position});
  const auto& table = kernels::choose_table("", detect_cpu_features());
  const Result expected = attend(table, 1, KvType::f16, 4, lengths, rows, false);
  const Result result = attend(table, 1, KvType::f16, 4, lengths, rows, true);
  EXPECT_TRUE(same(result.out, expected.out));
  EXPECT_TRUE(same(result.probabilities, expected.probabilities));
}

}  // namespace
}  // namespace bitnet::backend
