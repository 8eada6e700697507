/// bitnet info: what a model is.

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <filesystem>

#include "cli/commands.h"
#include "cli/console.h"
#include "cli/model_path.h"
#include "cli/options.h"
#include "cli/results.h"

namespace bitnet::cli {
namespace {

const char* name_of(LinearClass linear_class) {
  return linear_class == LinearClass::bitlinear ? "bitlinear" : "autobitlinear";
}

const char* name_of(QuantizationMode mode) {
  constexpr const char* kNames[] = {"offline", "online", "dequantized"};
  return kNames[static_cast<int>(mode)];
}

Json to_json(const std::filesystem::path& folder, const ModelConfig& config, const ModelInfo& info) {
  Json tensors = Json::array();
  for (const TensorInfo& tensor : info.tensors) {
    tensors.push_back(
        {{"name", tensor.name}, {"dtype", tensor.dtype}, {"shape", tensor.shape}, {"bytes", tensor.bytes}});
  }
  return {
      {"model", folder.string()},
      {"architecture", info.architecture},
      {"hidden_size", config.hidden_size},
      {"intermediate_size", config.intermediate_size},
      {"num_hidden_layers", config.num_hidden_layers},
      {"num_attention_heads", config.num_attention_heads},
      {"num_key_value_heads", config.num_key_value_heads},
      {"head_dim", config.head_dim},
      {"vocab_size", config.vocab_size},
      {"max_position_embeddings", config.max_position_embeddings},
      {"hidden_act", name_of(config.hidden_act)},
      {"tie_word_embeddings", config.tie_word_embeddings},
      {"linear_class", name_of(config.quantization.linear_class)},
      {"quantization_mode", name_of(config.quantization.mode)},
      {"parameters", info.parameters},
      {"ternary_parameters", info.ternary_parameters},
      {"weight_bytes", info.weight_bytes},
      {"bytes_per_token", info.bytes_per_token},
      {"kv_bytes_per_token", info.kv_bytes_per_token},
      {"kernels", info.kernels},
      {"cpu_features", info.cpu_features},
      {"threads", info.threads},
      {"tensors", tensors},
  };
}

std::string in_words(const std::filesystem::path& folder, const ModelConfig& c, const ModelInfo& info,
                     bool all_tensors) {
  const auto row = [](const char* name, const std::string& value) { return fmt::format("{:<16}{}\n", name, value); };
  std::int64_t on_disk = 0;
  for (const TensorInfo& tensor : info.tensors) on_disk += tensor.bytes;
  std::string text = row("model", folder.string());
  text +=
      row("architecture", fmt::format("{}, {} layers, hidden {}, intermediate {} ({})", info.architecture,
                                      c.num_hidden_layers, c.hidden_size, c.intermediate_size, name_of(c.hidden_act)));
  text += row("attention",
              fmt::format("{} heads of {}, {} key/value heads, context {}, rope theta {:g}", c.num_attention_heads,
                          c.head_dim, c.num_key_value_heads, c.max_position_embeddings, c.rope_theta));
  text += row("vocabulary", fmt::format("{} ({} head)", c.vocab_size, c.tie_word_embeddings ? "tied" : "untied"));
  text +=
      row("quantization", fmt::format("{}, {}", name_of(c.quantization.linear_class), name_of(c.quantization.mode)));
  text += row("parameters", fmt::format("{} ({} ternary)", info.parameters, info.ternary_parameters));
  text +=
      row("on disk", fmt::format("{} in {} tensors", format_bytes(static_cast<double>(on_disk)), info.tensors.size()));
  text +=
      row("in memory", fmt::format("{}, and {} of cache a token", format_bytes(static_cast<double>(info.weight_bytes)),
                                   format_bytes(static_cast<double>(info.kv_bytes_per_token))));
  text += row("read per token", format_bytes(static_cast<double>(info.bytes_per_token)));
  text += row("kernels", fmt::format("{} (processor: {}), {} threads", info.kernels, info.cpu_features, info.threads));
  if (!all_tensors) return text;
  text += "\n";
  for (const TensorInfo& tensor : info.tensors) {
    text += fmt::format("{:<60} {:<8} {:<18} {}\n", tensor.name, tensor.dtype,
                        fmt::format("[{}]", fmt::join(tensor.shape, ", ")),
                        format_bytes(static_cast<double>(tensor.bytes)));
  }
  return text;
}

}  // namespace

int info_command(const Arguments& arguments) {
  CommandLine line({"info", "[MODEL]", "Loads a model and says what it is and how it runs on this machine.",
                    "  bitnet info\n"
                    "  bitnet info models/my-model --tensors\n"
                    "  bitnet info models/my-model --json"});
  std::string model;
  bool json = false;
  bool tensors = false;
  line.app().add_option("model", model);
  line.app().add_flag("--json", json, "Print JSON, tensors included");
  line.app().add_flag("--tensors", tensors, "List every tensor");
  const EngineFlags engine_flags(line.app());
  if (!line.parse(arguments)) return 0;

  const std::filesystem::path folder = find_model(model);
  const Engine engine = engine_flags.load(folder.string());
  if (json) {
    write_json(to_json(folder, engine.config(), engine.info()));
  } else {
    write_out(in_words(folder, engine.config(), engine.info(), tensors));
  }
  return 0;
}

}  // namespace bitnet::cli
