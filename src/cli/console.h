#pragma once
/// The program's two streams, with every failure of the operating system noticed.

#include <stdexcept>
#include <string_view>

#include "base/json.h"

namespace bitnet::cli {

/// Whoever read our standard output has gone (`bitnet run … | head -c 5`): nothing is left to do, and nobody to tell.
class OutputClosed : public std::runtime_error {
 public:
  OutputClosed() : std::runtime_error("standard output was closed") {}
};

/// Writes everything, unbuffered, so that text appears as it is generated.
/// Throws OutputClosed, or Error(io) when the disk is full or the like.
void write_out(std::string_view text);

/// One JSON value and a newline. Bytes that are not UTF-8 become U+FFFD.
void write_json(const Json& json);

/// The same on one line, for JSON Lines.
void write_json_line(const Json& json);

/// Writes to standard error as far as it goes; a failure there has no better place to be reported.
void write_err(std::string_view text);

/// "bitnet: error: text", "bitnet: warning: text" on standard error.
void report(std::string_view kind, std::string_view text);

[[nodiscard]] bool stdin_is_terminal();
[[nodiscard]] bool stdout_is_terminal();
[[nodiscard]] bool stderr_is_terminal();

}  // namespace bitnet::cli
