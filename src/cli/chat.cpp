/// bitnet chat: a conversation, turn by turn.

#include <fmt/format.h>

#include <optional>

#include "bitnet/error.h"
#include "bitnet/session.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/dump.h"
#include "cli/interrupt.h"
#include "cli/line_reader.h"
#include "cli/options.h"
#include "cli/results.h"
#include "cli/suggest.h"

namespace bitnet::cli {
namespace {

constexpr const char* kHelp =
    "/reset  forget the conversation\n"
    "/help   print this text\n"
    "/quit   leave (also /exit and Ctrl-D)\n"
    "Ctrl-C stops an answer, or clears the line.\n";

class Chat {
 public:
  Chat(const Engine& engine, InferenceSettings settings, bool show_speed)
      : session_(engine), settings_(std::move(settings)), show_speed_(show_speed) {}

  /// Reads and answers until the end of input or /quit.
  void converse() {
    const bool terminal = stdin_is_terminal();
    LineReader lines;
    for (;;) {
      // Where nobody types, Ctrl-C between two answers ends the program as it does elsewhere.
      std::optional<Interrupt> interrupt;
      if (terminal) interrupt.emplace(Interrupt::Second::ignored);
      const std::optional<std::string> line = lines.read("> ");
      if (!line) break;
      if (line->empty()) continue;
      if (line->starts_with('/')) {
        if (!obey(*line)) return;
        continue;
      }
      interrupt.reset();
      answer(*line);
    }
    if (terminal) write_out("\n");
  }

 private:
  /// Returns false when the user wants to leave.
  bool obey(const std::string& command) {
    const std::vector<std::string> known = {"/reset", "/help", "/quit", "/exit"};
    if (command == "/quit" || command == "/exit") return false;
    if (command == "/reset") {
      messages_.clear();
      session_.reset();
    } else if (command == "/help") {
      write_err(kHelp);
    } else {
      const std::string hint = suggestion(command, known);
      report("error", fmt::format("there is no '{}'{}", command, hint.empty() ? "; try /help" : hint));
    }
    return true;
  }

  void answer(const std::string& question) {
    const Interrupt interrupt(Interrupt::Second::ignored);
    say(Role::user, question);
    bool at_line_start = true;
    try {
      const Generation result = session_.reply(messages_, settings_, [&](std::string_view text) {
        if (!text.empty()) {
          write_out(text);
          at_line_start = text.ends_with('\n');
        }
        return !Interrupt::requested();
      });
      // What was said stays said: a stopped answer is part of the conversation too.
      say(Role::assistant, result.text);
      if (!at_line_start) write_out("\n");
      if (show_speed_) write_err(summary(result) + "\n");
    } catch (const Error& error) {
      messages_.pop_back();
      if (!at_line_start) write_out("\n");
      report("error", error.what());
      if (!messages_.empty()) write_err("/reset forgets the conversation so far.\n");
    }
  }

  void say(Role role, const std::string& content) {
    messages_.emplace_back();
    messages_.back().role = role;
    messages_.back().content = content;
  }

  Session session_;
  InferenceSettings settings_;
  bool show_speed_;
  std::vector<ChatMessage> messages_;
};

}  // namespace

int chat_command(const Arguments& arguments) {
  CommandLine line({"chat", "[MODEL]",
                    "Talks with the model, turn by turn, in its own chat format. /help lists what can be typed;\n"
                    "Ctrl-C stops an answer, Ctrl-D leaves. Without a terminal, each line of standard input is a turn.",
                    "  bitnet chat\n"
                    "  bitnet chat models/my-model --system-prompt \"Answer in one sentence.\""});
  std::string model;
  bool speed = false;
  line.app().add_option("model", model);
  line.app().add_flag("--show-speed", speed, "Print tokens/s after each answer");
  const GenerationFlags generation_flags(line.app());
  const EngineFlags engine_flags(line.app());
  if (!line.parse(arguments)) return 0;

  const Engine engine = engine_flags.load(model);
  InferenceSettings settings = generation_flags.settings(engine);
  line.require(settings.prefix.empty(), "--prefix is for 'bitnet run'; a chat has --system-prompt");
  line.require(settings.num_return_sequences == 1, "--num-return-sequences is for 'bitnet run'; a chat has one answer");
  drop_unshown(settings, engine.default_settings(), false, false);
  Chat(engine, settings, speed).converse();
  return 0;
}

}  // namespace bitnet::cli
