#include <gtest/gtest.h>

#include "backend/cpu/cpu_backend.h"
#include "base/cpu_features.h"
#include "base/rng.h"
#include "kernels/dispatch.h"

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

}  // namespace
}  // namespace bitnet::backend
