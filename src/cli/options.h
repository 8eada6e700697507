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
  [[nodiscard]] Engine load(const std::string& model) const;
  /// Engine::synthetic, likewise.
  [[nodiscard]] Engine synthetic(const ModelConfig& config, std::uint64_t seed) const;

 private:
  template <typename Make>
  Engine with_progress(Make make) const;

  EngineOptions options_;
};

/// Every field of InferenceSettings under its own name.
class GenerationFlags {
 public:
  explicit GenerationFlags(CLI::App& app);

  /// The model's default settings, overridden by the flags that were given.
  /// Throws Error for settings that are out of range, contradict each other or do not work yet.
  [[nodiscard]] InferenceSettings settings(const Engine& engine) const;

 private:
  using Change = std::function<void(InferenceSettings&)>;
  using IdLists = std::vector<std::vector<std::int32_t>>;  // one for each time that the option was given
  using SetIds = std::function<void(InferenceSettings&, const IdLists&)>;

  template <typename Value, typename Field>
  void add(CLI::App& app, const char* name, Field InferenceSettings::*field, const char* help);
  void add_flag(CLI::App& app, const char* names, bool InferenceSettings::*field, const char* help);
  void add_ids(CLI::App& app, const char* name, const char* help, const SetIds& set);
  void add_sampling(CLI::App& app);
  void add_length(CLI::App& app);
  void add_text(CLI::App& app);
  void add_tokens(CLI::App& app);
  void add_search(CLI::App& app);
  void add_results(CLI::App& app);

  std::vector<Change> given_;
};

/// "3,17,42" → ids. Throws UsageError for anything that is not a number.
[[nodiscard]] std::vector<std::int32_t> parse_ids(const std::string& text);

}  // namespace bitnet::cli
