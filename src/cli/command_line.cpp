#include "cli/command_line.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "cli/console.h"
#include "cli/suggest.h"

namespace bitnet::cli {
namespace {

/// Positional arguments are explained by the usage line; options are listed in their groups.
class HelpFormatter : public CLI::Formatter {
 public:
  explicit HelpFormatter(std::string usage) : usage_(std::move(usage)) { column_width(36); }
  std::string make_usage(const CLI::App* /*app*/, std::string /*name*/) const override { return usage_; }
  /// Without the empty line before the name: there is one after each group already.
  std::string make_group(std::string group, bool positional, std::vector<const CLI::Option*> options) const override {
    return CLI::Formatter::make_group(std::move(group), positional, std::move(options)).substr(1);
  }
  /// "--no-use-cache{false}" is CLI11's own notation.
  std::string make_option_name(const CLI::Option* option, bool positional) const override {
    std::string name = CLI::Formatter::make_option_name(option, positional);
    const std::size_t at = name.find("{false}");
    return at == std::string::npos ? name : name.erase(at);
  }
  std::string make_positionals(const CLI::App* /*app*/) const override { return {}; }

 private:
  std::string usage_;
};

/// "--max_new_tokens=5" → "--max-new-tokens=5"
std::string with_dashes(std::string argument) {
  if (!argument.starts_with("--")) return argument;
  const auto name_end = std::find(argument.begin(), argument.end(), '=');
  std::replace(argument.begin(), name_end, '_', '-');
  return argument;
}

}  // namespace

CommandLine::CommandLine(CommandText text) : text_(std::move(text)), app_(text_.summary, text_.name) {
  app_.formatter(std::make_shared<HelpFormatter>(fmt::format("\nUsage: bitnet {}{}{} [OPTIONS]\n\n", text_.name,
                                                             text_.arguments.empty() ? "" : " ", text_.arguments)));
  app_.option_defaults()->take_last();  // a later option overrides an earlier one, as users of aliases expect
  app_.set_help_flag("-h,--help", "Print this text");
  app_.footer("Examples:\n" + text_.examples);
}

bool CommandLine::parse(const Arguments& arguments) {
  Arguments reversed;  // the order that CLI11 wants
  bool only_positionals = false;
  for (const std::string& argument : arguments) {
    only_positionals = only_positionals || argument == "--";
    reversed.insert(reversed.begin(), only_positionals ? argument : with_dashes(argument));
  }
  try {
    app_.parse(reversed);
  } catch (const CLI::CallForHelp&) {
    write_out(app_.help());
    return false;
  } catch (const CLI::ExtrasError&) {
    reject_extras();
  } catch (const CLI::ParseError& error) {
    throw UsageError(fmt::format("{}: {}; try 'bitnet {} --help'", text_.name, error.what(), text_.name));
  }
  return true;
}

void CommandLine::require(bool condition, const std::string& what) const {
  if (!condition) throw UsageError(fmt::format("{}: {}; try 'bitnet {} --help'", text_.name, what, text_.name));
}

void CommandLine::reject_extras() const {
  const Arguments extras = app_.remaining();
  const auto option =
      std::find_if(extras.begin(), extras.end(), [](const std::string& extra) { return extra.starts_with("-"); });
  if (option == extras.end()) {
    throw UsageError(
        fmt::format("{}: unexpected argument '{}'; try 'bitnet {} --help' (a text with spaces needs "
                    "quotes)",
                    text_.name, extras.empty() ? "" : extras.front(), text_.name));
  }
  std::vector<std::string> known;
  for (const CLI::Option* candidate : app_.get_options()) {
    for (const std::string& name : candidate->get_lnames()) known.push_back("--" + name);
  }
  const std::string typed = option->substr(0, option->find('='));
  std::string hint = suggestion(typed, known);
  if (hint.empty())
    hint = fmt::format("; try 'bitnet {} --help' (a text that begins with '-' goes after '--')", text_.name);
  throw UsageError(fmt::format("{}: there is no option '{}'{}", text_.name, typed, hint));
}

ModelAndText::ModelAndText(CommandLine& line, std::string text_name)
    : line_(line),
      text_name_(std::move(text_name)),
      first_(line.app().add_option("model", model)),
      second_(line.app().add_option("text", text)) {}

void ModelAndText::resolve(bool text_optional) {
  const bool one = first_->count() != 0 && second_->count() == 0;
  if (text_optional && second_->count() == 0) return;
  line_.require(first_->count() != 0, text_name_ + " is missing");
  if (!one) {
    line_.require(!model.empty(), "MODEL is empty");
    return;
  }
  std::error_code ignored;
  line_.require(!std::filesystem::exists(std::filesystem::path(model) / "config.json", ignored),
                fmt::format("'{}' is a model; {} is missing", model, text_name_));
  text = std::exchange(model, {});
}

}  // namespace bitnet::cli
