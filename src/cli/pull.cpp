/// bitnet pull: a model of the hub, made local.

#include "cli/commands.h"
#include "cli/console.h"
#include "cli/download.h"

namespace bitnet::cli {

int pull_command(const Arguments& arguments) {
  CommandLine line(
      {"pull", "ID[@REVISION]",
       "Downloads a model from the Hugging Face hub into the cache that Hugging Face's own tools use, and\n"
       "prints where it is. Only what is missing is downloaded, and every file is verified. The other\n"
       "commands take an id in place of MODEL and do the same.",
       "  bitnet pull microsoft/bitnet-b1.58-2B-4T\n"
       "  bitnet pull microsoft/bitnet-b1.58-2B-4T@main --include \"*.json\" --include \"*.md\"\n"
       "  HF_ENDPOINT=https://mirror.example bitnet pull org/model --json"});
  std::string id;
  std::vector<std::string> include;
  int connections = HubOptions().connections;
  bool json = false;
  CLI::Option* const id_option = line.app().add_option("id", id);
  line.app()
      .add_option("--include", include,
                  "Get the files that match this pattern, in place of those that a model "
                  "needs; may be repeated")
      ->type_name("GLOB")
      ->take_all()
      ->expected(1);
  line.app()
      .add_option("--connections", connections, "How many at the same time")
      ->check(CLI::Range(1, 64))
      ->capture_default_str()
      ->type_name("N");
  line.app().add_flag("--json", json, "Print JSON");
  if (!line.parse(arguments)) return 0;
  line.require(id_option->count() != 0, "ID is missing");

  HubOptions options = hub_options_from_environment();
  options.include = include;
  options.connections = connections;
  const Pulled pulled = pull_model(id, options);
  if (json) {
    write_json({{"id", id}, {"path", pulled.path.string()}, {"bytes", pulled.bytes}});
  } else {
    write_out(pulled.path.string() + "\n");
  }
  return 0;
}

}  // namespace bitnet::cli
