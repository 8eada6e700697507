/// The program `bitnet`: finds the subcommand and turns errors into one line and an exit status.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <new>

#include "bitnet/error.h"
#include "bitnet/version.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/suggest.h"

namespace bitnet::cli {
namespace {

struct Command {
  const char* name;
  int (*run)(const Arguments&);
  const char* summary;
};

constexpr std::array kCommands = {
    Command{"run", run_command, "Continue a prompt"},
    Command{"chat", chat_command, "Talk with the model"},
    Command{"info", info_command, "Architecture, parameters, tensors, kernels"},
    Command{"tokenize", tokenize_command, "Text to token ids, and back"},
    Command{"verify", verify_command, "Compare with reference numbers, or with another form"},
    Command{"perplexity", perplexity_command, "How well the model predicts a text file"},
    Command{"bench", bench_command, "Measure speed and memory"},
    Command{"convert", convert_command, "Write a model in another form"},
    Command{"quantize", quantize_command, "Make a ternary model of one in full precision"},
};
// The first of them use a model, the next look at it, the others make one.
constexpr std::size_t kUsing = 2;
constexpr std::size_t kMaking = 7;

std::string help() {
  std::string text =
      "bitnet runs BitNet b1.58 language models on the CPU.\n\n"
      "Usage: bitnet COMMAND [ARGUMENTS] [OPTIONS]\n";
  for (std::size_t i = 0; i < kCommands.size(); ++i) {
    if (i == 0) text += "\nUse a model:\n";
    if (i == kUsing) text += "\nLook at a model:\n";
    if (i == kMaking) text += "\nMake a model:\n";
    text += fmt::format("  {:<12}{}\n", kCommands[i].name, kCommands[i].summary);
  }
  return text +
         "\n  -h, --help    Print this text; 'bitnet COMMAND --help' explains a command\n"
         "  --version     Print the version\n\n"
         "MODEL is a folder with config.json and *.safetensors, or a .gguf file; without it the small model that comes "
         "with the\n"
         "program is used.\n\n"
         "Examples:\n"
         "  bitnet run \"Once upon a time\"\n"
         "  bitnet chat path/to/bitnet-b1.58-2B-4T\n";
}

int dispatch(const Arguments& arguments) {
  if (arguments.empty()) throw UsageError("a command is missing; try 'bitnet --help'");
  const std::string& name = arguments.front();
  if (name == "--help" || name == "-h" || name == "help") {
    write_out(help());
    return 0;
  }
  if (name == "--version") {
    write_out(fmt::format("bitnet {}\n", version()));
    return 0;
  }
  const auto command =
      std::find_if(kCommands.begin(), kCommands.end(), [&](const Command& known) { return name == known.name; });
  if (command != kCommands.end()) return command->run({arguments.begin() + 1, arguments.end()});

  std::vector<std::string> known = {"--help", "--version"};
  for (const Command& candidate : kCommands) known.emplace_back(candidate.name);
  const std::string hint = suggestion(name, known);
  throw UsageError(fmt::format("there is no command '{}'{}", name, hint.empty() ? "; try 'bitnet --help'" : hint));
}

int guarded(const Arguments& arguments) {
  try {
    return dispatch(arguments);
  } catch (const OutputClosed&) {
    return 0;  // the reader had enough
  } catch (const UsageError& error) {
    report("error", error.what());
    return 2;
  } catch (const std::bad_alloc&) {
    report("error", "out of memory");
  } catch (const std::exception& error) {
    report("error", error.what());
  }
  return 1;
}

}  // namespace
}  // namespace bitnet::cli

int main(int argc, char** argv) {
  std::signal(SIGPIPE, SIG_IGN);  // writes report a closed pipe instead
  return bitnet::cli::guarded({argv + std::min(argc, 1), argv + argc});
}
