#include "cli/line_reader.h"

#include <iostream>

#include "cli/console.h"
#include "cli/interrupt.h"

#ifdef BITNET_READLINE
#include <readline/history.h>
#include <readline/readline.h>

#include <cstdio>  // readline's headers need FILE
#include <cstdlib>
#include <memory>
#endif

namespace bitnet::cli {
namespace {

#ifdef BITNET_READLINE

/// Runs ten times a second while readline waits for a key: a signal that came just before it began to wait would not
/// interrupt it.
int clear_line_when_interrupted() {
  if (!Interrupt::requested()) return 0;
  Interrupt::clear();
  rl_crlf();
  rl_replace_line("", 0);
  rl_on_new_line();
  rl_redisplay();
  return 0;
}

std::optional<std::string> edit_line(const std::string& prompt) {
  struct Free {
    void operator()(char* text) const { std::free(text); }
  };
  const std::unique_ptr<char, Free> text(readline(prompt.c_str()));
  if (!text) return std::nullopt;
  if (*text != '\0') add_history(text.get());
  return text.get();
}

#else

/// The terminal's own editing; Ctrl-C gives up the line.
std::optional<std::string> edit_line(const std::string& prompt) {
  write_out(prompt);
  std::string text;
  while (!std::getline(std::cin, text)) {
    if (!Interrupt::requested()) return std::nullopt;
    Interrupt::clear();
    std::cin.clear();
    write_out("\n" + prompt);
  }
  return text;
}

#endif

}  // namespace

LineReader::LineReader() : terminal_(stdin_is_terminal() && stdout_is_terminal()) {
#ifdef BITNET_READLINE
  if (!terminal_) return;
  rl_catch_signals = 0;  // Ctrl-C is Interrupt's
  rl_event_hook = clear_line_when_interrupted;
  rl_readline_name = "bitnet";
  rl_bind_key('\t', rl_insert);  // there are no file names to complete
#endif
}

std::optional<std::string> LineReader::read(const std::string& prompt) {
  if (terminal_) return edit_line(prompt);
  std::string text;
  if (!std::getline(std::cin, text)) return std::nullopt;
  return text;
}

}  // namespace bitnet::cli
