#include <array>
#include <cassert>

#include "model/forward_pass.h"

namespace bitnet::model {
namespace {

backend::Activation activation(HiddenAct act) {
  switch (act) {
    case HiddenAct::relu2:
      return backend::Activation::relu2;
    case HiddenAct::silu:
      return backend::Activation::silu;
    case HiddenAct::gelu:
      return backend::Activation::gelu;
    case HiddenAct::gelu_tanh:
      return backend::Activation::gelu_tanh;
  }
  assert(false);
  return backend::Activation::relu2;
}

}  // namespace

void feed_forward(const ForwardPass& pass, std::int64_t layer, const LayerWeights& weights, MatrixView<const float> x,
                  MatrixView<float> out) {
  Workspace& work = pass.work;
  backend::Backend& backend = pass.backend;
  const ModelConfig& config = pass.config;

  pass.show("mlp.linear_in", layer, x);
  if (config.feed_forward == FeedForwardKind::gated) {
    apply_linears(pass, x, std::array{&weights.gate, &weights.up}, std::array{work.gate, work.up});
    pass.show("mlp.gate", layer, work.gate);
    pass.show("mlp.up", layer, work.up);
    backend.activate_gated(activation(config.hidden_act), work.gate, work.up, work.up);
  } else {
    apply_linears(pass, x, std::array{&weights.up}, std::array{work.up});
    pass.show("mlp.up", layer, work.up);
    backend.activate(activation(config.hidden_act), work.up, work.up);
  }
  pass.norm(work.up, weights.ffn_sub_norm);
  pass.show("mlp.act", layer, work.up);
  apply_linears(pass, work.up, std::array{&weights.down}, std::array{out});
  pass.show("mlp.out", layer, out);
}

}  // namespace bitnet::model
