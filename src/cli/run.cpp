/// bitnet run: continues a prompt and streams the text.

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/fail.h"
#include "bitnet/session.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/interrupt.h"
#include "cli/options.h"
#include "cli/results.h"

namespace bitnet::cli {
namespace {

constexpr int kInterruptedStatus = 130;  // 128 + SIGINT, as shells report it
constexpr std::size_t kMaxPromptBytes = std::size_t{64} << 20;

/// All of standard input, without the newline that `echo` and editors put at the end.
std::string read_stdin() {
  std::string text;
  std::string chunk(std::size_t{64} << 10, '\0');
  for (;;) {
    const ssize_t count = ::read(STDIN_FILENO, chunk.data(), chunk.size());
    if (count == 0) break;
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail(ErrorKind::io, "cannot read the prompt from standard input: {}", std::strerror(errno));
    text.append(chunk, 0, static_cast<std::size_t>(count));
    if (text.size() > kMaxPromptBytes) fail(ErrorKind::limit, "the prompt on standard input is longer than 64 MiB");
  }
  if (text.ends_with('\n')) text.pop_back();
  return text;
}

}  // namespace

int run_command(const Arguments& arguments) {
  CommandLine line({"run", "[MODEL] PROMPT",
                    "Continues PROMPT and prints the text as it is generated. PROMPT '-' is read from standard input.",
                    "  bitnet run \"Once upon a time\" --max-new-tokens 100\n"
                    "  bitnet run models/my-model \"Tell me about owls.\" --chat --greedy\n"
                    "  bitnet run --json --seed 7 - < prompt.txt"});
  ModelAndText input(line, "PROMPT");
  bool as_message = false;
  bool json = false;
  bool quiet = false;
  line.app().add_flag("--chat", as_message, "PROMPT is a user's message in the model's chat format");
  line.app().add_flag("--json", json, "Print one JSON object at the end in place of the text");
  line.app().add_flag("--quiet", quiet, "No speeds at the end");
  const GenerationFlags generation_flags(line.app());
  const EngineFlags engine_flags(line.app());
  if (!line.parse(arguments)) return 0;
  input.resolve();
  const std::string prompt = input.text == "-" ? read_stdin() : input.text;

  const Engine engine = engine_flags.load(input.model);
  const InferenceSettings settings = generation_flags.settings(engine);
  Session session(engine);
  const Interrupt interrupt(Interrupt::Second::ends_program);
  bool at_line_start = false;
  const OnText on_text = [&](std::string_view text) {
    if (!json && !text.empty()) {
      write_out(text);
      at_line_start = text.ends_with('\n');
    }
    return !Interrupt::requested();
  };
  Generation result;
  if (as_message) {
    ChatMessage message;
    message.content = prompt;
    result = session.reply({&message, 1}, settings, on_text);
  } else {
    result = session.generate(prompt, settings, on_text);
  }
  if (json) {
    write_json(to_json(result));
  } else if (!at_line_start) {
    write_out("\n");
  }
  if (!json && !quiet) write_err(summary(result) + "\n");
  return result.finish == FinishReason::cancelled ? kInterruptedStatus : 0;
}

}  // namespace bitnet::cli
