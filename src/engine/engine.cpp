#include "bitnet/engine.h"

#include <cstdlib>
#include <iterator>

#include "base/cpu_features.h"
#include "base/fail.h"
#include "base/json.h"
#include "engine/engine_state.h"
#include "kernels/dispatch.h"
#include "loading/checkpoint_loader.h"

namespace bitnet {
namespace {

std::shared_ptr<EngineState> make_state(const EngineOptions& options) {
  std::string name = options.kernels;
  if (const char* forced = std::getenv("BITNET_KERNELS"); name.empty() && forced != nullptr) name = forced;
  return std::make_shared<EngineState>(kernels::choose_table(name, detect_cpu_features()), options);
}

backend::KvType kv_type(KvCacheType type) {
  constexpr backend::KvType kTypes[] = {backend::KvType::f32, backend::KvType::f16, backend::KvType::q8,
                                        backend::KvType::q4};
  const auto index = static_cast<std::size_t>(type);
  if (index >= std::size(kTypes)) {
    fail(ErrorKind::invalid_argument, "EngineOptions.kv_cache is {}; expected f32, f16, q8 or q4 (0 to 3)", index);
  }
  return kTypes[index];
}

void add_transformer(EngineState& state, ModelConfig config, model::ModelWeights weights,
                     const EngineOptions& options) {
  if (options.head_copy) state.backend.prepare_top(weights.output());
  if (options.down_copy && config.hidden_act == HiddenAct::relu2) {
    std::vector<backend::TernaryWeights*> down;
    for (model::LayerWeights& layer : weights.layers) {
      if (layer.down.ternary) down.push_back(layer.down.ternary.get());
    }
    state.backend.prepare_columns(down);
  }
  state.settings.threads = options.threads;
  state.transformer.emplace(std::move(config), std::move(weights), state.backend, kv_type(options.kv_cache));
}

/// Of a checkpoint that is no folder.
ChatTemplate chat_template_of(const loading::StoredModel& stored, const std::string& path) {
  const Json config = parse_json(stored.companion("tokenizer_config.json").value(), path);
  const auto chat = config.find("chat_template");
  if (chat == config.end()) return ChatTemplate::plain();
  std::map<std::string, std::string> special;
  for (const auto& [key, value] : config.items()) {
    if (key.ends_with("_token") && value.is_string()) special[key] = value.get<std::string>();
  }
  return ChatTemplate::from_source(chat->get<std::string>(), std::move(special), path + " (chat template)");
}

void load_text(const loading::StoredModel& stored, EngineState& state) {
  const ModelConfig& config = stored.config();
  if (!stored.folder().empty()) {
    const std::filesystem::path path = stored.folder() / "tokenizer.json";
    if (!std::filesystem::exists(path)) return;
    state.tokenizer = Tokenizer::from_file(path);
    state.chat_template = ChatTemplate::from_folder(stored.folder());
  } else {
    const auto json = stored.companion("tokenizer.json");
    if (!json) return;
    state.tokenizer = Tokenizer::from_json(*json, state.path.string() + " (tokenizer)");
    state.chat_template = chat_template_of(stored, state.path.string());
  }
  for (auto id = static_cast<std::int32_t>(config.vocab_size); id < state.tokenizer->vocab_size(); ++id) {
    if (state.tokenizer->is_special(id)) continue;  // Gemma has one for images, which text models have no row for
    fail(ErrorKind::corrupt,
         "{}: the tokenizer has ids up to {}, but the model has a vocab_size of {}; they belong to "
         "other models",
         state.path.string(), state.tokenizer->vocab_size() - 1, config.vocab_size);
  }
}

void load_settings(const loading::StoredModel& stored, EngineState& state) {
  state.settings.eos_token_id = stored.config().eos_token_id;
  state.settings.bos_token_id = stored.config().bos_token_id;
  state.settings.pad_token_id = stored.config().pad_token_id;
  if (const auto text = stored.companion("generation_config.json")) {
    state.settings.apply_json(*text, state.path.string() + " (generation_config.json)", false);
  }
}

std::int64_t norm_count(const ModelConfig& config) {
  std::int64_t count = 0;
  for (const model::TensorRule& rule : model::tensor_rules(config)) {
    const bool norm = rule.kind == model::TensorKind::norm || rule.kind == model::TensorKind::input_norm;
    if (norm) count += rule.rows * (rule.per_layer ? config.num_hidden_layers : 1);
  }
  return count;
}

void count_linear(const model::LinearWeights& linear, ModelInfo& info) {
  if (linear.ternary) {
    info.ternary_parameters += linear.ternary->out() * linear.ternary->in();
    info.parameters += linear.ternary->out() * linear.ternary->in();
    info.parameters += static_cast<std::int64_t>(linear.ternary->scales().bias.size());
    info.weight_bytes += linear.ternary->bytes();
    info.bytes_per_token += linear.ternary->token_bytes();
  } else if (linear.dense) {
    info.parameters += linear.dense->rows() * linear.dense->cols();
    info.parameters += static_cast<std::int64_t>(linear.dense_bias.size());
    info.weight_bytes += linear.dense->bytes();
    info.bytes_per_token += linear.dense->bytes();
  }
}

}  // namespace

Engine Engine::load(const std::filesystem::path& path, const EngineOptions& options) {
  std::shared_ptr<EngineState> state = make_state(options);
  const std::unique_ptr<loading::StoredModel> dense_from =
      options.dense_from.empty() ? nullptr : loading::open_model(options.dense_from, options.log);
  loading::LoadedModel loaded =
      loading::load_checkpoint(path, state->backend, {options.on_progress, options.log, dense_from.get()});
  const loading::StoredModel& stored = *loaded.stored;
  for (const loading::StoredTensor& tensor : stored.tensors()) {
    const auto dims = tensor.shape.dims();
    state->tensors.push_back({tensor.name, tensor.type, {dims.begin(), dims.end()}, tensor.bytes});
  }
  state->path = path;
  state->folder = stored.folder();
  load_text(stored, *state);
  load_settings(stored, *state);
  add_transformer(*state, stored.config(), std::move(loaded.weights), options);
  return Engine(std::move(state));
}

Engine Engine::synthetic(const ModelConfig& config, std::uint64_t seed, const EngineOptions& options,
                         std::int64_t gate_bias) {
  if (gate_bias < 0 || gate_bias > config.hidden_size) {
    fail(ErrorKind::invalid_argument, "Engine::synthetic: gate_bias is {}; expected 0 to the hidden size {}", gate_bias,
         config.hidden_size);
  }
  std::shared_ptr<EngineState> state = make_state(options);
  model::ModelWeights weights =
      loading::random_weights(config, {seed, gate_bias}, state->backend, {options.on_progress, options.log});
  add_transformer(*state, config, std::move(weights), options);
  return Engine(std::move(state));
}

const ModelConfig& Engine::config() const { return state_->transformer->config(); }

ModelInfo Engine::info() const {
  const model::ModelWeights& weights = state_->transformer->weights();
  ModelInfo info;
  info.architecture = config().architecture;
  const std::int64_t norms = norm_count(config());
  info.parameters = norms + weights.embed->rows() * weights.embed->cols();
  info.weight_bytes = norms * 4 + weights.embed->bytes();
  info.bytes_per_token = norms * 4 + weights.output().top_bytes();
  const backend::DenseWeights& head = weights.output();
  if (head.top_bytes() != head.bytes()) info.head_row_bytes = (head.bytes() - head.top_bytes()) / head.rows();
  if (weights.head) {
    info.parameters += weights.head->rows() * weights.head->cols();
    info.weight_bytes += weights.head->bytes();
  }
  for (const model::LayerWeights& layer : weights.layers) {
    for (const auto* linear : {&layer.q, &layer.k, &layer.v, &layer.o, &layer.gate, &layer.up, &layer.down}) {
      count_linear(*linear, info);
    }
  }
  const backend::Backend& backend = state_->backend;
  info.kv_bytes_per_token = backend.kv_block_bytes(state_->transformer->kv_shape()) / backend.kv_block_tokens();
  info.kernels = state_->kernels_name;
  info.cpu_features = describe(detect_cpu_features());
  info.threads = state_->pool.size();
  info.tensors = state_->tensors;
  return info;
}

const Tokenizer& Engine::tokenizer() const {
  if (!state_->tokenizer) {
    fail(ErrorKind::not_found,
         "{} has no tokenizer; text needs one (tokenizer.json, or tokenizer.ggml.* of a GGUF file)",
         state_->path.string());
  }
  return *state_->tokenizer;
}

bool Engine::has_tokenizer() const { return state_->tokenizer.has_value(); }

const ChatTemplate& Engine::chat_template() const {
  (void)tokenizer();  // the same condition, the same error
  return *state_->chat_template;
}

const InferenceSettings& Engine::default_settings() const { return state_->settings; }

}  // namespace bitnet
