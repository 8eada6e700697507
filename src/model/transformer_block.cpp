#include "model/forward_pass.h"

namespace bitnet::model {

void transformer_block(const ForwardPass& pass, std::int64_t layer, const LayerWeights& weights) {
  Workspace& work = pass.work;
  backend::Backend& backend = pass.backend;
  const auto eps = static_cast<float>(pass.config.rms_norm_eps);

  backend.rms_norm(work.x, weights.input_norm, eps, work.normed);
  attention(pass, layer, weights, work.normed, work.branch);
  pass.norm(work.branch, weights.attn_branch_norm);
  backend.add(work.x, work.branch);

  backend.rms_norm(work.x, weights.ffn_norm, eps, work.normed);
  feed_forward(pass, layer, weights, work.normed, work.branch);
  pass.norm(work.branch, weights.ffn_branch_norm);
  backend.add(work.x, work.branch);
  pass.show("hook_resid_post", layer, work.x);
}

}  // namespace bitnet::model
