// The fingerprint of the whole program: greedy tokens of the default model over fixed prompts. A change of any kernel,
// op or file format that alters a single bit of a logit that matters shows here. Every kernel table must give it.
#include <gtest/gtest.h>

#include "base/cpu_features.h"
#include "bitnet/session.h"
#include "kernels/dispatch.h"

namespace bitnet {
namespace {

constexpr std::uint64_t kFingerprint = 0x3f7cbdbfbcb4b499;

/// FNV-1a over the ids, 32 bits each.
std::uint64_t fingerprint(const std::string& kernels) {
  EngineOptions options;
  options.kernels = kernels;
  const Engine engine = Engine::load(BITNET_SOURCE_DIR "/models/fairy-bitnet", options);
  InferenceSettings settings;
  settings.do_sample = false;
  settings.repetition_penalty = 1.0F;
  settings.max_new_tokens = 24;
  std::uint64_t hash = 0xcbf29ce484222325U;
  for (const char* prompt :
       {"Once upon a time", "The wolf said to the old woman:", "In the deep forest, where the snow"}) {
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
  const std::uint64_t found = fingerprint(GetParam()->name);
  EXPECT_EQ(found, kFingerprint) << std::hex << "0x" << found;
}

INSTANTIATE_TEST_SUITE_P(Tables, Fingerprint,
                         testing::ValuesIn(kernels::built_tables().begin(), kernels::built_tables().end()),
                         [](const auto& info) { return info.param->name; });

}  // namespace
}  // namespace bitnet
