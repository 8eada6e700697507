#include <array>
#include <cmath>
#include <vector>

#include "model/forward_pass.h"

namespace bitnet::model {

void attention(const ForwardPass& pass, std::int64_t layer, const LayerWeights& weights, MatrixView<const float> x,
               MatrixView<float> out) {
  Workspace& work = pass.work;
  backend::Backend& backend = pass.backend;
  const ModelConfig& config = pass.config;

  pass.show("attn.linear_in", layer, x);
  apply_linears(pass, x, std::array{&weights.q, &weights.k, &weights.v}, std::array{work.q, work.k, work.v});
  pass.show("attn.q", layer, work.q);
  pass.show("attn.k", layer, work.k);
  pass.show("attn.v", layer, work.v);

  const bool slides = config.slides(layer);
  const RopeTable& rope = slides ? pass.local_rope : pass.rope;
  pass.norm(work.q, weights.q_norm);
  pass.norm(work.k, weights.k_norm);
  backend.rope(work.q, config.head_dim, pass.tokens, rope.cos(), rope.sin());
  backend.rope(work.k, config.head_dim, pass.tokens, rope.cos(), rope.sin());
  backend.store_kv(pass.kv, layer, work.k, work.v, pass.tokens);

  // Probabilities leave the backend only when somebody looks at them.
  std::vector<float> memory;
  MatrixView<float> probabilities;
  if (pass.observer != nullptr && pass.observer->wants_attention()) {
    std::int64_t keys = 0;
    for (const backend::KvCursor& token : pass.tokens) keys = std::max(keys, token.position + 1);
    const std::int64_t rows = x.rows * config.num_attention_heads;
    memory.assign(static_cast<std::size_t>(rows * keys), 0.0F);
    probabilities = {memory.data(), rows, keys};
  }
  const double size = config.query_pre_attn_scalar.value_or(static_cast<double>(config.head_dim));
  const backend::AttentionRule rule{static_cast<float>(1.0 / std::sqrt(size)),
                                    slides ? config.sliding_window : backend::kAllKeys};
  backend.attention(pass.kv, layer, work.q, rule, pass.tokens, work.z, probabilities);
  if (probabilities.data != nullptr) pass.show("attn.hook_pattern", layer, probabilities);

  pass.norm(work.z, weights.attn_sub_norm);
  pass.show("attn.z", layer, work.z);
  apply_linears(pass, work.z, std::array{&weights.o}, std::array{out});
  pass.show("attn.out", layer, out);
}

}  // namespace bitnet::model
