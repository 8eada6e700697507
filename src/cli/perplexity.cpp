/// bitnet perplexity: how well a model predicts a text file.

#include "engine/perplexity.h"

#include <fmt/format.h>

#include "base/text_file.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/options.h"
#include "cli/progress.h"

namespace bitnet::cli {

int perplexity_command(const Arguments& arguments) {
  CommandLine line({"perplexity", "[MODEL] FILE",
                    "Measures how well the model predicts a UTF-8 text, in overlapping windows.",
                    "  bitnet perplexity story.txt\n"
                    "  bitnet perplexity models/my-model wiki.txt --context 1024 --stride 512 --json"});
  ModelAndText input(line, "FILE");
  PerplexityOptions options;
  bool json = false;
  line.app()
      .add_option("--context", options.context, "Tokens of a window; default: the model's context, at most 2048")
      ->check(CLI::Validator(CLI::PositiveNumber).description(""));
  line.app()
      .add_option("--stride", options.stride, "Tokens from window to window; default: half of the context")
      ->check(CLI::Validator(CLI::PositiveNumber).description(""));
  line.app().add_flag("--json", json, "Print JSON");
  const EngineFlags engine_flags(line.app());
  if (!line.parse(arguments)) return 0;
  input.resolve();

  const std::string text = read_text_file(input.text, std::size_t{256} << 20);
  const Engine engine = engine_flags.load(input.model);
  Progress progress("Predicting");
  options.on_progress = [&](double fraction) { progress.update(fraction); };
  const Perplexity result = measure_perplexity(engine, text, options);
  progress.finish();
  if (json) {
    write_json({{"tokens", result.tokens},
                {"bytes", result.bytes},
                {"nats_per_token", result.nats_per_token()},
                {"perplexity", result.perplexity()},
                {"bits_per_byte", result.bits_per_byte()}});
  } else {
    write_out(fmt::format("perplexity {:.4f}\n{:.5f} nats a token, {:.5f} bits a byte ({} tokens, {} bytes)\n",
                          result.perplexity(), result.nats_per_token(), result.bits_per_byte(), result.tokens,
                          result.bytes));
  }
  return 0;
}

}  // namespace bitnet::cli
