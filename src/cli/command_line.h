#pragma once
/// One subcommand's command line: CLI11 with this program's habits.

#include <CLI/CLI.hpp>
#include <stdexcept>
#include <string>
#include <vector>

namespace bitnet::cli {

/// What stands after the subcommand's name.
using Arguments = std::vector<std::string>;

/// The command line cannot be understood; the program ends with status 2.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

struct CommandText {
  std::string name;       ///< "run"
  std::string arguments;  ///< "[MODEL] PROMPT"
  std::string summary;    ///< one sentence or a few
  std::string examples;   ///< one a line
};

class CommandLine {
 public:
  explicit CommandLine(CommandText text);

  [[nodiscard]] CLI::App& app() { return app_; }

  /// Fills what was bound to app(). Underscores in option names count as dashes. Returns false when --help was asked
  /// for and printed. Throws UsageError, with the nearest option's name for one that does not exist.
  [[nodiscard]] bool parse(const Arguments& arguments);

  /// Throws UsageError("<name>: what") unless `condition`.
  void require(bool condition, const std::string& what) const;

 private:
  [[noreturn]] void reject_extras() const;

  CommandText text_;
  CLI::App app_;
};

/// "One argument is a text for the default model, two are model and text": the positional arguments of run,
/// tokenize and perplexity.
class ModelAndText {
 public:
  /// `text_name` as in the usage line: "PROMPT", "FILE".
  ModelAndText(CommandLine& line, std::string text_name);

  /// After parse(): the arguments sorted out. `text_optional`: a single argument is then the model.
  /// Throws UsageError when the text is missing, also when the only argument is plainly a model's folder.
  void resolve(bool text_optional = false);

  std::string model;  ///< empty: the default model
  std::string text;

 private:
  CommandLine& line_;
  std::string text_name_;
  CLI::Option* first_;
  CLI::Option* second_;
};

}  // namespace bitnet::cli
