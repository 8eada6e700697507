#pragma once
/// Small random checkpoints in Hugging Face layout, made tensor by tensor so that a test can spoil one.

#include <filesystem>
#include <fstream>
#include <map>
#include <random>
#include <string>

#include "base/float16.h"
#include "base/json.h"
#include "bitnet/model_config.h"
#include "formats/safetensors.h"
#include "model/tensor_names.h"
#include "support/temporary_folder.h"
#include "tensor/tensor.h"

namespace bitnet::testing_support {

inline void write_text(const std::filesystem::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

/// config.json of a small gated model with sub-norms, packed offline.
inline Json tiny_config() {
  return Json::parse(R"({"architectures": ["BitNetForCausalLM"], "hidden_act": "relu2", "hidden_size": 48,
    "intermediate_size": 80, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 20,
    "vocab_size": 50, "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
    "tie_word_embeddings": false, "eos_token_id": 2, "bos_token_id": 1,
    "quantization_config": {"quant_method": "bitnet", "linear_class": "autobitlinear", "quantization_mode": "offline"}})");
}

struct TinyCheckpoint {
  Json config;
  std::map<std::string, Tensor> tensors;

  void write(const std::filesystem::path& folder) const {
    write_text(folder / "config.json", config.dump());
    std::vector<formats::NamedTensor> list;
    for (const auto& [name, tensor] : tensors) list.push_back({name, tensor.view()});
    formats::write_safetensors(folder / "model.safetensors", list);
  }
};

inline Tensor bf16_tensor(const Shape& shape, std::mt19937& random, float mean, float spread) {
  Tensor tensor(DType::bf16, shape);
  std::normal_distribution<float> normal(mean, spread);
  for (std::uint16_t& value : tensor.as<std::uint16_t>()) value = f32_to_bf16(normal(random));
  return tensor;
}

/// Random tensors for every name that the configuration calls for, as its quantization stores them.
inline TinyCheckpoint tiny_checkpoint(const Json& config, unsigned seed = 1) {
  const ModelConfig parsed = ModelConfig::from_json(config.dump(), "config.json");
  std::mt19937 random(seed);
  TinyCheckpoint out;
  out.config = config;
  const bool master = parsed.quantization.mode == QuantizationMode::online;
  const bool design = parsed.feed_forward == FeedForwardKind::plain && !master;
  for (const model::TensorRule& rule : model::tensor_rules(parsed)) {
    for (std::int64_t layer = 0; layer < (rule.per_layer ? parsed.num_hidden_layers : 1); ++layer) {
      const std::string name = model::with_layer(rule.names.front(), layer);
      if (rule.bias) out.tensors[name + ".bias"] = bf16_tensor(Shape{rule.rows}, random, 0.0F, 0.1F);
      if (rule.kind == model::TensorKind::norm || rule.kind == model::TensorKind::input_norm) {
        out.tensors[name + ".weight"] = bf16_tensor(Shape{rule.rows}, random, 1.0F, 0.2F);
      } else if (rule.kind == model::TensorKind::dense || master) {
        out.tensors[name + ".weight"] = bf16_tensor(Shape{rule.rows, rule.cols}, random, 0.0F, 0.3F);
      } else if (design) {
        Tensor packed(DType::u32, Shape{rule.rows, rule.cols / 16});
        for (std::uint32_t& word : packed.as<std::uint32_t>()) {
          for (int i = 0; i < 16; ++i) word |= static_cast<std::uint32_t>(random() % 3) << (2 * i);
        }
        out.tensors[name + ".packed_weights"] = std::move(packed);
        Tensor scales(DType::f32, Shape{rule.rows});
        for (float& scale : scales.as<float>()) scale = 0.05F + static_cast<float>(random() % 100) * 0.001F;
        out.tensors[name + ".weight_scales"] = std::move(scales);
      } else {
        Tensor packed(DType::u8, Shape{(rule.rows + 3) / 4, rule.cols});
        for (std::uint8_t& byte : packed.as<std::uint8_t>()) {
          for (int i = 0; i < 4; ++i) byte |= static_cast<std::uint8_t>(random() % 3 << (2 * i));
        }
        out.tensors[name + ".weight"] = std::move(packed);
        out.tensors[name + ".weight_scale"] = bf16_tensor(Shape{1}, random, 0.08F, 0.005F);
      }
    }
  }
  return out;
}

}  // namespace bitnet::testing_support
