#include "loading/checkpoint_loader.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>

#include "backend/cpu/cpu_backend.h"
#include "base/cpu_features.h"
#include "bitnet/error.h"
#include "kernels/dispatch.h"
#include "support/expect_error.h"
#include "support/tiny_checkpoint.h"

namespace bitnet::loading {
namespace {

using testing_support::TemporaryFolder;
using testing_support::tiny_checkpoint;
using testing_support::tiny_config;
using testing_support::TinyCheckpoint;

class Loader : public testing::Test {
 protected:
  ThreadPool pool{2};
  backend::CpuBackend backend{kernels::choose_table("", detect_cpu_features()), pool};
  TemporaryFolder folder;

  LoadedModel load(const TinyCheckpoint& checkpoint, const LoadHooks& hooks = {}) {
    checkpoint.write(folder.path());
    return load_checkpoint(folder.path(), backend, hooks);
  }
};

TEST_F(Loader, BindsEveryFieldAndReportsProgress) {
  std::vector<double> progress;
  const LoadedModel loaded = load(tiny_checkpoint(tiny_config()), {[&](double f) { progress.push_back(f); }, {}});
  ASSERT_EQ(loaded.weights.layers.size(), 2U);
  const model::LayerWeights& layer = loaded.weights.layers[1];
  EXPECT_EQ(layer.q.ternary->out(), 80);
  EXPECT_EQ(layer.k.ternary->out(), 40);
  EXPECT_EQ(layer.down.ternary->in(), 80);
  EXPECT_EQ(layer.attn_sub_norm.size(), 80U);
  EXPECT_EQ(layer.ffn_sub_norm.size(), 80U);
  EXPECT_NE(loaded.weights.head, nullptr);
  EXPECT_EQ(loaded.weights.find_linear("model.layers.1.mlp.down_proj"), &layer.down);
  EXPECT_EQ(loaded.weights.find_linear("model.layers.9.mlp.down_proj"), nullptr);
  EXPECT_TRUE(std::is_sorted(progress.begin(), progress.end()));
  EXPECT_EQ(progress.back(), 1.0);
}

TEST_F(Loader, PackedWeightsHoldFourRowBlocks) {
  TinyCheckpoint checkpoint = tiny_checkpoint(tiny_config());
  const auto packed = checkpoint.tensors.at("model.layers.0.mlp.up_proj.weight").as<std::uint8_t>();
  std::vector<std::uint8_t> bytes(packed.begin(), packed.end());
  const LoadedModel loaded = load(checkpoint);
  std::vector<std::int8_t> row(48);
  for (std::int64_t r = 0; r < 80; ++r) {
    loaded.weights.layers[0].up.ternary->read_row(r, row.data());
    for (std::int64_t c = 0; c < 48; ++c) {
      const int code = bytes[static_cast<std::size_t>(r % 20 * 48 + c)] >> (2 * (r / 20)) & 3;
      ASSERT_EQ(row[static_cast<std::size_t>(c)], code - 1) << r << ", " << c;
    }
  }
}

// numerics.md: a wrong scale on gate, up or v hides behind the next norm. So each tensor's scale is looked at itself.
TEST_F(Loader, EachScaleGoesToItsOwnTensorInItsOwnDirection) {
  for (const bool divides : {false, true}) {
    Json config = tiny_config();
    if (divides) config["quantization_config"].erase("linear_class");
    TinyCheckpoint checkpoint = tiny_checkpoint(config);
    float value = 1.0F;
    for (auto& [name, tensor] : checkpoint.tensors) {
      if (!name.ends_with("weight_scale")) continue;
      tensor = Tensor(DType::f32, Shape{1});
      tensor.as<float>()[0] = value++;
    }
    const LoadedModel loaded = load(checkpoint);
    int seen = 0;
    for (const auto& [name, tensor] : checkpoint.tensors) {
      if (!name.ends_with("weight_scale")) continue;
      const std::string module = name.substr(0, name.size() - std::string(".weight_scale").size());
      const model::LinearWeights* linear = loaded.weights.find_linear(module);
      ASSERT_NE(linear, nullptr) << module;
      EXPECT_EQ(linear->ternary->scales().values, std::vector<float>{tensor.as<float>()[0]}) << module;
      EXPECT_EQ(linear->ternary->scales().rule,
                divides ? backend::ScaleRule::divide : backend::ScaleRule::multiply_after_bias)
          << module;
      ++seen;
    }
    EXPECT_EQ(seen, 14);
  }
}

TEST_F(Loader, ScalesPerRowAndPerGroup) {
  TinyCheckpoint checkpoint = tiny_checkpoint(tiny_config());
  const auto set = [&](const std::string& name, const Shape& shape) {
    Tensor scales(DType::f32, shape);
    for (float& scale : scales.as<float>()) scale = 0.5F;
    checkpoint.tensors[name] = std::move(scales);
  };
  set("model.layers.0.mlp.down_proj.weight_scale", Shape{48, 2});  // 80 inputs: groups of 64
  set("model.layers.1.mlp.down_proj.weight_scale", Shape{48, 1});
  set("model.layers.1.mlp.up_proj.weight_scale", Shape{80});
  const LoadedModel loaded = load(checkpoint);
  EXPECT_EQ(loaded.weights.layers[0].down.ternary->scales().group, 64);
  EXPECT_EQ(loaded.weights.layers[0].down.ternary->scales().values.size(), 96U);
  EXPECT_EQ(loaded.weights.layers[1].down.ternary->scales().group, 0);
  EXPECT_EQ(loaded.weights.layers[1].down.ternary->scales().values.size(), 48U);
  EXPECT_EQ(loaded.weights.layers[1].up.ternary->scales().values.size(), 80U);
}

TEST_F(Loader, MastersAreQuantizedByAbsmean) {
  Json config = tiny_config();
  config["quantization_config"]["quantization_mode"] = "online";
  TinyCheckpoint checkpoint = tiny_checkpoint(config);
  const std::vector<float> master = to_f32(checkpoint.tensors.at("model.layers.0.mlp.gate_proj.weight").view());
  const LoadedModel loaded = load(checkpoint);
  double sum = 0;
  for (const float w : master) sum += std::fabs(w);
  const double mean = sum / static_cast<double>(master.size());
  const backend::TernaryWeights& gate = *loaded.weights.layers[0].gate.ternary;
  EXPECT_NEAR(gate.scales().values.at(0), mean, mean * 1e-6);
  std::vector<std::int8_t> row(48);
  gate.read_row(7, row.data());
  for (std::size_t c = 0; c < 48; ++c) {
    const double ratio = std::fabs(master[7 * 48 + c]) / mean;
    EXPECT_EQ(row[c] != 0, ratio > 0.5) << ratio;
  }
}

TEST_F(Loader, SideScalesOfADequantizedFolderBelongToItsWeights) {
  Json config = tiny_config();
  config["quantization_config"]["quantization_mode"] = "online";
  TinyCheckpoint checkpoint = tiny_checkpoint(config);
  checkpoint.config.erase("quantization_config");
  formats::SafetensorsMetadata metadata = {{"bitnet_core.scale_rule", "divide"}};
  std::vector<formats::NamedTensor> list;
  for (auto& [name, tensor] : checkpoint.tensors) {
    if (name.find("_proj") != std::string::npos) {
      for (std::uint16_t& w : tensor.as<std::uint16_t>()) w = f32_to_bf16(bf16_to_f32(w) > 0.1F ? 0.25F : -0.25F);
      metadata["bitnet_core.scale." + name.substr(0, name.rfind(".weight"))] = "[4.001]";  // 1 / it is 0.25 in bf16
    }
    list.push_back({name, tensor.view()});
  }
  const auto load_with = [&](const std::string& up) {
    testing_support::write_text(folder.path() / "config.json", checkpoint.config.dump());
    metadata["bitnet_core.scale.model.layers.1.mlp.up_proj"] = up;
    formats::write_safetensors(folder.path() / "model.safetensors", list, metadata);
    return load_checkpoint(folder.path(), backend, {});
  };
  const LoadedModel loaded = load_with("[4.001]");
  EXPECT_EQ(loaded.weights.layers[1].up.ternary->scales().values, std::vector<float>{4.001F});
  EXPECT_EQ(loaded.weights.layers[1].up.ternary->scales().rule, backend::ScaleRule::divide);
  using testing_support::expect_error;
  expect_error(ErrorKind::corrupt, {"up_proj", "do not belong together"}, [&] { (void)load_with("[4.1]"); });
  expect_error(ErrorKind::corrupt, {"up_proj", "holds 3 scales"}, [&] { (void)load_with("[4, 4, 4]"); });
  for (const char* bad : {"4", "[\"4\"]", "[[4]]"}) {
    expect_error(ErrorKind::corrupt, {"up_proj", "not a list of numbers"}, [&] { (void)load_with(bad); });
  }
  expect_error(ErrorKind::corrupt, {"up_proj"}, [&] { (void)load_with("[4"); });
}

TEST_F(Loader, OtherFamiliesLoad) {
  Json llama = tiny_config();
  llama["architectures"] = {"LlamaForCausalLM"};
  llama["hidden_act"] = "silu";
  llama["attention_bias"] = true;
  EXPECT_TRUE(load(tiny_checkpoint(llama)).weights.layers[0].attn_sub_norm.empty());
  EXPECT_EQ(load(tiny_checkpoint(llama)).weights.layers[0].q.ternary->scales().bias.size(), 80U);

  Json plain = tiny_config();
  plain["architectures"] = {"BitnetCoreForCausalLM"};
  plain.erase("quantization_config");
  plain["hidden_act"] = "gelu";
  const LoadedModel original = load(tiny_checkpoint(plain));
  EXPECT_EQ(original.weights.layers[0].gate.ternary, nullptr);
  EXPECT_EQ(original.weights.layers[0].up.ternary->scales().values.size(), 80U);

  Json one_bit = tiny_config();
  one_bit["architectures"] = {"BitnetForCausalLM"};
  one_bit.erase("quantization_config");
  one_bit["weight_bits"] = 1;
  TinyCheckpoint checkpoint = tiny_checkpoint(one_bit);
  for (int layer = 0; layer < 2; ++layer) {  // 1bitLLM's names of the sub-norms
    const std::string prefix = "model.layers." + std::to_string(layer);
    const auto rename = [&](const std::string& from, const std::string& to) {
      auto node = checkpoint.tensors.extract(prefix + from);
      node.key() = prefix + to;
      checkpoint.tensors.insert(std::move(node));
    };
    rename(".self_attn.attn_sub_norm.weight", ".self_attn.inner_attn_ln.weight");
    rename(".mlp.ffn_sub_norm.weight", ".mlp.ffn_layernorm.weight");
  }
  EXPECT_EQ(load(checkpoint).weights.layers[1].ffn_sub_norm.size(), 80U);
}

TEST_F(Loader, ModulesThatAreNotConvertedStayDense) {
  Json config = tiny_config();
  config["quantization_config"]["modules_to_not_convert"] = {"o_proj"};
  TinyCheckpoint checkpoint = tiny_checkpoint(config);
  std::mt19937 random(3);
  for (int layer = 0; layer < 2; ++layer) {
    const std::string name = "model.layers." + std::to_string(layer) + ".self_attn.o_proj";
    checkpoint.tensors.erase(name + ".weight_scale");
    checkpoint.tensors[name + ".weight"] = testing_support::bf16_tensor(Shape{48, 80}, random, 0, 0.1F);
  }
  const LoadedModel loaded = load(checkpoint);
  EXPECT_NE(loaded.weights.layers[0].o.dense, nullptr);
  EXPECT_EQ(loaded.weights.layers[0].o.ternary, nullptr);
}

TEST_F(Loader, DerivedTensorsAreNamedInTheLog) {
  Json config = tiny_config();
  config["tie_word_embeddings"] = true;
  TinyCheckpoint checkpoint = tiny_checkpoint(config);
  checkpoint.tensors["lm_head.weight"] = Tensor(DType::bf16, Shape{50, 48});
  checkpoint.tensors["model.layers.0.self_attn.rotary_emb.inv_freq"] = Tensor(DType::f32, Shape{10});
  std::vector<std::string> log;
  const LoadedModel loaded = load(checkpoint, {{}, [&](const std::string& line) { log.push_back(line); }});
  EXPECT_EQ(loaded.weights.head, nullptr);
  EXPECT_EQ(log.size(), 2U);
}

struct Fault {
  const char* name;
  std::function<void(TinyCheckpoint&)> spoil;
  std::vector<std::string> expected;  // parts of the message
};

class LoaderFaults : public Loader, public testing::WithParamInterface<Fault> {};

TEST_P(LoaderFaults, GiveOneClearError) {
  TinyCheckpoint checkpoint = tiny_checkpoint(tiny_config());
  GetParam().spoil(checkpoint);
  try {
    (void)load(checkpoint);
    FAIL() << "loaded";
  } catch (const Error& error) {
    for (const std::string& part : GetParam().expected) {
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
    }
  }
}

const std::string kUp = "model.layers.1.mlp.up_proj";

INSTANTIATE_TEST_SUITE_P(
    All, LoaderFaults,
    testing::Values(
        Fault{"missing_weight", [](auto& c) { c.tensors.erase(kUp + ".weight"); }, {kUp + ".weight is missing"}},
        Fault{"missing_scale",
              [](auto& c) { c.tensors.erase(kUp + ".weight_scale"); },
              {kUp + ".weight_scale is missing"}},
        Fault{"missing_norm", [](auto& c) { c.tensors.erase("model.norm.weight"); }, {"model.norm.weight is missing"}},
        Fault{"missing_head", [](auto& c) { c.tensors.erase("lm_head.weight"); }, {"lm_head.weight is missing"}},
        Fault{"extra",
              [](auto& c) {
                c.tensors["model.layers.2.mlp.up_proj.weight"] = Tensor(DType::u8, Shape{20, 48});
              },
              {"model.layers.2.mlp.up_proj.weight", "belongs to no part", "2 layers"}},
        Fault{"misshaped",
              [](auto& c) {
                c.tensors[kUp + ".weight"] = Tensor(DType::u8, Shape{21, 48});
              },
              {kUp, "[21, 48]", "[20, 48]"}},
        Fault{"unpacked",
              [](auto& c) {
                c.tensors[kUp + ".weight"] = Tensor(DType::bf16, Shape{80, 48});
              },
              {kUp, "BF16", "U8"}},
        Fault{"misshaped_norm",
              [](auto& c) { c.tensors["model.norm.weight"] = Tensor(DType::bf16, Shape{47}); },
              {"model.norm.weight", "[47]", "[48]"}},
        Fault{"misshaped_scale",
              [](auto& c) { c.tensors[kUp + ".weight_scale"] = Tensor(DType::f32, Shape{3}); },
              {kUp, "[3]"}},
        Fault{"code_three",
              [](auto& c) { c.tensors.at(kUp + ".weight").template as<std::uint8_t>()[2 * 48 + 5] = 0b01110100; },
              {kUp + ".weight", "row 42, column 5"}},
        Fault{"nan_scale",
              [](auto& c) { c.tensors.at(kUp + ".weight_scale").template as<std::uint16_t>()[0] = 0x7fc0; },
              {kUp + ".weight_scale", "nan"}},
        Fault{"zero_scale",
              [](auto& c) { c.tensors.at(kUp + ".weight_scale").template as<std::uint16_t>()[0] = 0; },
              {kUp + ".weight_scale", "greater than 0"}},
        Fault{"infinite_norm",
              [](auto& c) { c.tensors.at("model.norm.weight").template as<std::uint16_t>()[3] = 0x7f80; },
              {"model.norm.weight", "element 3", "inf"}},
        Fault{"fewer_layers",
              [](auto& c) { c.config["num_hidden_layers"] = 1; },
              {"model.layers.1.", "belongs to no part"}},
        Fault{"more_layers", [](auto& c) { c.config["num_hidden_layers"] = 3; }, {"model.layers.2.", "is missing"}}),
    [](const auto& info) { return info.param.name; });

TEST_F(Loader, WeightsOutliveTheirFile) {
  const auto rows = [&](const LoadedModel& loaded) {
    const std::int32_t ids[] = {0, 5, 31};
    std::vector<float> out(6 * 48);
    backend.embed(*loaded.weights.embed, ids, {out.data(), 3, 48});
    backend.embed(*loaded.weights.head, ids, {out.data() + 3 * 48, 3, 48});
    return out;
  };
  LoadedModel replaced = load(tiny_checkpoint(tiny_config()));
  replaced.stored.reset();
  const std::vector<float> before = rows(replaced);
  const std::filesystem::path file = folder.path() / "model.safetensors";
  const auto size = std::filesystem::file_size(file);
  testing_support::write_text(folder.path() / "other", std::string(size, 'x'));
  std::filesystem::rename(folder.path() / "other", file);
  EXPECT_EQ(rows(replaced), before);

  LoadedModel deleted = load(tiny_checkpoint(tiny_config()));
  deleted.stored.reset();
  std::filesystem::remove(file);
  EXPECT_EQ(rows(deleted), before);
}

TEST_F(Loader, AbsentFilesAreNamed) {
  const auto message = [&](const std::filesystem::path& path) -> std::string {
    try {
      (void)load_checkpoint(path, backend, {});
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::not_found);
      return error.what();
    }
    return "";
  };
  EXPECT_NE(message("/nonexistent/model").find("/nonexistent/model"), std::string::npos);
  EXPECT_NE(message(folder.path()).find("config.json"), std::string::npos);
  testing_support::write_text(folder.path() / "config.json", tiny_config().dump());
  EXPECT_NE(message(folder.path()).find("model.safetensors"), std::string::npos);
}

}  // namespace
}  // namespace bitnet::loading
