// Rotary angles of every kind of scaling against transformers.
#include <gtest/gtest.h>

#include "base/json.h"
#include "bitnet/error.h"
#include "formats/safetensors.h"
#include "model/rope.h"
#include "support/goldens.h"

namespace bitnet {
namespace {

TEST(RopeGolden, AnglesAreTheReferences) {
  const auto folder = testing_support::golden_folder() / "rope";
  const Json cases = read_json_file(folder / "rope.json");
  const formats::SafetensorsFile file(folder / "rope.safetensors");
  int compared = 0;
  for (const auto& [name, entry] : cases.items()) {
    SCOPED_TRACE(name);
    if (entry.contains("error")) continue;
    const auto head_dim = entry.at("head_dim").get<std::int64_t>();
    const Json json = {{"architectures", {"LlamaForCausalLM"}},
                       {"hidden_size", 2 * head_dim},
                       {"intermediate_size", 8},
                       {"num_hidden_layers", 1},
                       {"num_attention_heads", 2},
                       {"vocab_size", 8},
                       {"hidden_act", "silu"},
                       {"max_position_embeddings", entry.at("max_position_embeddings")},
                       {"rope_parameters", entry.at("rope_parameters")},
                       {"quantization_config", {{"quant_method", "bitnet"}}}};
    const auto type = entry.at("rope_parameters").at("rope_type").get<std::string>();
    if (type != "default" && type != "linear" && type != "llama3") {
      EXPECT_THROW((void)ModelConfig::from_json(json.dump(), name), Error);  // refused, never approximated
      continue;
    }
    model::RopeTable table(ModelConfig::from_json(json.dump(), name));
    const auto want = file.find(name + ".inv_freq")->view.as<float>();
    ASSERT_EQ(table.inv_freq().size(), want.size());
    for (std::size_t i = 0; i < want.size(); ++i) {
      EXPECT_NEAR(table.inv_freq()[i], want[i], want[i] * 1.2e-7) << i;  // one unit in the last place
    }
    const auto cos = file.find(name + ".cos")->view.as<float>();
    const auto sin = file.find(name + ".sin")->view.as<float>();
    const auto half = static_cast<std::size_t>(head_dim / 2);
    std::size_t row = 0;
    for (const Json& position : entry.at("positions")[0]) {
      const auto p = position.get<std::int64_t>();
      table.reserve(p + 1);
      for (std::size_t i = 0; i < half; ++i) {
        // An angle of p radians that is off by half a unit in the last place moves the cosine by as much.
        const double slack = 1e-6 + static_cast<double>(p) * 1.2e-7;
        EXPECT_NEAR(table.cos()[static_cast<std::size_t>(p) * half + i], cos[row * 2 * half + i], slack);
        EXPECT_NEAR(table.sin()[static_cast<std::size_t>(p) * half + i], sin[row * 2 * half + i], slack);
      }
      ++row;
    }
    ++compared;
  }
  EXPECT_GE(compared, 1);
}

}  // namespace
}  // namespace bitnet
