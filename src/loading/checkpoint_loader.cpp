#include "loading/checkpoint_loader.h"

namespace bitnet::loading {
namespace {

using model::ModelWeights;
using model::TensorKind;
using model::TensorRule;

void load_linear(StoredLinear stored, backend::Backend& backend, model::LinearWeights& out) {
  out.name = std::move(stored.name);
  if (stored.ternary) {
    out.ternary = backend.prepare_ternary(*stored.ternary, std::move(stored.scales));
  } else {
    out.dense = backend.prepare_dense(*stored.dense);
    out.dense_bias = std::move(stored.dense_bias);
  }
}

void load_field(const StoredModel& stored, const TensorRule& rule, std::int64_t layer, backend::Backend& backend,
                ModelWeights& weights) {
  switch (rule.kind) {
    case TensorKind::norm:
      weights.norm(rule.field, layer) = stored.norm(rule, layer);
      if (!stored.config().norms_add_one) break;
      for (float& weight : weights.norm(rule.field, layer)) weight += 1.0F;
      break;
    case TensorKind::input_norm:
      weights.linear(rule.field, layer).input_norm = stored.norm(rule, layer);
      break;
    case TensorKind::dense:
      weights.dense(rule.field) = backend.prepare_dense(stored.dense(rule));
      break;
    case TensorKind::linear:
      load_linear(stored.linear(rule, layer), backend, weights.linear(rule.field, layer));
      stored.release(rule, layer);
      break;
  }
}

}  // namespace

LoadedModel load_checkpoint(const std::filesystem::path& path, backend::Backend& backend, const LoadHooks& hooks) {
  LoadedModel loaded;
  loaded.stored = open_model(path, hooks.log);
  StoredModel& stored = *loaded.stored;
  loaded.weights.layers.resize(static_cast<std::size_t>(stored.config().num_hidden_layers));
  // Everything is found and its shape checked before any weight is prepared: a bad file is refused at once.
  backend.reserve_ternary(check_all(stored, hooks.log));
  double steps = 0;
  for_each_field(stored.config(), [&](const TensorRule&, std::int64_t) { ++steps; });
  double done = 0;
  for_each_field(stored.config(), [&](const TensorRule& rule, std::int64_t layer) {
    const bool elsewhere = hooks.dense_from != nullptr && rule.kind == TensorKind::dense;
    if (elsewhere) (void)hooks.dense_from->check(rule, layer);
    load_field(elsewhere ? *hooks.dense_from : stored, rule, layer, backend, loaded.weights);
    if (hooks.on_progress) hooks.on_progress(++done / steps);
  });
  return loaded;
}

}  // namespace bitnet::loading
