#include "loading/gguf_config.h"

#include <algorithm>
#include <array>

#include "base/fail.h"
#include "base/float16.h"
#include "loading/gguf_blocks.h"

namespace bitnet::loading {
namespace {

using formats::GgufFile;
using formats::GgufTensor;

constexpr std::int64_t kMaxDimension = std::int64_t{1} << 30;
constexpr std::string_view kArchitectures[] = {"bitnet-b1.58", "bitnet-25", "bitnet", "llama"};

/// Keys of one architecture.
class ArchitectureKeys {
 public:
  ArchitectureKeys(const GgufFile& file, std::string_view architecture) : file_(file), architecture_(architecture) {}
  [[nodiscard]] std::string name(std::string_view key) const { return fmt::format("{}.{}", architecture_, key); }
  [[nodiscard]] std::int64_t integer(std::string_view key) const {
    if (file_.value(name(key)) == nullptr) {
      fail(ErrorKind::corrupt, "{}: metadata key {} is missing", file_.path().string(), name(key));
    }
    return file_.integer_or(name(key), 0, 1, kMaxDimension);
  }
  [[nodiscard]] std::int64_t integer_or(std::string_view key, std::int64_t otherwise) const {
    return file_.integer_or(name(key), otherwise, 0, kMaxDimension);
  }
  [[nodiscard]] double number_or(std::string_view key, double otherwise, double low, double high) const {
    return file_.number_or(name(key), otherwise, low, high);
  }
  [[nodiscard]] const std::string_view* text(std::string_view key) const { return file_.text(name(key)); }

