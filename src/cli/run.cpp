/// bitnet run: continues a prompt and streams the text, or continues a list of them.

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <optional>
#include <utility>

#include "base/fail.h"
#include "base/text_file.h"
#include "base/utf8.h"
#include "bitnet/session.h"
#include "cli/attention_page.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/dump.h"
#include "cli/interrupt.h"
#include "cli/model_path.h"
#include "cli/options.h"
#include "cli/prompts.h"
#include "cli/results.h"
#include "generate/generator.h"

namespace bitnet::cli {
namespace {

constexpr std::string_view kPattern = "attn.hook_pattern";

using Ids = std::vector<std::int32_t>;

struct RunFlags {
  explicit RunFlags(CLI::App& app) {
    app.add_flag("--chat", as_message, "PROMPT is a user's message in the model's chat format");
    prompts = app.add_option("--prompts-file", prompts_file, "A prompt a line in place of PROMPT; '-': standard input")
                  ->type_name("FILE");
    app.add_flag("--json", json, "Print one JSON object at the end; of several results one a line");
    app.add_flag("--quiet", quiet, "No speeds at the end");
    app.add_option("--dump", dump, "Write activations of prompt and first result (safetensors)")->type_name("FILE");
    app.add_option("--html", html, "Write a page that shows the attention of prompt and first result")
        ->type_name("FILE");
  }

  bool as_message = false;
  bool json = false;
  bool quiet = false;
  std::string prompts_file;
  std::string dump;
  std::string html;
  CLI::Option* prompts = nullptr;
};

/// The command line's contradictions, and what would make files impossible to write.
void check(CommandLine& line, const RunFlags& flags, const ModelAndText& input) {
  if (flags.prompts->count() != 0) {
    std::error_code ignored;
    const bool is_model = input.model.empty() || std::filesystem::is_directory(input.model, ignored);
    const char* const clash = "PROMPT and --prompts-file exclude each other";
    line.require(input.text.empty(), clash);
    line.require(is_model, fmt::format("{} ('{}' is no model's folder)", clash, input.model));
    line.require(flags.dump.empty() && flags.html.empty(),
                 "--dump and --html are about one prompt: they need PROMPT in place of --prompts-file");
  }
  for (const char* name : {"--dump", "--html"}) {
    const CLI::Option* const option = line.app().get_option(name);
    line.require(option->count() == 0 || !option->as<std::string>().empty(), fmt::format("{} names no file", name));
  }
  line.require(flags.dump.empty() || flags.dump != flags.html, "--dump and --html name the same file");
  if (!flags.dump.empty()) require_writable(flags.dump);
  if (!flags.html.empty()) require_writable(flags.html);
}

class Run {
 public:
  Run(const RunFlags& flags, const Engine& engine, const InferenceSettings& settings)
      : flags_(flags), engine_(engine), settings_(settings), session_(engine) {}

  /// The ids to continue. Throws for a prompt that does not fit, before anything is computed.
  [[nodiscard]] Ids encode(const std::string& prompt) const {
    Ids ids;
    if (flags_.as_message) {
      ChatMessage message;
      message.content = prompt;
      ids = session_.reply_prompt({&message, 1}, settings_);
    } else {
      ids = engine_.tokenizer().encode(settings_.prefix + prompt);
    }
    if (!ids.empty()) {
      (void)generate::token_budget(std::ssize(ids), engine_.config().max_position_embeddings, settings_);
    }
    return ids;
  }

  /// Streams.
  Generation one(const Ids& prompt) {
    std::size_t written = 0;
    const OnText on_text = [&](std::string_view text) {
      if (!flags_.json && !text.empty()) {
        write_out(text);
        written += text.size();
      }
      return !Interrupt::requested();
    };
    Generation result = session_.generate(std::span<const std::int32_t>(prompt), settings_, on_text);
    if (flags_.json) {
      write_json(to_json(result, settings_));
    } else {
      // What an interrupt kept from being streamed: all of it in a beam search.
      write_out(std::string_view(result.text).substr(std::min(written, result.text.size())));
      if (!result.text.ends_with('\n')) write_out("\n");
    }
    if (!flags_.json && !flags_.quiet) write_err(summary(result) + "\n");
    return result;
  }

