#include <algorithm>

#include "base/json_reader.h"
#include "base/text_file.h"
#include "bitnet/model_config.h"

namespace bitnet {
namespace {

constexpr std::int64_t kMaxDimension = std::int64_t{1} << 24;  // an int32 sum of int8 · ternary products stays exact
constexpr double kMaxTheta = 1e12;

/// What the name in `architectures` implies.
struct Architecture {
  std::string_view name;
  FeedForwardKind feed_forward = FeedForwardKind::gated;
  bool sub_norms = false;
  std::string_view hidden_act = "";  // where config.json does not say; empty: it must
  bool embeds = false;    // BitNet-embedding: norms before every linear and on the heads; float weights on disk
  bool gemma = false;     // what Gemma 3 does differently
  bool headless = false;  // a base model: no head of its own
};

// 1bitLLM's checkpoints spell BitNet with a small n.
constexpr Architecture kArchitectures[] = {
    {.name = "BitNetForCausalLM", .sub_norms = true},
    {.name = "BitnetForCausalLM", .sub_norms = true},
    {.name = "LlamaForCausalLM"},
    {.name = "BitnetCoreForCausalLM", .feed_forward = FeedForwardKind::plain, .hidden_act = "gelu"},
    {.name = "Qwen3Model", .embeds = true, .headless = true},
    {.name = "Qwen3ForCausalLM", .embeds = true},
    {.name = "Gemma3TextModel", .embeds = true, .gemma = true, .headless = true},
    {.name = "Gemma3ForCausalLM", .embeds = true, .gemma = true},
};

struct ActName {
  std::string_view name;
  HiddenAct act;
};
// Of two names for one activation the first is the one that is written.
constexpr ActName kActs[] = {{"relu2", HiddenAct::relu2},
                             {"silu", HiddenAct::silu},
                             {"swish", HiddenAct::silu},
                             {"gelu", HiddenAct::gelu},
                             {"gelu_pytorch_tanh", HiddenAct::gelu_tanh},
                             {"gelu_new", HiddenAct::gelu_tanh}};

template <typename Entries>
std::string list_names(const Entries& entries) {
  std::string text;
  for (const auto& entry : entries) text += (text.empty() ? "" : ", ") + std::string(entry.name);
  return text;
}

const Architecture& find_architecture(const JsonReader& in) {
  const Json* names = in.find("architectures");
  if (names == nullptr || !names->is_array() || names->empty() || !names->front().is_string()) {
    fail(ErrorKind::corrupt, "{}: architectures is missing; expected a list with one name", in.source());
  }
  const auto name = names->front().get<std::string>();
  for (const Architecture& known : kArchitectures) {
    if (known.name == name) return known;
  }
  fail(ErrorKind::unsupported, "{}: architecture \"{}\" is not supported; supported are {}", in.source(), name,
       list_names(kArchitectures));
}

HiddenAct find_act(const JsonReader& in, const Architecture& architecture) {
  const std::string_view key = architecture.gemma ? "hidden_activation" : "hidden_act";
  const std::string name = in.string_or(key, architecture.hidden_act);
  if (name.empty()) fail(ErrorKind::corrupt, "{}: {} is missing", in.source(), key);
  for (const ActName& known : kActs) {
    if (known.name == name) return known.act;
  }
  fail(ErrorKind::unsupported, "{}: {} \"{}\" is not supported; supported are {}", in.source(), key, name,
       list_names(kActs));
}

void read_factors(const JsonReader& rope, ModelConfig& config) {
  const Json* list = rope.find("factors");
  const auto positive = [](const Json& value) { return value.is_number() && value.get<float>() > 0.0F; };
  if (list == nullptr || !list->is_array() || static_cast<std::int64_t>(list->size()) != config.head_dim / 2 ||
      !std::all_of(list->begin(), list->end(), positive)) {
    fail(ErrorKind::corrupt, "{}: rope_scaling.factors must be head_dim / 2 = {} numbers above 0", rope.source(),
         config.head_dim / 2);
  }
  config.rope_scaling.type = RopeType::factors;
  config.rope_scaling.factors = list->get<std::vector<float>>();
}

/// Theta and scaling of one kind of layers.
void read_rope_object(const JsonReader& in, const JsonReader& rope, ModelConfig& config) {
  config.rope_theta = rope.number_or("rope_theta", config.rope_theta, 1.0, kMaxTheta);
  if (rope.number_or("partial_rotary_factor", 1.0, 0.0, 1.0) != 1.0) {
    fail(ErrorKind::unsupported, "{}: partial_rotary_factor other than 1 is not supported", in.source());
  }
  const std::string type = rope.string_or("rope_type", rope.string_or("type", "default"));
  RopeScaling& out = config.rope_scaling;
  if (type == "default") return;
  if (type == "factors") {
    read_factors(rope, config);
    return;
  }
  if (type == "linear") {
    out.type = RopeType::linear;
  } else if (type == "llama3") {
    out.type = RopeType::llama3;
    out.low_freq_factor = rope.number_or("low_freq_factor", 1.0, 1e-6, 1e6);
    out.high_freq_factor = rope.number_or("high_freq_factor", 4.0, 1e-6, 1e6);
    out.original_max_position_embeddings =
        rope.integer_or("original_max_position_embeddings", config.max_position_embeddings, 1, std::int64_t{1} << 40);
    if (out.high_freq_factor <= out.low_freq_factor) {
      fail(ErrorKind::corrupt, "{}: rope_scaling.high_freq_factor must be larger than low_freq_factor", in.source());
    }
  } else {
    fail(ErrorKind::unsupported,
         "{}: rope type \"{}\" is not supported; supported are default, linear, llama3, factors", in.source(), type);
  }
  if (rope.find("factor") == nullptr) fail(ErrorKind::corrupt, "{}: rope_scaling.factor is missing", in.source());
  out.factor = rope.number_or("factor", 1.0, 1e-6, 1e6);
}

const Json* find_object(const JsonReader& in, std::string_view key) {
  const Json* object = in.find(key);
  if (object != nullptr && !object->is_object()) in.bad(key, *object, "an object or null");
  return object;
}

void read_rope(const JsonReader& in, const Architecture& architecture, ModelConfig& config) {
  // Defaults as those of the reference's configuration classes.
  config.rope_theta = in.number_or("rope_theta", architecture.gemma ? 1e6 : 1e4, 1.0, kMaxTheta);
  if (architecture.gemma) config.rope_local_base_freq = in.number_or("rope_local_base_freq", 1e4, 1.0, kMaxTheta);
  const Json* parameters = find_object(in, "rope_parameters");  // newer files keep theta and scaling together
  if (parameters == nullptr) {
    const Json* scaling = find_object(in, "rope_scaling");
    if (scaling != nullptr) read_rope_object(in, {*scaling, in.source(), "rope_scaling."}, config);
    return;
  }
  const JsonReader rope(*parameters, in.source(), "rope_parameters.");
  const Json* full = find_object(rope, "full_attention");  // the newest, for each kind of layers
  const Json* sliding = find_object(rope, "sliding_attention");
  if (sliding != nullptr) {
    const JsonReader local(*sliding, in.source(), "rope_parameters.sliding_attention.");
    if (const std::string type = local.string_or("rope_type", "default"); type != "default") {
      fail(ErrorKind::unsupported, "{}: rope type \"{}\" of sliding_attention is not supported; supported is default",
           in.source(), type);
    }
    const double theta = config.rope_local_base_freq.value_or(config.rope_theta);
    config.rope_local_base_freq = local.number_or("rope_theta", theta, 1.0, kMaxTheta);
  }
  if (full != nullptr) {
    read_rope_object(in, {*full, in.source(), "rope_parameters.full_attention."}, config);
  } else if (sliding == nullptr) {
    read_rope_object(in, rope, config);
  }
}

/// Which layers see everything and which a window, and how scores are scaled.
void read_attention(const JsonReader& in, const Architecture& architecture, ModelConfig& config) {
  for (const std::string_view key :
       {"attn_logit_softcapping", "final_logit_softcapping", "use_bidirectional_attention"}) {
    const Json* value = in.find(key);
    if (value == nullptr || *value == false) continue;
    fail(ErrorKind::unsupported, "{}: {} is set; a model that uses it is not supported", in.source(), key);
  }
  if (architecture.gemma) config.query_pre_attn_scalar = in.number_or("query_pre_attn_scalar", 256.0, 1e-3, 1e9);
  constexpr std::string_view kNames[] = {"full_attention", "sliding_attention"};  // in the order of LayerType
  if (const Json* types = in.find("layer_types")) {
    const std::string expected =
        fmt::format("a list of {}, each full_attention or sliding_attention", config.num_hidden_layers);
    if (!types->is_array() || std::ssize(*types) != config.num_hidden_layers) in.bad("layer_types", *types, expected);
    for (const Json& type : *types) {
      const auto* known = std::find(std::begin(kNames), std::end(kNames), type);
      if (known == std::end(kNames)) in.bad("layer_types", type, expected);
      config.layer_types.push_back(static_cast<LayerType>(known - std::begin(kNames)));
    }
  } else if (architecture.gemma) {  // older files: every so many layers one sees everything
    const std::int64_t each = in.integer_or("sliding_window_pattern", 6, 1, 100000);
    for (std::int64_t layer = 1; layer <= config.num_hidden_layers; ++layer) {
      config.layer_types.push_back(layer % each == 0 ? LayerType::full_attention : LayerType::sliding_attention);
    }
  } else if (in.boolean_or("use_sliding_window", false)) {
    fail(ErrorKind::unsupported, "{}: use_sliding_window without layer_types is not supported", in.source());
  }
  const auto& types = config.layer_types;
  if (std::find(types.begin(), types.end(), LayerType::sliding_attention) == types.end()) return;
  config.sliding_window = in.integer("sliding_window", 1, std::int64_t{1} << 30);
}

void read_quantization(const JsonReader& in, const Architecture& architecture, ModelConfig& config) {
  QuantizationConfig& out = config.quantization;
  out.modules_to_not_convert = {"lm_head"};
  if (in.find("weight_bits") != nullptr) {  // 1bitLLM: float weights, made ternary when loaded
    const std::int64_t weight_bits = in.integer("weight_bits", 1, 32);
    const std::int64_t input_bits = in.integer_or("input_bits", 8, 1, 32);
    if (weight_bits != 1 || input_bits != 8) {
      fail(ErrorKind::unsupported, "{}: weight_bits {} with input_bits {} is not supported; supported is 1 with 8",
           in.source(), weight_bits, input_bits);
    }
    out.linear_class = LinearClass::autobitlinear;
    out.mode = QuantizationMode::online;
    config.attn_sub_norm = config.ffn_sub_norm = true;
    return;
  }
  const Json* object = in.find("quantization_config");
  if (object == nullptr) {
    if (architecture.embeds) {  // as 1bitLLM; a model that is not ternary lacks the norms, which are asked for
      out.linear_class = LinearClass::autobitlinear;
      out.mode = QuantizationMode::online;
      return;
    }
    if (architecture.feed_forward == FeedForwardKind::plain) {
      out.linear_class = LinearClass::autobitlinear;  // packed_weights with scales that multiply
      return;
    }
    out.linear_class = LinearClass::autobitlinear;  // loading looks whether the weights are ternary as they stand
    out.mode = QuantizationMode::dequantized;
    return;
  }
  if (!object->is_object()) in.bad("quantization_config", *object, "an object");
  const JsonReader q(*object, in.source(), "quantization_config.");
  if (const std::string method = q.string_or("quant_method", ""); method != "bitnet") {
    fail(ErrorKind::unsupported, "{}: quant_method \"{}\" is not supported; supported is \"bitnet\"", in.source(),
         method);
  }
  const std::string linear_class = q.string_or("linear_class", "bitlinear");
  const std::string mode = q.string_or("quantization_mode", "offline");
  if (linear_class == "autobitlinear") {
    out.linear_class = LinearClass::autobitlinear;
  } else if (linear_class != "bitlinear") {
    fail(ErrorKind::unsupported, "{}: linear_class \"{}\" is not supported; supported are bitlinear, autobitlinear",
         in.source(), linear_class);
  }
  if (mode == "online") {
    out.mode = QuantizationMode::online;
  } else if (mode != "offline") {
    fail(ErrorKind::unsupported, "{}: quantization_mode \"{}\" is not supported; supported are offline, online",
         in.source(), mode);
  }
  if (out.mode == QuantizationMode::online && out.linear_class == LinearClass::bitlinear) {
    fail(ErrorKind::unsupported, "{}: quantization_mode online needs linear_class autobitlinear", in.source());
  }
  out.use_rms_norm = q.boolean_or("use_rms_norm", false);
  out.rms_norm_eps = q.number_or("rms_norm_eps", 1e-6, 0.0, 1.0);
  if (const Json* modules = q.find("modules_to_not_convert")) {
    if (!modules->is_array()) q.bad("modules_to_not_convert", *modules, "a list of names");
    for (const Json& name : *modules) {
      if (!name.is_string()) q.bad("modules_to_not_convert", *modules, "a list of names");
      out.modules_to_not_convert.push_back(name.get<std::string>());
    }
  }
}

void read_tokens(const JsonReader& in, ModelConfig& config) {
  const auto id = [&](std::string_view key) -> std::optional<std::int32_t> {
    const Json* value = in.find(key);
    // Some files use -1 for "none".
    if (value == nullptr || (value->is_number_integer() && *value == -1)) return std::nullopt;
    return static_cast<std::int32_t>(in.integer(key, 0, kMaxDimension));
  };
  config.bos_token_id = id("bos_token_id");
  config.pad_token_id = id("pad_token_id");
  const Json* eos = in.find("eos_token_id");
  if (eos == nullptr) return;
  if (!eos->is_array()) {
    if (const auto one = id("eos_token_id")) config.eos_token_id = {*one};
    return;
  }
  for (const Json& value : *eos) {
    if (!value.is_number_integer() || value < 0 || value > kMaxDimension) {
      in.bad("eos_token_id", *eos, "token ids");
    }
    config.eos_token_id.push_back(value.get<std::int32_t>());
  }
}

void read_shape(const JsonReader& in, ModelConfig& c) {
  c.hidden_size = in.integer("hidden_size", 1, kMaxDimension);
  c.intermediate_size = in.integer("intermediate_size", 1, kMaxDimension);
  c.num_hidden_layers = in.integer("num_hidden_layers", 1, 100000);
  c.num_attention_heads = in.integer("num_attention_heads", 1, 65536);
  c.num_key_value_heads = in.integer_or("num_key_value_heads", c.num_attention_heads, 1, 65536);
  c.vocab_size = in.integer("vocab_size", 1, kMaxDimension);
  c.max_position_embeddings = in.integer_or("max_position_embeddings", 2048, 1, std::int64_t{1} << 30);
  if (c.num_attention_heads % c.num_key_value_heads != 0) {
    fail(ErrorKind::corrupt, "{}: num_attention_heads {} is not a multiple of num_key_value_heads {}", in.source(),
         c.num_attention_heads, c.num_key_value_heads);
  }
  if (in.find("head_dim") == nullptr && c.hidden_size % c.num_attention_heads != 0) {
    fail(ErrorKind::corrupt, "{}: hidden_size {} is not a multiple of num_attention_heads {} and head_dim is missing",
         in.source(), c.hidden_size, c.num_attention_heads);
  }
  c.head_dim = in.integer_or("head_dim", c.hidden_size / c.num_attention_heads, 1, 65536);
  if (c.head_dim % 2 != 0) {
    fail(ErrorKind::corrupt, "{}: head_dim {} is odd; rotary embedding turns pairs", in.source(), c.head_dim);
  }
  if (c.head_dim * c.num_attention_heads > kMaxDimension) {
    fail(ErrorKind::corrupt, "{}: num_attention_heads {} times head_dim {} is more than {}", in.source(),
         c.num_attention_heads, c.head_dim, kMaxDimension);
  }
}

}  // namespace

std::string_view name_of(HiddenAct act) {
  return std::find_if(std::begin(kActs), std::end(kActs), [&](const ActName& known) { return known.act == act; })->name;
}

ModelConfig ModelConfig::from_json(std::string_view json, std::string_view source) {
  const Json object = parse_json(json, source);
  if (!object.is_object()) fail(ErrorKind::corrupt, "{}: expected a JSON object", source);
  const JsonReader in(object, source, "");
  const Architecture& architecture = find_architecture(in);
  ModelConfig config;
  config.architecture = std::string(architecture.name);
  config.feed_forward = architecture.feed_forward;
  config.attn_sub_norm = config.ffn_sub_norm = architecture.sub_norms;
  config.input_norms = config.head_norms = architecture.embeds;
  config.branch_norms = config.norms_add_one = config.scale_embed = architecture.gemma;
  read_shape(in, config);
  config.rms_norm_eps = in.number_or("rms_norm_eps", 1e-6, 0.0, 1.0);
  config.hidden_act = find_act(in, architecture);
  config.tie_word_embeddings = architecture.headless || in.boolean_or("tie_word_embeddings", architecture.gemma);
  config.attention_bias = in.boolean_or("attention_bias", false);
  config.mlp_bias = in.boolean_or("mlp_bias", false);
  config.attention_dropout = in.number_or("attention_dropout", 0.1, 0.0, 1.0);
  read_rope(in, architecture, config);
  read_attention(in, architecture, config);
  read_quantization(in, architecture, config);
  read_tokens(in, config);
  return config;
}

ModelConfig ModelConfig::from_file(const std::filesystem::path& path) {
  return from_json(read_text_file(path, std::size_t{16} << 20), path.string());
}

}  // namespace bitnet
