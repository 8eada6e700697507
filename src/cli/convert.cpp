/// bitnet convert: a checkpoint in another form.

#include "bitnet/convert.h"

#include "cli/commands.h"
#include "cli/conversion_flags.h"
#include "cli/model_path.h"

namespace bitnet::cli {

int convert_command(const Arguments& arguments) {
  CommandLine line(
      {"convert", "INPUT OUTPUT",
       "Writes a model in another form: a Hugging Face folder, or a GGUF file when OUTPUT is called *.gguf.\n"
       "Ternary weights and their scales stay exactly what they are.",
       "  bitnet convert models/my-model my-model.gguf --weights tq2_0\n"
       "  bitnet convert my-model.gguf my-folder\n"
       "  bitnet convert models/my-model small.gguf --embedding q6_k"});
  ConversionFlags flags(line.app(), "Converting");
  if (!line.parse(arguments)) return 0;
  convert(find_model(flags.input), flags.output, flags.options());
  return 0;
}

}  // namespace bitnet::cli