 private:
  const GgufFile& file_;
  std::string_view architecture_;
};

const GgufTensor& require(const GgufFile& file, std::string_view name, std::size_t rank) {
  const GgufTensor* tensor = file.find(name);
  if (tensor == nullptr) fail(ErrorKind::corrupt, "{}: tensor {} is missing", file.path().string(), name);
  if (tensor->shape.rank() != rank) {
    fail(ErrorKind::corrupt, "{}: tensor {} has shape {}; expected {} dimensions", file.path().string(), name,
         to_string(tensor->shape), rank);
  }
  return *tensor;
}

/// A float32 of the file as the number with the fewest digits that means it: 1e-05, not 9.99999975e-06.
double shortest(double value) { return std::stod(fmt::format("{}", static_cast<float>(value))); }

/// Which of the two activations a bitnet file without the key means: BitNet b1.58 2B-4T has squared ReLU and a
/// byte-level tokenizer; the older 1bitLLM models have SiLU and a SentencePiece one.
std::string_view assumed_activation(const GgufFile& file, std::string_view architecture) {
  const std::string_view* tokenizer = file.text("tokenizer.ggml.model");
  return architecture == "bitnet" && tokenizer != nullptr && *tokenizer == "llama" ? "silu" : "relu2";
}

std::string activation(const GgufFile& file, const ArchitectureKeys& keys, std::string_view architecture,
                       bool sub_norms, const LogSink& log) {
  if (const std::string_view* named = keys.text("hidden_activation")) return std::string(*named);
  if (!sub_norms) return "silu";  // what "llama" means
  const std::string_view assumed = assumed_activation(file, architecture);
  log_to(log, fmt::format("{}: metadata key {} is missing; assuming \"{}\", as the models with sub-norms have",
                          file.path().string(), keys.name("hidden_activation"), assumed));
  return std::string(assumed);
}

void add_rope(const GgufFile& file, const ArchitectureKeys& keys, std::int64_t head_dim, Json& config) {
  config["rope_theta"] = shortest(keys.number_or("rope.freq_base", 10000.0, 1.0, 1e12));
  if (const std::string_view* exact = file.text("bitnet_core.rope_scaling")) {
    config["rope_scaling"] = parse_json(*exact, file.path().string() + ": bitnet_core.rope_scaling");
    return;
  }
  const std::int64_t rotated = keys.integer_or("rope.dimension_count", head_dim);
  if (rotated != head_dim) {
    fail(ErrorKind::unsupported, "{}: {} is {}, but heads have {} dimensions; rotating a part of them is not supported",
         file.path().string(), keys.name("rope.dimension_count"), rotated, head_dim);
  }
  if (const GgufTensor* factors = file.find("rope_freqs.weight")) {
    if (factors->type != formats::GgufType::f32 || factors->shape != Shape{head_dim / 2}) {
      fail(ErrorKind::corrupt, "{}: tensor rope_freqs.weight is {} {}; expected F32 [{}]", file.path().string(),
           name_of(factors->type), to_string(factors->shape), head_dim / 2);
    }
    std::vector<float> values(static_cast<std::size_t>(head_dim / 2));
    floats_of(factors->type, factors->bytes.data(), values);
    config["rope_scaling"] = {{"rope_type", "factors"}, {"factors", values}};
    return;
  }
  const std::string_view* type = keys.text("rope.scaling.type");
  if (type == nullptr || *type == "none") return;
  if (*type != "linear") {
    fail(ErrorKind::unsupported, "{}: {} \"{}\" is not supported; supported are none, linear, and rope_freqs.weight",
         file.path().string(), keys.name("rope.scaling.type"), *type);
  }
  config["rope_scaling"] = {{"rope_type", "linear"}, {"factor", keys.number_or("rope.scaling.factor", 1.0, 1e-6, 1e6)}};
}

}  // namespace

const std::vector<std::string_view>* texts_of(const GgufFile& file, std::string_view key) {
  const formats::GgufValue* value = file.value(key);
  return value == nullptr ? nullptr : std::get_if<std::vector<std::string_view>>(value);
}

Json end_tokens(const GgufFile& file) {
  Json ids = Json::array();
  const auto add = [&](std::int64_t id) {
    if (id >= 0 && std::find(ids.begin(), ids.end(), id) == ids.end()) ids.push_back(id);
  };
  add(file.integer_or("tokenizer.ggml.eos_token_id", -1, -1, kMaxDimension));
  const std::int64_t turn = file.integer_or("tokenizer.ggml.eot_token_id", -1, -1, kMaxDimension);
  add(turn);
  if (turn >= 0) return ids;
  const auto* tokens = texts_of(file, "tokenizer.ggml.tokens");
  if (tokens == nullptr) return ids;
  for (std::size_t id = 0; id < tokens->size(); ++id) {
    constexpr std::array<std::string_view, 4> kEnds = {"<|eot_id|>", "<|im_end|>", "<end_of_turn>", "<|end|>"};
    if (std::find(kEnds.begin(), kEnds.end(), (*tokens)[id]) != kEnds.end()) add(static_cast<std::int64_t>(id));
  }
  return ids;
}

Json config_of(const GgufFile& file, const LogSink& log) {
  const std::string path = file.path().string();
  const std::string_view* architecture = file.text("general.architecture");
  if (architecture == nullptr) fail(ErrorKind::corrupt, "{}: metadata key general.architecture is missing", path);
  if (std::find(std::begin(kArchitectures), std::end(kArchitectures), *architecture) == std::end(kArchitectures)) {
    fail(ErrorKind::unsupported, "{}: architecture \"{}\" is not supported; supported are {}", path, *architecture,
         fmt::join(kArchitectures, ", "));
  }
  const ArchitectureKeys keys(file, *architecture);
  if (file.integer_or("split.count", 1, 0, kMaxDimension) > 1) {
    fail(ErrorKind::unsupported, "{}: one of several files of a split model; merge them first", path);
  }
  if (keys.integer_or("expert_count", 0) > 0) fail(ErrorKind::unsupported, "{}: experts are not supported", path);

  const bool attn_sub_norm = file.find("blk.0.attn_sub_norm.weight") != nullptr;
  if (attn_sub_norm != (file.find("blk.0.ffn_sub_norm.weight") != nullptr)) {
    fail(ErrorKind::corrupt, "{}: only one of blk.0.attn_sub_norm.weight and blk.0.ffn_sub_norm.weight is there", path);
  }
  const std::int64_t hidden = keys.integer("embedding_length");
  const std::int64_t heads = keys.integer("attention.head_count");
  const std::int64_t query_rows = require(file, "blk.0.attn_q.weight", 2).shape[0];
  if (query_rows % heads != 0) {
    fail(ErrorKind::corrupt, "{}: blk.0.attn_q.weight has {} rows, not a multiple of the {} heads", path, query_rows,
         heads);
  }
  const std::int64_t head_dim = query_rows / heads;

  Json config;
  config["architectures"] = {attn_sub_norm ? "BitNetForCausalLM" : "LlamaForCausalLM"};
  config["model_type"] = attn_sub_norm ? "bitnet" : "llama";
  config["hidden_act"] = activation(file, keys, *architecture, attn_sub_norm, log);
  config["hidden_size"] = hidden;
  config["intermediate_size"] = keys.integer("feed_forward_length");
  config["num_hidden_layers"] = keys.integer("block_count");
  config["num_attention_heads"] = heads;
  config["num_key_value_heads"] = keys.integer_or("attention.head_count_kv", heads);
  config["head_dim"] = head_dim;
  config["vocab_size"] = require(file, "token_embd.weight", 2).shape[0];
  config["max_position_embeddings"] = keys.integer("context_length");
  config["rms_norm_eps"] = shortest(keys.number_or("attention.layer_norm_rms_epsilon", 1e-5, 0.0, 1.0));
  add_rope(file, keys, head_dim, config);
  config["tie_word_embeddings"] = file.find("output.weight") == nullptr;
  config["attention_bias"] = file.find("blk.0.attn_q.bias") != nullptr;
  config["mlp_bias"] = file.find("blk.0.ffn_up.bias") != nullptr;
  for (const auto& [field, key] : {std::pair{"bos_token_id", "tokenizer.ggml.bos_token_id"},
                                   std::pair{"pad_token_id", "tokenizer.ggml.padding_token_id"}}) {
    if (const std::int64_t id = file.integer_or(key, -1, -1, kMaxDimension); id >= 0) config[field] = id;
  }
  if (const Json ends = end_tokens(file); !ends.empty()) config["eos_token_id"] = ends.size() == 1 ? ends[0] : ends;
  config["torch_dtype"] = "bfloat16";
  config["quantization_config"] = {
      {"quant_method", "bitnet"}, {"linear_class", "autobitlinear"}, {"quantization_mode", "offline"}};
  return config;
}

}  // namespace bitnet::loading
