#pragma once
/// What a checkpoint's config.json says about the network.

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace bitnet {

enum class HiddenAct { relu2, silu, gelu, gelu_tanh };

/// As config.json spells it.
[[nodiscard]] std::string_view name_of(HiddenAct act);

enum class FeedForwardKind {
  gated,  ///< down(act(gate(x)) · up(x))
  plain,  ///< down(act(up(x))), the original design
};

/// What a layer's attention sees: everything before, or the last `sliding_window` tokens.
enum class LayerType { full_attention, sliding_attention };

enum class RopeType {
  standard,
  linear,
  llama3,
  factors,  ///< each pair's frequency divided by its own factor, as GGUF's rope_freqs.weight says
};

/// Rotary position embedding (Su et al. 2021); `llama3` as in Hugging Face's modeling_rope_utils.
struct RopeScaling {
  RopeType type = RopeType::standard;
  double factor = 1.0;
  double low_freq_factor = 1.0;
  double high_freq_factor = 4.0;
  std::int64_t original_max_position_embeddings = 0;
  std::vector<float> factors;  ///< [head_dim / 2], of RopeType::factors
};

/// How the ternary weights are stored and which way their scale works (docs/formats/huggingface-packed.md).
enum class LinearClass {
  bitlinear,      ///< y = sums / (s_x · weight_scale)
  autobitlinear,  ///< y = sums / s_x · weight_scale
};
enum class QuantizationMode {
  offline,      ///< packed weights and scales on disk
  online,       ///< float master weights, quantized when loaded
  dequantized,  ///< float weights that are ternary as they stand: each 0 or ± its scale
};

struct QuantizationConfig {
  LinearClass linear_class = LinearClass::bitlinear;
  QuantizationMode mode = QuantizationMode::offline;
  bool use_rms_norm = false;  ///< bitlinear only: an RMSNorm without weight before quantizing activations
  double rms_norm_eps = 1e-6;
  std::vector<std::string> modules_to_not_convert;  ///< module name parts whose linears stay in full precision
};

/// A plain value. Field names are those of Hugging Face's config.json.
struct ModelConfig {
  std::string architecture;  ///< e.g. "BitNetForCausalLM"
  std::int64_t hidden_size = 0;
  std::int64_t intermediate_size = 0;
  std::int64_t num_hidden_layers = 0;
  std::int64_t num_attention_heads = 0;
  std::int64_t num_key_value_heads = 0;
  std::int64_t head_dim = 0;  ///< explicit, or hidden_size / num_attention_heads
  std::int64_t vocab_size = 0;
  std::int64_t max_position_embeddings = 0;
  double rms_norm_eps = 1e-6;
  double rope_theta = 10000.0;
  RopeScaling rope_scaling;
  /// Gemma 3: theta of the layers with sliding attention, whose positions are not scaled; none: as the others.
  std::optional<double> rope_local_base_freq;
  std::vector<LayerType> layer_types;  ///< one a layer, or empty: full attention everywhere
  std::int64_t sliding_window = 0;     ///< tokens that a layer with sliding attention sees, its own included
  /// Scores are divided by its root; none: head_dim.
  std::optional<double> query_pre_attn_scalar;
  HiddenAct hidden_act = HiddenAct::silu;
  bool tie_word_embeddings = false;
  bool attention_bias = false;
  bool mlp_bias = false;
  double attention_dropout = 0.1;  ///< training only

  // What the architecture implies.
  FeedForwardKind feed_forward = FeedForwardKind::gated;
  bool attn_sub_norm = false;  ///< RMSNorm over the concatenated heads before o_proj
  bool ffn_sub_norm = false;   ///< RMSNorm before down_proj
  bool input_norms = false;    ///< RMSNorm on the input of every linear layer, `*_proj.norm`
  bool head_norms = false;     ///< RMSNorm on each head of queries and keys, before they are rotated
  bool branch_norms = false;   ///< RMSNorm on what attention and feed-forward add to the residual stream
  bool norms_add_one = false;  ///< all norms but input_norms scale by 1 + weight
  bool scale_embed = false;    ///< embeddings times sqrt(hidden_size)

  QuantizationConfig quantization;

  std::optional<std::int32_t> bos_token_id;
  std::vector<std::int32_t> eos_token_id;
  std::optional<std::int32_t> pad_token_id;

  [[nodiscard]] bool slides(std::int64_t layer) const {
    return !layer_types.empty() && layer_types[static_cast<std::size_t>(layer)] == LayerType::sliding_attention;
  }

  /// Reads and checks a config.json. `source` names it in errors. Throws Error(corrupt) for a missing or absurd
  /// field, Error(unsupported) for an architecture, activation, rope or quantization that the engine does not know;
  /// the message lists those it knows.
  static ModelConfig from_json(std::string_view json, std::string_view source);
  static ModelConfig from_file(const std::filesystem::path& path);
};

}  // namespace bitnet
