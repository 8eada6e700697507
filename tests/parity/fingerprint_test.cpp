// The fingerprint of the whole program: greedy tokens of the default model over fixed prompts. A change of any kernel,
// op or file format that alters a single bit of a logit that matters shows here. Every kernel table must give it.
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/cpu_features.h"
#include "bitnet/session.h"
#include "kernels/dispatch.h"

namespace bitnet {
namespace {

constexpr std::uint64_t kFingerprint = 0x3f7cbdbfbcb4b499;

struct Expected {
  KvCacheType kv_cache;
  std::uint64_t fingerprint;
};
constexpr Expected kShortFingerprints[] = {{KvCacheType::f16, 0x60fdcf5579d6b222},
                                           {KvCacheType::q8, 0x60fdcf5579d6b222},
                                           {KvCacheType::q4, 0xb0e9ece203972953}};

/// FNV-1a over the ids, 32 bits each.
std::uint64_t fingerprint(const std::string& kernels, KvCacheType kv_cache, const std::vector<const char*>& prompts,
                          std::int32_t max_new_tokens) {
  EngineOptions options;
  options.kernels = kernels;
  options.kv_cache = kv_cache;
  const Engine engine = Engine::load(BITNET_SOURCE_DIR "/models/fairy-bitnet", options);
  InferenceSettings settings;
  settings.do_sample = false;
  settings.repetition_penalty = 1.0F;
  settings.max_new_tokens = max_new_tokens;
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (const char* prompt : prompts) {
    Session session(engine);
    for (const std::int32_t id : session.generate(prompt, settings).ids) {
      for (int byte = 0; byte < 4; ++byte) {
        hash = (hash ^ (static_cast<std::uint32_t>(id) >> (8 * byte) & 0xffU)) * 0x100000001b3U;
      }
    }
  }
  return hash;
}

class Fingerprint : public testing::TestWithParam<const kernels::KernelTable*> {};

TEST_P(Fingerprint, IsTheSameForEveryKernelTable) {
  if ((GetParam()->required & ~detect_cpu_features()) != 0) {
    GTEST_SKIP() << "this processor cannot run " << GetParam()->name;
  }
  const std::string kernels = GetParam()->name;
  const std::uint64_t found =
      fingerprint(kernels, KvCacheType::f32,
                  {"Once upon a time", "The wolf said to the old woman:", "In the deep forest, where the snow"}, 24);
  EXPECT_EQ(found, kFingerprint) << std::hex << "0x" << found;
  // Short: sanitizers and an emulator run this too, with every table.
  for (const auto& [kv_cache, expected] : kShortFingerprints) {
    const std::uint64_t other = fingerprint(kernels, kv_cache, {"The wolf said to the old woman:"}, 8);
    EXPECT_EQ(other, expected) << "KV cache type " << static_cast<int>(kv_cache) << std::hex << ": 0x" << other;
  }
}

INSTANTIATE_TEST_SUITE_P(Tables, Fingerprint,
                         testing::ValuesIn(kernels::built_tables().begin(), kernels::built_tables().end()),
                         [](const auto& info) { return info.param->name; });

/// Ids of a few generations that choose among few logits: greedy, penalised, sampled.
std::vector<std::vector<std::int32_t>> generations(bool copies, int threads, std::int64_t& head_rows) {
  EngineOptions options;
  options.head_copy = copies;
  options.down_copy = copies;
  options.threads = threads;
  const Engine engine = Engine::load(BITNET_SOURCE_DIR "/models/fairy-bitnet", options);
  InferenceSettings greedy;
  greedy.do_sample = false;
  greedy.repetition_penalty = 1.0F;
  greedy.max_new_tokens = 24;
  greedy.threads = threads;
  InferenceSettings penalised = greedy;
  penalised.repetition_penalty = 1.3F;
  InferenceSettings encouraged = greedy;
  encouraged.repetition_penalty = 0.8F;
  InferenceSettings sampled = penalised;
  sampled.do_sample = true;
  sampled.temperature = 1.7F;
  sampled.top_k = 40;
  sampled.top_p = 0.95F;
  sampled.seed = 5;
  InferenceSettings everything = sampled;
  everything.top_k = 0;
  std::vector<std::vector<std::int32_t>> all;
  for (const InferenceSettings& settings : {greedy, penalised, encouraged, sampled, everything}) {
    Session session(engine);
    const Generation result = session.generate("The king had three sons, and the youngest", settings);
    head_rows += result.head_rows;
    all.push_back(result.ids);
  }
  return all;
}

TEST(Copies, ChangeNoToken) {
  std::int64_t full_rows = 0;
  const auto full = generations(false, 2, full_rows);
  for (const int threads : {1, 3}) {
    std::int64_t rows = 0;
    EXPECT_EQ(generations(true, threads, rows), full) << threads << " threads";
    // Two of the five settings look at all logits.
    EXPECT_LT(rows, full_rows / 2) << threads << " threads";
  }
}

}  // namespace
}  // namespace bitnet
