// What compare_models() finds between two forms of one model.
#include <gtest/gtest.h>

#include "base/float16.h"
#include "engine/verify.h"
#include "support/expect_error.h"
#include "support/tiny_checkpoint.h"

namespace bitnet {
namespace {

using testing_support::expect_error;
using testing_support::tiny_checkpoint;
using testing_support::tiny_config;
using testing_support::TinyCheckpoint;

std::filesystem::path write(const std::filesystem::path& folder, const TinyCheckpoint& checkpoint) {
  std::filesystem::create_directories(folder);
  checkpoint.write(folder);
  return folder;
}

TEST(CompareModels, FindsWhatDiffers) {
  const testing_support::TemporaryFolder folder;
  const TinyCheckpoint good = tiny_checkpoint(tiny_config());
  const Engine engine = Engine::load(write(folder.path() / "good", good));
  const auto failed = [&](const std::function<void(TinyCheckpoint&)>& spoil) {
    TinyCheckpoint other = tiny_checkpoint(tiny_config());
    spoil(other);
    std::vector<std::string> names;
    for (const Comparison& one :
         compare_models(engine, Engine::load(write(folder.path() / "other", other))).comparisons) {
      if (!one.ok()) names.push_back(one.name);
    }
    return names;
  };
  const std::string up = "model.layers.0.mlp.up_proj.weight";
  EXPECT_EQ(failed([](auto&) {}), std::vector<std::string>{});
  EXPECT_EQ(failed([&](auto& c) {
              std::uint8_t& byte = c.tensors.at(up).template as<std::uint8_t>()[17];
              byte = static_cast<std::uint8_t>((byte & 0xfc) | ((byte & 3) == 1 ? 2 : 1));
            }).front(),
            up);
  EXPECT_EQ(failed([&](auto& c) {
              std::uint16_t& scale = c.tensors.at(up + "_scale").template as<std::uint16_t>()[0];
              scale = f32_to_bf16(bf16_to_f32(scale) * 1.02F);
            }).front(),
            up + "_scale (relative)");
  EXPECT_EQ(failed([](auto& c) {
              std::uint16_t& weight = c.tensors.at("model.norm.weight").template as<std::uint16_t>()[3];
              weight = static_cast<std::uint16_t>(weight + 1);
            }).front(),
            "model.norm.weight");
  EXPECT_EQ(failed([](auto& c) { c.config["rope_theta"] = 500.0; }), std::vector<std::string>{"logits"});

  const auto other_shape = [&](const char* field, const Json& value) {
    Json config = tiny_config();
    config[field] = value;
    return Engine::load(write(folder.path() / "other", tiny_checkpoint(config)));
  };
  expect_error(ErrorKind::invalid_argument, {"intermediate_size is 80 and 96"},
               [&] { (void)compare_models(engine, other_shape("intermediate_size", 96)); });
  expect_error(ErrorKind::invalid_argument, {"attn_sub_norm is 1 and 0"},
               [&] { (void)compare_models(engine, other_shape("architectures", {"LlamaForCausalLM"})); });
  expect_error(ErrorKind::invalid_argument, {"bias in one form"},
               [&] { (void)compare_models(engine, other_shape("attention_bias", true)); });
}

}  // namespace
}  // namespace bitnet
