#pragma once
/// Options that several subcommands share.

#include <functional>
#include <string>
#include <vector>

#include "bitnet/engine.h"
#include "bitnet/settings.h"
#include "cli/command_line.h"

namespace bitnet::cli {

/// --threads, --kv-cache, --kernels: how a model is loaded.
class EngineFlags {
 public:
  explicit EngineFlags(CLI::App& app);

  /// Engine::load of find_model(model), with a progress bar and the library's remarks on standard error.
  /// Without `reads_head`, for what decodes no tokens, there is no copy of the head and of the down projections.
  [[nodiscard]] Engine load(const std::string& model, bool reads_head = true) const;
  /// Engine::synthetic, likewise.
  [[nodiscard]] Engine synthetic(const ModelConfig& config, std::uint64_t seed, std::int64_t gate_bias) const;

 private:
  template <typename Make>
  Engine with_progress(Make make) const;

  EngineOptions options_;
};

/// Every field of InferenceSettings under its own name (--threads is one of EngineFlags), --settings and --bad-words.
class GenerationFlags {
 public:
  explicit GenerationFlags(CLI::App& app);

  /// The model's default settings, overridden by those of the file that --settings names, overridden by the other
  /// flags. Throws Error for a broken file, and for settings that are out of range or contradict each other.
  [[nodiscard]] InferenceSettings settings(const Engine& engine) const;

 private:
  using Change = std::function<void(InferenceSettings&)>;
  using IdLists = std::vector<std::vector<std::int32_t>>;  // one for each time that the option was given
  using SetIds = std::function<void(InferenceSettings&, const IdLists&)>;
  using Texts = std::vector<std::string>;
  using MakeChange = std::function<Change(const Texts&)>;  // throws UsageError

  template <typename Value, typename Field>
  void add(CLI::App& app, const char* name, Field InferenceSettings::*field, const char* help);
  void add_flag(CLI::App& app, const char* names, bool InferenceSettings::*field, const char* help);
  CLI::Option* add_list(CLI::App& app, const char* name, const char* help, const MakeChange& make);
  void add_ids(CLI::App& app, const char* name, const char* help, const SetIds& set);
  void add_sampling(CLI::App& app);
  void add_length(CLI::App& app);
  void add_text(CLI::App& app);
  void add_tokens(CLI::App& app);
  void add_search(CLI::App& app);
  void add_running(CLI::App& app);
  void add_results(CLI::App& app);

  const CLI::App& app_;
  std::string file_;           // of --settings
  std::vector<Change> given_;  // by the other flags, in their order
  std::vector<std::string> bad_words_;
};

/// "3,17,42" → ids. Throws UsageError, which begins with the option's `name`, for anything that is not a number.
[[nodiscard]] std::vector<std::int32_t> parse_ids(const std::string& text, const std::string& name);

}  // namespace bitnet::cli
