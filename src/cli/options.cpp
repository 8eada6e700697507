#include "cli/options.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <iterator>
#include <utility>

#include "cli/console.h"
#include "cli/model_path.h"
#include "cli/progress.h"
#include "cli/suggest.h"
#include "kernels/dispatch.h"

namespace bitnet::cli {
namespace {

/// An empty answer is a yes; CLI11 prints the rest.
std::string check_kernels(const std::string& name) {
  std::vector<std::string> names;
  for (const kernels::KernelTable* table : kernels::built_tables()) names.emplace_back(table->name);
  if (std::find(names.begin(), names.end(), name) != names.end()) return {};
  return fmt::format("there are no kernels '{}'{} (built in: {})", name, suggestion(name, names),
                     fmt::join(names, ", "));
}

std::string not_negative(const std::string& number) {
  return number.starts_with('-') ? fmt::format("{} is negative", number) : std::string();
}

/// One of these words; the help shows them by type_name.
CLI::Validator one_of(std::vector<std::string> words) {
  return CLI::Validator(CLI::IsMember(std::move(words))).description("");
}

const std::vector<std::string>& kv_cache_types() {  // in the order of KvCacheType
  static const std::vector<std::string> types{"f32", "f16", "q8", "q4"};
  return types;
}

}  // namespace

std::vector<std::int32_t> parse_ids(const std::string& text) {
  std::vector<std::int32_t> ids;
  const char* const end = text.data() + text.size();
  for (const char* at = text.data(); at != end;) {
    std::int32_t id = 0;
    const auto [after, error] = std::from_chars(at, end, id);
    if (error != std::errc() || (after != end && *after != ',' && *after != ' ')) {
      throw UsageError(fmt::format("'{}' is not a list of token ids like 1,2,3", text));
    }
    ids.push_back(id);
    at = after;
    while (at != end && (*at == ',' || *at == ' ')) ++at;
  }
  return ids;
}

EngineFlags::EngineFlags(CLI::App& app) {
  app.option_defaults()->group("Engine");
  app.add_option("--threads", options_.threads, "Threads that compute")->capture_default_str();
  app.add_option_function<std::string>(
         "--kv-cache",
         [this](const std::string& type) {
           const auto& types = kv_cache_types();
           options_.kv_cache = static_cast<KvCacheType>(std::find(types.begin(), types.end(), type) - types.begin());
         },
         "Keys and values: f16, q8 and q4 take 1/2, about 1/4 and 1/8 of the memory and change logits; default f32")
      ->check(one_of(kv_cache_types()))
      ->type_name("f32|f16|q8|q4");
  app.add_flag_callback(
      "--no-head-copy", [this] { options_.head_copy = false; },
      "Less memory, slower: no four-bit copy of the head; the answers are the same");
  app.add_option("--kernels", options_.kernels, "Kernel table; default $BITNET_KERNELS, else the machine's best")
      ->check(CLI::Validator(check_kernels, ""))
      ->type_name("NAME");
  app.option_defaults()->group("Options");
}

template <typename Make>
Engine EngineFlags::with_progress(Make make) const {
  Progress progress("Loading");
  EngineOptions options = options_;
  options.on_progress = [&](double fraction) { progress.update(fraction); };
  options.log = [&](const std::string& message) {
    progress.finish();
    report("note", message);
  };
  return make(options);
}

Engine EngineFlags::load(const std::string& model) const {
  return with_progress([&](const EngineOptions& options) { return Engine::load(find_model(model), options); });
}

Engine EngineFlags::synthetic(const ModelConfig& config, std::uint64_t seed) const {
  return with_progress([&](const EngineOptions& options) { return Engine::synthetic(config, seed, options); });
}

GenerationFlags::GenerationFlags(CLI::App& app) {
  add_sampling(app);
  add_length(app);
  add_text(app);
  add_tokens(app);
  add_search(app);
  add_results(app);
  app.option_defaults()->group("Options");
}

template <typename Value, typename Field>
void GenerationFlags::add(CLI::App& app, const char* name, Field InferenceSettings::*field, const char* help) {
  app.add_option_function<Value>(
      name,
      [this, field](const Value& value) {
        given_.push_back([field, value](InferenceSettings& settings) { settings.*field = value; });
      },
      help);
}

void GenerationFlags::add_flag(CLI::App& app, const char* names, bool InferenceSettings::*field, const char* help) {
  app.add_flag_function(
         names,
         [this, field](std::int64_t count) {
           given_.push_back([field, count](InferenceSettings& settings) { settings.*field = count > 0; });
         },
         help)
      ->take_last();
}

void GenerationFlags::add_ids(CLI::App& app, const char* name, const char* help, const SetIds& set) {
  app.add_option_function<std::vector<std::string>>(
         name,
         [this, set](const std::vector<std::string>& texts) {
           IdLists lists;
           std::transform(texts.begin(), texts.end(), std::back_inserter(lists), parse_ids);
           given_.push_back([set, lists](InferenceSettings& settings) { set(settings, lists); });
         },
         help)
      ->allow_extra_args(false)
      ->take_all()
      ->type_name("IDS");
}

void GenerationFlags::add_sampling(CLI::App& app) {
  using S = InferenceSettings;
  app.option_defaults()->group("Sampling");
  add_flag(app, "--do-sample", &S::do_sample, "Draw tokens by their probability");
  app.add_flag_callback(
      "--greedy", [this] { given_.push_back([](S& settings) { settings.do_sample = false; }); },
      "Take the likeliest token each time");
  add<float>(app, "--temperature", &S::temperature, "Divides the logits; > 0");
  add<std::int32_t>(app, "--top-k", &S::top_k, "Keep the k likeliest tokens; 0: off");
  add<float>(app, "--top-p", &S::top_p, "Keep the smallest set with this probability; 1: off");
  add<float>(app, "--min-p", &S::min_p, "Drop tokens less likely than this share of the likeliest; 0: off");
  add<float>(app, "--repetition-penalty", &S::repetition_penalty, "Makes what was said before less likely; 1: off");
  add<std::uint64_t>(app, "--seed", &S::seed, "The same seed gives the same text");
  app.get_option("--seed")->check(CLI::Validator(not_negative, ""));  // CLI11 would wrap it around
}

void GenerationFlags::add_length(CLI::App& app) {
  using S = InferenceSettings;
  app.option_defaults()->group("Length");
  add<std::int32_t>(app, "--max-new-tokens", &S::max_new_tokens, "Tokens to generate at most");
  app.add_option_function<std::int32_t>(
      "--max-length",
      [this](const std::int32_t& length) {
        // The default max_new_tokens must not win over a length that was asked for. A given one still does: this
        // change comes before all others.
        given_.insert(given_.begin(), [length](S& settings) {
          settings.max_length = length;
          settings.max_new_tokens.reset();
        });
      },
      "Prompt and new tokens at most; --max-new-tokens wins");
  add<std::int32_t>(app, "--min-length", &S::min_length, "Prompt and new tokens at least");
  add<std::int32_t>(app, "--min-new-tokens", &S::min_new_tokens, "Tokens to generate at least");
  add<double>(app, "--max-time", &S::max_time, "Seconds");
  add_flag(app, "--ignore-eos", &S::ignore_eos, "Go on after an end-of-sequence token");
}

void GenerationFlags::add_text(CLI::App& app) {
  using S = InferenceSettings;
  app.option_defaults()->group("Text");
  app.add_option_function<std::vector<std::string>>(
         "--stop-strings",
         [this](const std::vector<std::string>& strings) {
           given_.push_back([strings](S& settings) { settings.stop_strings = strings; });
         },
         "Stop where this text appears; may be repeated")
      ->allow_extra_args(false)
      ->take_all();
  add<std::string>(app, "--prefix", &S::prefix, "Put before the prompt");
  add<std::string>(app, "--system-prompt", &S::system_prompt, "First message of a chat");
}

void GenerationFlags::add_tokens(CLI::App& app) {
  using S = InferenceSettings;
  app.option_defaults()->group("Tokens");
  add_ids(app, "--eos-token-id", "Generation stops after any of these",
          [](S& settings, const IdLists& lists) { settings.eos_token_id = lists.back(); });
  add<std::int32_t>(app, "--bos-token-id", &S::bos_token_id, "The checkpoint's begin-of-text token");
  add<std::int32_t>(app, "--pad-token-id", &S::pad_token_id, "Fills sequences that have ended");
  add<std::int32_t>(app, "--decoder-start-token-id", &S::decoder_start_token_id, "First token of an empty prompt");
  add<std::int32_t>(app, "--forced-bos-token-id", &S::forced_bos_token_id, "First new token");
  add<std::int32_t>(app, "--forced-eos-token-id", &S::forced_eos_token_id, "Last token when the length is reached");
  add<std::int32_t>(app, "--no-repeat-ngram-size", &S::no_repeat_ngram_size, "No n-gram appears twice; 0: off");
  add_ids(app, "--bad-words-ids", "A sequence that must not appear; may be repeated",
          [](S& settings, const IdLists& lists) { settings.bad_words_ids = lists; });
  add_ids(app, "--suppress-tokens", "Tokens that must not appear",
          [](S& settings, const IdLists& lists) { settings.suppress_tokens = lists.back(); });
  add_flag(app, "--remove-invalid-values", &S::remove_invalid_values, "Replace NaN and infinite logits");
}

void GenerationFlags::add_search(CLI::App& app) {
  using S = InferenceSettings;
  app.option_defaults()->group("Search");
  add<std::int32_t>(app, "--num-beams", &S::num_beams, "Beams; 1: no beam search");
  add<std::int32_t>(app, "--num-beam-groups", &S::num_beam_groups, "Groups of beams that avoid each other");
  add<float>(app, "--diversity-penalty", &S::diversity_penalty, "Between beam groups");
  add<float>(app, "--length-penalty", &S::length_penalty, "Exponent of the length in a beam's score");
  app.add_option_function<std::string>(
         "--early-stopping",
         [this](const std::string& value) {
           const EarlyStopping stopping = value == "true"    ? EarlyStopping::yes
                                          : value == "never" ? EarlyStopping::never
                                                             : EarlyStopping::no;
           given_.push_back([stopping](S& settings) { settings.early_stopping = stopping; });
         },
         "When a beam search ends")
      ->check(one_of({"true", "false", "never"}))
      ->type_name("true|false|never");
  add<float>(app, "--penalty-alpha", &S::penalty_alpha, "Contrastive search");
  add<std::int32_t>(app, "--num-return-sequences", &S::num_return_sequences, "Results for one prompt");
  add<std::int32_t>(app, "--batch-size", &S::batch_size, "Prompts at a time");
}

void GenerationFlags::add_results(CLI::App& app) {
  using S = InferenceSettings;
  app.option_defaults()->group("Reference settings");
  add_flag(app, "--use-cache,!--no-use-cache", &S::use_cache, "Keep keys and values between tokens");
  add_flag(app, "--attention-mask,!--no-attention-mask", &S::attention_mask, "Do not look at padding");
  add_flag(app, "--output-attentions", &S::output_attentions, "Keep attention probabilities");
  add_flag(app, "--output-hidden-states", &S::output_hidden_states, "Keep hidden states");
  add_flag(app, "--output-scores", &S::output_scores, "Keep scores");
  add_flag(app, "--return-dict-in-generate", &S::return_dict_in_generate, "Return what was kept");
}

InferenceSettings GenerationFlags::settings(const Engine& engine) const {
  InferenceSettings settings = engine.default_settings();
  for (const Change& change : given_) change(settings);
  settings.validate();
  return settings;
}

}  // namespace bitnet::cli
