// What a user sees of each KvCacheType: its memory, and that tokens do not depend on how the text came in.
#include <gtest/gtest.h>

#include "bitnet/error.h"
#include "bitnet/session.h"

namespace bitnet {
namespace {

const std::string kNames[] = {"f32", "f16", "q8", "q4"};

Engine load(KvCacheType type, int threads = 2) {
  EngineOptions options;
  options.kv_cache = type;
  options.threads = threads;
  return Engine::load(BITNET_SOURCE_DIR "/models/fairy-bitnet", options);
}

class KvCacheTypes : public testing::TestWithParam<KvCacheType> {};

TEST_P(KvCacheTypes, TakeTheirMemory) {
  // 8 layers × keys and values × 4 heads of 64.
  const std::int64_t expected[] = {64 * 64 * 4, 64 * 64 * 2, 64 * (64 + 4), 64 * (32 + 4)};
  EXPECT_EQ(load(GetParam()).info().kv_bytes_per_token, expected[static_cast<int>(GetParam())]);
}

// A conversation in one pass, in two and token by token, with one thread and three.
TEST_P(KvCacheTypes, GiveTheSameTokensHoweverTheyCome) {
  const Engine engine = load(GetParam());
  InferenceSettings settings = engine.default_settings();
  settings.do_sample = false;
  settings.repetition_penalty = 1.0F;
  settings.max_new_tokens = 40;
  const std::vector<std::int32_t> prompt = engine.tokenizer().encode(
      "Once upon a time there was a poor miller who had a beautiful daughter. Now it happened that he had to go and "
      "speak to the king, and in order to make himself appear important he said to him:");
  Session whole(engine);
  const std::vector<std::int32_t> ids = whole.generate(std::span(prompt), settings).ids;
  ASSERT_EQ(ids.size(), 40U);

  Session chunks(engine);
  settings.max_new_tokens = 1;
  for (std::size_t length = 7; length < prompt.size(); length += 7) {
    (void)chunks.generate(std::span(prompt).first(length), settings);
  }
  settings.max_new_tokens = 40;
  EXPECT_EQ(chunks.generate(std::span(prompt), settings).ids, ids);

  // Prompt and answer so far, all of it again each time: what was a step before is now part of one pass.
  std::vector<std::int32_t> text = prompt;
  settings.max_new_tokens = 1;
  for (const std::size_t at : {std::size_t{0}, std::size_t{1}, std::size_t{20}, std::size_t{39}}) {
    text.resize(prompt.size());
    text.insert(text.end(), ids.begin(), ids.begin() + static_cast<std::ptrdiff_t>(at));
    Session fresh(engine);
    EXPECT_EQ(fresh.generate(std::span(text), settings).ids, std::vector<std::int32_t>{ids[at]}) << at;
  }

  const Engine three = load(GetParam(), 3);
  settings.threads = 3;
  settings.max_new_tokens = 40;
  Session other(three);
  EXPECT_EQ(other.generate(std::span(prompt), settings).ids, ids);
}

INSTANTIATE_TEST_SUITE_P(All, KvCacheTypes,
                         testing::Values(KvCacheType::f32, KvCacheType::f16, KvCacheType::q8, KvCacheType::q4),
                         [](const auto& info) { return kNames[static_cast<int>(info.param)]; });

TEST(KvCacheType, ThatDoesNotExistIsRefused) { EXPECT_THROW((void)load(static_cast<KvCacheType>(4)), Error); }

}  // namespace
}  // namespace bitnet
