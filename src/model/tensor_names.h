#pragma once
/// The one table that ties a checkpoint's tensors to the transformer's fields.

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bitnet/model_config.h"

namespace bitnet::model {

/// Fields of ModelWeights and LayerWeights (weights.h).
enum class Field {
  embed,
  input_norm,
  q,
  k,
  v,
  q_norm,
  k_norm,
  attn_sub_norm,
  o,
  attn_branch_norm,
  ffn_norm,
  gate,
  up,
  ffn_sub_norm,
  down,
  ffn_branch_norm,
  final_norm,
  head,
};

enum class TensorKind {
  linear,  ///< [rows, cols]: ternary, or dense where the configuration says so; with its scale and bias
  dense,   ///< [rows, cols] in full precision
  norm,    ///< [rows]
  /// [rows], of the input of the linear layer `field`; scales by itself also where other norms add one
  input_norm,
};

/// One field of a configured model. In a layer's names "{}" stands for the layer's number.
struct TensorRule {
  Field field;
  TensorKind kind;
  bool per_layer;
  std::vector<std::string_view> names;  ///< Hugging Face module names (".weight" follows), the usual one first
  std::string_view gguf;                ///< GGUF name (".weight" follows)
  std::int64_t rows;
  std::int64_t cols;  ///< 0 for norms
  bool bias;          ///< a ".bias" belongs to it
};

/// The fields that a model of this configuration has; every one of them is required. An input_norm comes after its
/// linear.
[[nodiscard]] std::vector<TensorRule> tensor_rules(const ModelConfig& config);

/// "model.layers.{}.mlp" with layer 3 → "model.layers.3.mlp".
[[nodiscard]] std::string with_layer(std::string_view pattern, std::int64_t layer);

}  // namespace bitnet::model
