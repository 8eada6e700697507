#include "model/tensor_names.h"

namespace bitnet::model {

std::vector<TensorRule> tensor_rules(const ModelConfig& c) {
  const std::int64_t hidden = c.hidden_size;
  const std::int64_t inter = c.intermediate_size;
  const std::int64_t heads = c.num_attention_heads * c.head_dim;
  const std::int64_t kv = c.num_key_value_heads * c.head_dim;
  const bool gated = c.feed_forward == FeedForwardKind::gated;
  constexpr auto kNorm = TensorKind::norm;
  constexpr auto kLinear = TensorKind::linear;
  constexpr auto kDense = TensorKind::dense;
  constexpr auto kInput = TensorKind::input_norm;

  struct Line {
    bool present;
    TensorRule rule;
  };
  // Sub-norms have two names: Microsoft's, and 1bitLLM's. Gemma calls post_attention_layernorm what follows attention,
  // Llama what comes before the feed-forward.
  const std::string_view ffn_norm =
      c.branch_norms ? "model.layers.{}.pre_feedforward_layernorm" : "model.layers.{}.post_attention_layernorm";
  const Line lines[] = {
      // clang-format off
      {true, {Field::embed, kDense, false, {"model.embed_tokens"}, "token_embd", c.vocab_size, hidden, false}},
      {true, {Field::input_norm, kNorm, true, {"model.layers.{}.input_layernorm"}, "blk.{}.attn_norm", hidden, 0, false}},
      {true, {Field::q, kLinear, true, {"model.layers.{}.self_attn.q_proj"}, "blk.{}.attn_q", heads, hidden, c.attention_bias}},
      {c.input_norms, {Field::q, kInput, true, {"model.layers.{}.self_attn.q_proj.norm"}, "blk.{}.attn_q_norm_in", hidden, 0, false}},
      {true, {Field::k, kLinear, true, {"model.layers.{}.self_attn.k_proj"}, "blk.{}.attn_k", kv, hidden, c.attention_bias}},
      {c.input_norms, {Field::k, kInput, true, {"model.layers.{}.self_attn.k_proj.norm"}, "blk.{}.attn_k_norm_in", hidden, 0, false}},
      {true, {Field::v, kLinear, true, {"model.layers.{}.self_attn.v_proj"}, "blk.{}.attn_v", kv, hidden, c.attention_bias}},
      {c.input_norms, {Field::v, kInput, true, {"model.layers.{}.self_attn.v_proj.norm"}, "blk.{}.attn_v_norm_in", hidden, 0, false}},
      {c.head_norms, {Field::q_norm, kNorm, true, {"model.layers.{}.self_attn.q_norm"}, "blk.{}.attn_q_norm", c.head_dim, 0, false}},
      {c.head_norms, {Field::k_norm, kNorm, true, {"model.layers.{}.self_attn.k_norm"}, "blk.{}.attn_k_norm", c.head_dim, 0, false}},
      {c.attn_sub_norm, {Field::attn_sub_norm, kNorm, true,
                         {"model.layers.{}.self_attn.attn_sub_norm", "model.layers.{}.self_attn.inner_attn_ln"},
                         "blk.{}.attn_sub_norm", heads, 0, false}},
      {true, {Field::o, kLinear, true, {"model.layers.{}.self_attn.o_proj"}, "blk.{}.attn_output", hidden, heads, c.attention_bias}},
      {c.input_norms, {Field::o, kInput, true, {"model.layers.{}.self_attn.o_proj.norm"}, "blk.{}.attn_output_norm_in", heads, 0, false}},
      {c.branch_norms, {Field::attn_branch_norm, kNorm, true, {"model.layers.{}.post_attention_layernorm"}, "blk.{}.post_attention_norm", hidden, 0, false}},
      {true, {Field::ffn_norm, kNorm, true, {ffn_norm}, "blk.{}.ffn_norm", hidden, 0, false}},
      {gated, {Field::gate, kLinear, true, {"model.layers.{}.mlp.gate_proj"}, "blk.{}.ffn_gate", inter, hidden, c.mlp_bias}},
      {gated && c.input_norms, {Field::gate, kInput, true, {"model.layers.{}.mlp.gate_proj.norm"}, "blk.{}.ffn_gate_norm_in", hidden, 0, false}},
      {true, {Field::up, kLinear, true, {"model.layers.{}.mlp.up_proj"}, "blk.{}.ffn_up", inter, hidden, c.mlp_bias}},
      {c.input_norms, {Field::up, kInput, true, {"model.layers.{}.mlp.up_proj.norm"}, "blk.{}.ffn_up_norm_in", hidden, 0, false}},
      {c.ffn_sub_norm, {Field::ffn_sub_norm, kNorm, true,
                        {"model.layers.{}.mlp.ffn_sub_norm", "model.layers.{}.mlp.ffn_layernorm"},
                        "blk.{}.ffn_sub_norm", inter, 0, false}},
      {true, {Field::down, kLinear, true, {"model.layers.{}.mlp.down_proj"}, "blk.{}.ffn_down", hidden, inter, c.mlp_bias}},
      {c.input_norms, {Field::down, kInput, true, {"model.layers.{}.mlp.down_proj.norm"}, "blk.{}.ffn_down_norm_in", inter, 0, false}},
      {c.branch_norms, {Field::ffn_branch_norm, kNorm, true, {"model.layers.{}.post_feedforward_layernorm"}, "blk.{}.post_ffw_norm", hidden, 0, false}},
      {true, {Field::final_norm, kNorm, false, {"model.norm"}, "output_norm", hidden, 0, false}},
      {!c.tie_word_embeddings, {Field::head, kDense, false, {"lm_head"}, "output", c.vocab_size, hidden, false}},
      // clang-format on
  };
  std::vector<TensorRule> rules;
  for (const Line& line : lines) {
    if (line.present) rules.push_back(line.rule);
  }
  return rules;
}

std::string with_layer(std::string_view pattern, std::int64_t layer) {
  std::string name(pattern);
  if (const std::size_t at = name.find("{}"); at != std::string::npos) name.replace(at, 2, std::to_string(layer));
  return name;
}

}  // namespace bitnet::model
