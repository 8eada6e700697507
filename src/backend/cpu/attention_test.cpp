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

constexpr KvType kTypes[] = {KvType::f32, KvType::f16, KvType::q8, KvType::q4};

struct Result {
  std::vector<float> out;
  std::vector<float> probabilities;
  bool operator==(const Result&) const = default;
};

/// Attention of the last of `keys` tokens over a window, 6 query heads over 3 key heads of 40.
Result last_token(KvType type, std::int64_t keys, std::int64_t window, int threads) {
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
  cpu.attention(shape, 1, {q.data(), 1, 240}, {0.2F, window}, std::span(cursors).last(1), {result.out.data(), 1, 240},
                {result.probabilities.data(), 6, keys});
  return result;
}

// One token's heads are shared among the threads from some length on: the same bits as by one thread alone.
TEST(Attention, OfOneTokenIsTheSameWithEveryNumberOfThreads) {
  for (const KvType type : kTypes) {
    for (const std::int64_t keys : {31, 255, 256, 257, 300, 512}) {
      for (const std::int64_t window : {kAllKeys, std::int64_t{259}}) {
        const Result alone = last_token(type, keys, window, 1);
        for (const int threads : {2, 3, 5}) {
          EXPECT_EQ(last_token(type, keys, window, threads), alone) << keys << ' ' << window << ' ' << threads;
        }
      }
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
      // a key may not touch its value. A quantized row is NaN as a whole then: only that of the last token's last head.
      const bool quantized = shape.type == KvType::q8 || shape.type == KvType::q4;
      for (std::int64_t t = quantized ? length - 1 : 0; t < length; ++t) {
        const std::int64_t at = quantized ? width - 1 : t % width;
        rows[static_cast<std::size_t>((length + t) * width + at)] = std::numeric_limits<float>::infinity();
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
Result attend(const kernels::KernelTable& table, int threads, KvType type, std::int64_t group, std::int64_t window,
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
    cpu.attention(shape, 0, {q.data() + i * stride, step, width, stride}, {0.3F, window},
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

void expect_same_as_token_by_token(KvType type, std::int64_t group, std::int64_t window,
                                   std::span<const std::int64_t> lengths, std::span<const Row> rows, int threads) {
  const Result expected = attend(kernels::kScalarTable, 1, type, group, window, lengths, rows, false);
  for (const kernels::KernelTable* table : kernels::built_tables()) {
    if ((table->required & ~detect_cpu_features()) != 0) continue;
    for (const bool at_once : {false, true}) {
      const Result result = attend(*table, threads, type, group, window, lengths, rows, at_once);
      EXPECT_TRUE(same(result.out, expected.out)) << table->name << ' ' << at_once;
      EXPECT_TRUE(same(result.probabilities, expected.probabilities)) << table->name << ' ' << at_once;
    }
  }
}

// 1 key; within a block; across borders of blocks; whole items of 32 tokens and a rest; from the middle of a block.
TEST(Attention, OfAPromptIsTheSameAsTokenByToken) {
  for (const KvType type : kTypes) {
    for (const std::int64_t group : {1, 3, 4}) {
      for (const auto& [begin, end] : {std::pair<int, int>{0, 1}, {0, 40}, {5, 31}, {30, 34}, {32, 64}, {47, 118}}) {
        std::vector<Row> rows;
        for (std::int64_t position = begin; position < end; ++position) rows.push_back({0, position});
        const std::int64_t lengths[] = {end};
        expect_same_as_token_by_token(type, group, kAllKeys, lengths, rows, 1);
      }
    }
  }
}

// Windows that end in the block where they begin, or one or two blocks later; of one key.
TEST(Attention, OfAPromptOverAWindowIsTheSameAsTokenByToken) {
  std::vector<Row> rows;
  for (std::int64_t position = 20; position < 110; ++position) rows.push_back({0, position});
  const std::int64_t lengths[] = {110};
  for (const std::int64_t window : {1, 20, 37}) expect_same_as_token_by_token(KvType::q8, 3, window, lengths, rows, 1);
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
    const KvType type = *rc::gen::elementOf(std::vector<KvType>(std::begin(kTypes), std::end(kTypes)));
    const auto group = *rc::gen::inRange<std::int64_t>(1, 6);
    const std::int64_t window = *rc::gen::inRange<std::int64_t>(1, 130);
    expect_same_as_token_by_token(type, group, window, lengths, rows, *rc::gen::inRange(1, 5));
    RC_ASSERT(!testing::Test::HasFailure());
  }));
}

TEST(KvBlock, TakesTheMemoryOfItsType) {
  ThreadPool pool(1);
  const CpuBackend cpu(kernels::kScalarTable, pool);
  // 30 layers × keys and values × 5 heads of 128, and a float for each where it is quantized.
  const std::int64_t expected[] = {300 * 128 * 4, 300 * 128 * 2, 300 * (128 + 4), 300 * (64 + 4)};
  for (const KvType type : kTypes) {
    EXPECT_EQ(cpu.kv_block_bytes({30, 5, 128, type}), expected[static_cast<int>(type)] * cpu.kv_block_tokens());
    for (const std::int64_t head_dim : {1, 20, 40, 77}) EXPECT_EQ(cpu.kv_block_bytes({1, 1, head_dim, type}) % 64, 0);
  }
}

/// Random rows of one sequence, stored by `threads` threads, and read back: keys, then values.
struct OneSequence {
  OneSequence(const kernels::KernelTable& table, int threads, const KvShape& shape, std::int64_t length)
      : pool(threads), cpu(table, pool), width(shape.kv_heads * shape.head_dim) {
    Rng rng(9);
    rows.resize(static_cast<std::size_t>(2 * length * width));
    for (float& v : rows) v = static_cast<float>(rng.uniform() * 6 - 3);
    for (std::int64_t at = 0; at < length; at += cpu.kv_block_tokens()) {
      memory.push_back(cpu.make_kv_block(shape));
      pointers.push_back(memory.back().get());
    }
    for (std::int64_t t = 0; t < length; ++t) cursors.push_back({pointers.data(), t});
    const float* values = rows.data() + length * width;
    cpu.store_kv(shape, shape.layers - 1, {rows.data(), length, width}, {values, length, width}, cursors);
    read.resize(rows.size());
    for (std::int64_t t = 0; t < length; ++t) {
      // From a copy, which must hold the same.
      const auto copy = cpu.make_kv_block(shape);
      cpu.copy_kv_block(*pointers[static_cast<std::size_t>(t / cpu.kv_block_tokens())], *copy);
      const auto piece = [&](std::int64_t row) {
        return std::span(read).subspan(static_cast<std::size_t>(row * width), static_cast<std::size_t>(width));
      };
      cpu.read_kv(*copy, shape, shape.layers - 1, t % cpu.kv_block_tokens(), piece(t), piece(length + t));
    }
  }
  ThreadPool pool;
  CpuBackend cpu;
  std::int64_t width;
  std::vector<float> rows;  // [2 * length, width]: keys, then values
  std::vector<float> read;
  std::vector<std::unique_ptr<KvBlock>> memory;
  std::vector<KvBlock*> pointers;
  std::vector<KvCursor> cursors;
};

TEST(KvBlock, GivesBackWhatWasStoredToWithinHalfAStep) {
  constexpr std::int64_t kDim = 37;
  for (const KvType type : kTypes) {
    const KvShape shape{3, 2, kDim, type};
    const OneSequence one(kernels::choose_table("", detect_cpu_features()), 3, shape, 70);
    EXPECT_EQ(one.read, OneSequence(kernels::kScalarTable, 1, shape, 70).read);
    for (std::size_t begin = 0; begin < one.rows.size(); begin += kDim) {
      float most = 0.0F;
      for (std::size_t d = begin; d < begin + kDim; ++d) most = std::max(most, std::fabs(one.rows[d]));
      // f16: half of the last of 11 bits. q8 and q4: half a step, and the roundings of the code and the product.
      const float allowed[] = {0.0F, most * 0x1p-11F, most / 127 * 0.5001F, most / 7 * 0.5001F};
      for (std::size_t d = begin; d < begin + kDim; ++d) {
        ASSERT_LE(std::fabs(one.read[d] - one.rows[d]), allowed[static_cast<int>(type)]) << d;
      }
    }
  }
}

void expect_what_doubles_give(std::int64_t window) {
  constexpr double kUlp = 0x1p-24;
  constexpr std::int64_t kLength = 75;
  constexpr std::int64_t kGroup = 3;
  for (const KvType type : kTypes) {
    const KvShape shape{2, kKvHeads, kHeadDim, type};
    OneSequence one(kernels::choose_table("", detect_cpu_features()), 2, shape, kLength);
    const std::int64_t width = one.width * kGroup;
    std::vector<float> q(static_cast<std::size_t>(kLength * width));
    std::vector<float> out(q.size());
    Rng rng(4);
    for (float& v : q) v = static_cast<float>(rng.uniform() * 2 - 1);
    one.cpu.attention(shape, 1, {q.data(), kLength, width}, {0.25F, window}, one.cursors, {out.data(), kLength, width},
                      {});
    for (std::int64_t t = 0; t < kLength; ++t) {
      for (std::int64_t h = 0; h < kKvHeads * kGroup; ++h) {
        const float* query = q.data() + t * width + h * kHeadDim;
        const float* keys = one.read.data() + h / kGroup * kHeadDim;
        const std::int64_t first = std::max<std::int64_t>(0, t + 1 - window);
        std::vector<double> p;
        double worst = 0.0;  // error of a score
        for (std::int64_t j = first; j <= t; ++j) {
          double sum = 0.0;
          double magnitude = 0.0;
          for (std::int64_t d = 0; d < kHeadDim; ++d) {
            sum += 0.25 * query[d] * keys[j * one.width + d];
            magnitude += std::fabs(0.25 * query[d] * keys[j * one.width + d]);
          }
          p.push_back(sum);
          worst = std::max(worst, magnitude * (kHeadDim + 3) * kUlp);
        }
        const double most = *std::max_element(p.begin(), p.end());
        const double least = *std::min_element(p.begin(), p.end());
        double total = 0.0;
        for (double& x : p) total += x = std::exp(x - most);
        // Scores, their difference from the largest, exp (an ulp), the sum and its quotient, the products with values.
        const double relative = 2 * worst + (most - least + 2.0 + 2.0 * static_cast<double>(t + 1) + 5.0) * kUlp;
        for (std::int64_t d = 0; d < kHeadDim; ++d) {
          double expected = 0.0;
          double magnitude = 0.0;
          for (std::int64_t j = first; j <= t; ++j) {
            const double term = p[static_cast<std::size_t>(j - first)] / total * keys[(kLength + j) * one.width + d];
            expected += term;
            magnitude += std::fabs(term);
          }
          ASSERT_NEAR(out[static_cast<std::size_t>(t * width + h * kHeadDim + d)], expected, magnitude * relative)
              << "type " << static_cast<int>(type) << ", token " << t << ", head " << h;
        }
      }
    }
  }
}

TEST(Attention, IsWhatDoublesGiveOfTheStoredRows) { expect_what_doubles_give(kAllKeys); }
TEST(Attention, OverAWindowIsWhatDoublesGiveOfTheRowsInIt) { expect_what_doubles_give(20); }

// So many keys that the scores of 32 tokens would take too much memory: fewer tokens at a time.
TEST(Attention, OfALongContextIsTheSameAsTokenByToken) {
  const std::int64_t lengths[] = {9000};
  std::vector<Row> rows;
  for (std::int64_t position = 8975; position < 9000; ++position) rows.push_back({0, position});
  const auto& table = kernels::choose_table("", detect_cpu_features());
  const Result expected = attend(table, 1, KvType::f16, 4, kAllKeys, lengths, rows, false);
  const Result result = attend(table, 1, KvType::f16, 4, kAllKeys, lengths, rows, true);
  EXPECT_TRUE(same(result.out, expected.out));
  EXPECT_TRUE(same(result.probabilities, expected.probabilities));
}

}  // namespace
}  // namespace bitnet::backend
