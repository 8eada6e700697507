#pragma once

#include <cstdint>
#include <string_view>

namespace bitnet {

/// Sees the float tensors of a forward pass as they are made. Names, each with the shape of its rows × cols:
///
///   embed                       [tokens, hidden]      embedding output
///   blocks.N.attn.linear_in     [tokens, hidden]      input of q, k, v
///   blocks.N.attn.q / .k / .v   [tokens, heads·dim]   projections, before rope
///   blocks.N.attn.hook_pattern  [tokens·heads, keys]  attention probabilities, 0 beyond a token's own position
///   blocks.N.attn.z             [tokens, heads·dim]   input of o_proj, after the sub-norm
///   blocks.N.attn.out           [tokens, hidden]      output of o_proj
///   blocks.N.mlp.linear_in      [tokens, hidden]      input of gate and up
///   blocks.N.mlp.gate / .up     [tokens, intermediate]
///   blocks.N.mlp.act            [tokens, intermediate] input of down_proj, after the sub-norm
///   blocks.N.mlp.out            [tokens, hidden]      output of down_proj
///   blocks.N.hook_resid_post    [tokens, hidden]      output of the layer
///   final_norm                  [tokens, hidden]      input of the head
///
/// `name` is the part after "blocks.N."; `layer` is N, or -1 outside of the layers. Long prompts come in several
/// passes, each with its own rows. Called from the thread that runs the forward pass.
class ForwardObserver {
 public:
  virtual ~ForwardObserver() = default;
  /// Attention probabilities are only computed into a visible tensor when somebody wants them.
  [[nodiscard]] virtual bool wants_attention() const { return false; }
  virtual void on_tensor(std::string_view name, int layer, const float* data, std::int64_t rows, std::int64_t cols) = 0;
};

}  // namespace bitnet
