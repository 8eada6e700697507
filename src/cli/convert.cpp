/// bitnet convert: a checkpoint in another form.

#include "bitnet/convert.h"

#include <fmt/format.h>

#include "base/fail.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/interrupt.h"
#include "cli/model_path.h"
#include "cli/progress.h"

namespace bitnet::cli {

int convert_command(const Arguments& arguments) {
  CommandLine line({"convert", "INPUT OUTPUT",
                    "Writes a model in another form: a Hugging Face folder, or a GGUF file when OUTPUT is called *.gguf.\n"
                    "Ternary weights and their scales stay exactly what they are.",
                    "  bitnet convert models/my-model my-model.gguf --weights tq2_0\n"
                    "  bitnet convert my-model.gguf my-folder\n"
                    "  bitnet convert models/my-model small.gguf --embedding q6_k"});
  std::string input;
  std::string output;
  ConvertOptions options;
  line.app().add_option("input", input)->required();
  line.app().add_option("output", output)->required();
  line.app().add_option("--weights", options.weights,
                        "packed, bf16 (a folder); i2_s, tq1_0, tq2_0, q2_0 (a file); default: packed or i2_s");
  line.app().add_option("--embedding", options.embedding,
                        "f32, f16, bf16; in a file also q8_0, q6_k, q4_0; default: as it is. A tied head is the same tensor");
  line.app().add_option("--head", options.head, "The same for a head that is not tied");
  line.app().add_option("--threads", options.threads, "Threads")->check(CLI::Validator(CLI::Range(1, 1024)).description(""));
  if (!line.parse(arguments)) return 0;

  const Interrupt interrupt(Interrupt::Second::ends_program);
  Progress progress("Converting");
  options.on_progress = [&](double fraction) {
    progress.update(fraction);
    if (Interrupt::requested()) fail(ErrorKind::cancelled, "stopped; {} was not written", output);
  };
  options.log = [&](const std::string& message) {
    progress.finish();
    report("note", message);
  };
  convert(find_model(input), output, options);
  return 0;
}

}  // namespace bitnet::cli
