#include "loading/checkpoint_loader.h"

#include "base/fail.h"
#include "loading/tensor_binder.h"

namespace bitnet::loading {
namespace {

using model::Field;
using model::ModelWeights;
using model::TensorKind;
using model::TensorRule;

void load_rule(const TensorRule& rule, std::int64_t layer, TensorBinder& binder, LoadedModel& loaded) {
  ModelWeights& weights = loaded.weights;
  switch (rule.kind) {
    case TensorKind::norm: {
      std::vector<float>& norm = weights.norm(rule.field, layer);
      norm = binder.norm(rule, layer);
      if (!loaded.config.norms_add_one) break;
      for (float& weight : norm) weight += 1.0F;
      break;
    }
    case TensorKind::input_norm:
      weights.linear(rule.field, layer).input_norm = binder.norm(rule, layer);
      break;
    case TensorKind::dense:
      weights.dense(rule.field) = binder.dense(rule);
      break;
    case TensorKind::linear:
      weights.linear(rule.field, layer) = binder.linear(rule, layer);
      break;
  }
}

/// Checkpoints of base models lack the "model." of those with a head.
void drop_prefix_as_on_disk(const formats::SafetensorsCheckpoint& checkpoint, std::vector<TensorRule>& rules) {
  constexpr std::string_view kPrefix = "model.";
  if (checkpoint.find("embed_tokens.weight") == nullptr) return;
  for (TensorRule& rule : rules) {
    for (std::string_view& name : rule.names) {
      if (name.starts_with(kPrefix)) name.remove_prefix(kPrefix.size());
    }
  }
}

}  // namespace

LoadedModel load_checkpoint(const std::filesystem::path& path, backend::Backend& backend, const LoadHooks& hooks) {
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) fail(ErrorKind::not_found, "no such file or folder: {}", path.string());
  const std::filesystem::path folder = std::filesystem::is_directory(path) ? path : path.parent_path();
  LoadedModel loaded;
  loaded.config = ModelConfig::from_file(folder / "config.json");
  loaded.checkpoint = formats::SafetensorsCheckpoint::open(path);
  loaded.weights.layers.resize(static_cast<std::size_t>(loaded.config.num_hidden_layers));

  std::vector<TensorRule> rules = model::tensor_rules(loaded.config);
  drop_prefix_as_on_disk(loaded.checkpoint, rules);
  TensorBinder binder(loaded.config, loaded.checkpoint, folder, backend);
  // Everything is found and its shape checked before any weight is prepared: a bad file is refused at once.
  std::int64_t steps = 0;
  for (const TensorRule& rule : rules) {
    const std::int64_t layers = rule.per_layer ? loaded.config.num_hidden_layers : 1;
    for (std::int64_t layer = 0; layer < layers; ++layer) binder.check(rule, layer);
    steps += layers;
  }
  binder.refuse_unknown(hooks.log);
  binder.reserve();
  std::int64_t done = 0;
  for (const TensorRule& rule : rules) {
    const std::int64_t layers = rule.per_layer ? loaded.config.num_hidden_layers : 1;
    for (std::int64_t layer = 0; layer < layers; ++layer) {
      load_rule(rule, layer, binder, loaded);
      if (hooks.on_progress) hooks.on_progress(static_cast<double>(++done) / static_cast<double>(steps));
    }
  }
  return loaded;
}

}  // namespace bitnet::loading
