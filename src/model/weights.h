#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "backend/weights.h"
#include "model/tensor_names.h"

namespace bitnet::model {

/// One linear layer: ternary, or in full precision where modules_to_not_convert names it.
struct LinearWeights {
  std::string name;  ///< module name, "model.layers.0.mlp.down_proj"
  std::unique_ptr<backend::TernaryWeights> ternary;
  std::unique_ptr<backend::DenseWeights> dense;
  std::vector<float> dense_bias;  ///< [out], or empty
  std::vector<float> input_norm;  ///< [in], RMSNorm of its input; empty: none
};

/// Norms that a model does not have are empty.
struct LayerWeights {
  std::vector<float> input_norm;        // (hidden,)
  LinearWeights q;                      // (heads * head_dim, hidden)
  LinearWeights k;                      // (kv_heads * head_dim, hidden)
  LinearWeights v;                      // (kv_heads * head_dim, hidden)
  std::vector<float> q_norm;            // (head_dim,)
  std::vector<float> k_norm;            // (head_dim,)
  std::vector<float> attn_sub_norm;     // (heads * head_dim,)
  LinearWeights o;                      // (hidden, heads * head_dim)
  std::vector<float> attn_branch_norm;  // (hidden,)
  std::vector<float> ffn_norm;          // (hidden,)
  LinearWeights gate;                   // (intermediate, hidden); unused in the plain feed-forward
  LinearWeights up;                     // (intermediate, hidden)
  std::vector<float> ffn_sub_norm;      // (intermediate,)
  LinearWeights down;                   // (hidden, intermediate)
  std::vector<float> ffn_branch_norm;   // (hidden,)
};

struct ModelWeights {
  std::unique_ptr<backend::DenseWeights> embed;  // (vocab, hidden)
  std::vector<LayerWeights> layers;
  std::vector<float> final_norm;                // (hidden,)
  std::unique_ptr<backend::DenseWeights> head;  // (vocab, hidden); none: tied to embed

  [[nodiscard]] const backend::DenseWeights& output() const { return head ? *head : *embed; }

  [[nodiscard]] backend::DenseWeights& output() { return head ? *head : *embed; }

  /// The place of a field; `layer` counts only for fields of a layer. Each asserts that the field is of its kind.
  [[nodiscard]] LinearWeights& linear(Field field, std::int64_t layer);
  [[nodiscard]] std::vector<float>& norm(Field field, std::int64_t layer);
  [[nodiscard]] std::unique_ptr<backend::DenseWeights>& dense(Field field);

  /// The linear layer with this module name, or null.
  [[nodiscard]] const LinearWeights* find_linear(std::string_view name) const;
};

}  // namespace bitnet::model