  /// Prints the results of each batch when they are complete. Returns the first of all.
  Generation list(std::span<const Ids> prompts) {
    ResultList printed(settings_, flags_.json);
    std::optional<Generation> first;
    const auto batch = static_cast<std::size_t>(settings_.batch_size);
    for (std::size_t at = 0; at < prompts.size() && !Interrupt::requested(); at += batch) {
      const auto part = prompts.subspan(at, std::min(batch, prompts.size() - at));
      std::vector<Generation> results = session_.generate_batch(
          part, settings_, [](std::size_t, std::string_view) { return !Interrupt::requested(); });
      printed.print(results, at);
      if (!first) first = std::move(results.front());
    }
    if (!flags_.json && !flags_.quiet) write_err(printed.summary() + "\n");
    return first ? std::move(*first) : Generation();
  }

  /// --dump and --html.
  void write_files(const Generation& result, const std::string& model, const Arguments& arguments) {
    Ids ids = result.prompt_ids;
    ids.insert(ids.end(), result.ids.begin(), result.ids.end());
    if (!flags_.html.empty()) require_attention_fits(engine_.config(), ids.size());
    const WantsArray patterns = [](std::string_view name) { return name.ends_with(kPattern); };
    const auto activations = session_.activations(ids, flags_.dump.empty() ? patterns : WantsArray());
    if (!flags_.dump.empty()) {
      write_dump(flags_.dump, activations, result,
                 {{"model", valid_utf8(model)},
                  {"prompt_tokens", std::to_string(result.prompt_ids.size())},
                  {"arguments", Json(arguments).dump(-1, ' ', false, Json::error_handler_t::replace)}});
    }
    if (flags_.html.empty()) return;
    AttentionView view{model, token_texts(engine_.tokenizer(), ids), result.prompt_ids.size(), {}};
    for (const NamedArray& named : activations) {
      if (patterns(named.name)) view.patterns.push_back(&named.array);
    }
    const std::string page = attention_page(view);
    write_file_atomically(flags_.html, std::as_bytes(std::span(page)));
  }

 private:
  const RunFlags& flags_;
  const Engine& engine_;
  const InferenceSettings& settings_;
  Session session_;
};

std::vector<Ids> encode_all(const Run& run, std::span<const std::string> prompts) {
  std::vector<Ids> all;
  for (const std::string& prompt : prompts) {
    try {
      all.push_back(run.encode(prompt));
    } catch (const Error& error) {
      if (prompts.size() == 1) throw;
      fail(error.kind(), "prompt {}: {}", all.size() + 1, error.what());
    }
  }
  return all;
}

}  // namespace

int run_command(const Arguments& arguments) {
  CommandLine line({"run", "[MODEL] PROMPT",
                    "Continues PROMPT and prints the text as it is generated. PROMPT '-' is read from standard input.\n"
                    "Several results are printed when they are complete, each under a line that says which it is.",
                    "  bitnet run \"Once upon a time\" --max-new-tokens 100\n"
                    "  bitnet run models/my-model \"Tell me about owls.\" --chat --greedy\n"
                    "  bitnet run --json --seed 7 - < prompt.txt\n"
                    "  bitnet run --prompts-file prompts.txt --batch-size 8 --json\n"
                    "  bitnet run \"Once upon a time\" --dump activations.safetensors --html attention.html"});
  ModelAndText input(line, "PROMPT");
  const RunFlags flags(line.app());
  const GenerationFlags generation_flags(line.app());
  const EngineFlags engine_flags(line.app());
  if (!line.parse(arguments)) return 0;
  const bool has_file = flags.prompts->count() != 0;
  input.resolve(has_file);
  check(line, flags, input);
  std::vector<std::string> prompts;
  if (has_file) {
    prompts = read_prompts(flags.prompts_file);
  } else {
    prompts.push_back(input.text == "-" ? read_stdin() : input.text);
  }

  const std::string model = find_model(input.model).string();
  const Engine engine = engine_flags.load(model);
  InferenceSettings settings = generation_flags.settings(engine);
  line.require(flags.as_message || settings.system_prompt.empty(),
               "--system-prompt is for chats: add --chat, or put the text before the prompt with --prefix");
  drop_unshown(settings, engine.default_settings(), !flags.dump.empty(), flags.json);
  Run run(flags, engine, settings);
  const std::vector<Ids> ids = encode_all(run, prompts);
  if (!flags.html.empty()) require_attention_fits(engine.config(), ids.front().size());

  const Interrupt interrupt(Interrupt::Second::ends_program);
  const bool is_list = has_file || settings.num_return_sequences > 1;
  const Generation first = is_list ? run.list(ids) : run.one(ids.front());
  const bool interrupted = Interrupt::requested();
  if (!flags.dump.empty() || !flags.html.empty()) run.write_files(first, model, arguments);
  return interrupted ? kInterruptedStatus : 0;
}

}  // namespace bitnet::cli
