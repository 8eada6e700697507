/// bitnet quantize: a ternary checkpoint from a float one.

#include <fmt/format.h>

#include "base/fail.h"
#include "base/text_file.h"
#include "bitnet/convert.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/conversion_flags.h"
#include "cli/model_path.h"
#include "engine/perplexity.h"

namespace bitnet::cli {
namespace {

struct Effect {
  double before = 0;
  double after = 0;
};

/// Perplexity of the written model, and of the same linear layers with the input's embedding and head.
Effect measure_effect(const std::string& input, const std::string& output, const std::string& text, int threads) {
  EngineOptions options;
  options.threads = threads;
  Effect effect;
  effect.after = measure_perplexity(Engine::load(output, options), text).perplexity();
  options.dense_from = input;
  effect.before = measure_perplexity(Engine::load(output, options), text).perplexity();
  return effect;
}

std::string in_words(const std::vector<QuantizedLayer>& layers) {
  std::string text =
      fmt::format("{:<40} {:>13} {:>8} {:>8} {:>11} {:>7}\n", "", "shape", "error", "zeros", "scale", "scales");
  for (const QuantizedLayer& layer : layers) {
    text += fmt::format("{:<40} {:>13} {:>7.2f}% {:>7.2f}% {:>11.5g} {:>7}\n", layer.name,
                        fmt::format("{} × {}", layer.rows, layer.cols), 100 * layer.error, 100 * layer.zeros,
                        layer.scale, layer.scales);
  }
  return text;
}

}  // namespace

int quantize_command(const Arguments& arguments) {
  CommandLine line(
      {"quantize", "INPUT OUTPUT",
       "Makes a ternary model of one in full precision (absmean, BitNet b1.58), in a Hugging Face folder or a\n"
       "GGUF file; with a ternary INPUT only its embedding and head change.",
       "  bitnet quantize models/float-model models/ternary-model\n"
       "  bitnet quantize models/float-model small.gguf --scale-per row --weights tq2_0\n"
       "  bitnet quantize models/my-model small.gguf --embedding q6_k --text wiki.txt"});
  ConversionFlags flags(line.app(), "Quantizing");
  QuantizeOptions options;
  std::string text_file;
  bool json = false;
  line.app()
      .add_option("--scale-per", options.granularity, "What one scale belongs to: tensor, row, group-64, group-128")
      ->default_str("tensor");
  line.app()
      .add_option("--text", text_file,
                  "Measure the perplexity of this text with the input's embedding and head, and after")
      ->type_name("FILE");
  line.app().add_flag("--json", json, "Print JSON");
  if (!line.parse(arguments)) return 0;

  const std::string text = text_file.empty() ? "" : read_text_file(text_file, std::size_t{256} << 20);
  const std::string input = find_model(flags.input).string();
  options.output = flags.options();
  const std::vector<QuantizedLayer> layers = quantize(input, flags.output, options);
  flags.finish();
  std::optional<Effect> effect;
  if (!text.empty()) effect = measure_effect(input, flags.output, text, options.output.threads);
  if (json) {
    Json tensors = Json::array();
    for (const QuantizedLayer& layer : layers) {
      tensors.push_back({{"name", layer.name},
                         {"shape", {layer.rows, layer.cols}},
                         {"relative_error", layer.error},
                         {"zero_fraction", layer.zeros},
                         {"scale", layer.scale},
                         {"scales", layer.scales}});
    }
    Json out = {{"output", flags.output}, {"tensors", tensors}};
    if (effect) out["perplexity"] = {{"full_precision_head", effect->before}, {"output", effect->after}};
    write_json(out);
    return 0;
  }
  write_out(layers.empty() ? "every linear layer was ternary already\n" : in_words(layers));
  if (effect) {
    write_out(fmt::format("perplexity {:.4f} with the embedding and head of {}, {:.4f} ({:+.4f}) with those of {}\n",
                          effect->before, input, effect->after, effect->after - effect->before, flags.output));
  }
  return 0;
}

}  // namespace bitnet::cli
