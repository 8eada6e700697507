#pragma once
/// Starts the program under test and watches it from outside.

#include <sys/types.h>

#include <string>
#include <utility>
#include <vector>

namespace bitnet::cli_test {

struct Outcome {
  int status = -1;  ///< exit status, or 128 + signal
  std::string out;
  std::string err;
};

struct Start {
  std::vector<std::string> arguments;
  std::string input;        ///< standard input
  std::string output_path;  ///< a file in place of the pipe for standard output
  std::vector<std::pair<std::string, std::string>> environment;
};

/// A running program whose standard streams are pipes. Killed when destroyed while it runs. Every wait is bounded:
/// after two minutes without what is waited for, the program is killed.
class Program {
 public:
  explicit Program(const Start& start);
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  ~Program();

  /// Reads standard output until it is at least `bytes` long or ends; returns all of it so far.
  std::string read_out(std::size_t bytes);
  void close_out();
  void signal(int number) const;
  /// Reads both streams to their ends and waits.
  Outcome finish();

 private:
  friend class TerminalProgram;
  pid_t pid_ = -1;
  int out_ = -1;
  int err_ = -1;
  std::string out_text_;
};

/// Program(start).finish()
Outcome run(const Start& start);
/// run with arguments alone
Outcome run(std::vector<std::string> arguments);

/// A running program inside a terminal of its own: what it prints on both streams, as a person sees it.
class TerminalProgram {
 public:
  explicit TerminalProgram(const std::vector<std::string>& arguments);
  TerminalProgram(const TerminalProgram&) = delete;
  TerminalProgram& operator=(const TerminalProgram&) = delete;
  ~TerminalProgram();

  void type(const std::string& text) const;
  /// Reads until `text` appears after what was waited for before. Returns what came until then, or "" in its place
  /// when the program ended or two minutes passed.
  std::string wait_for(const std::string& text);
  /// Waits for the end; returns the exit status, or 128 + signal.
  int finish();

 private:
  bool read_some();

  pid_t pid_ = -1;
  int terminal_ = -1;
  std::string unread_;
};

}  // namespace bitnet::cli_test
