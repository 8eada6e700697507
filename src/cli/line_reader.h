#pragma once

#include <optional>
#include <string>

namespace bitnet::cli {

/// Reads lines from standard input: with editing and a history where it is a terminal. One at a time.
class LineReader {
 public:
  LineReader();

  /// The next line without its newline; none at the end of input (Ctrl-D). In a terminal, `prompt` is shown, and
  /// Ctrl-C clears the line while an Interrupt is alive.
  [[nodiscard]] std::optional<std::string> read(const std::string& prompt);

 private:
  bool terminal_;
};

}  // namespace bitnet::cli
