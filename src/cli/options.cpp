#include "cli/options.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <type_traits>
#include <utility>

#include "base/text_file.h"
#include "bitnet/error.h"
#include "cli/console.h"
#include "cli/model_path.h"
#include "cli/progress.h"
#include "cli/suggest.h"
#include "kernels/dispatch.h"

namespace bitnet::cli {
namespace {

using S = InferenceSettings;
constexpr std::size_t kMaxSettingsBytes = std::size_t{1} << 20;

/// An empty answer is a yes; CLI11 prints the rest.
std::string check_kernels(const std::string& name) {
  std::vector<std::string> names;
  for (const kernels::KernelTable* table : kernels::built_tables()) names.emplace_back(table->name);
  if (std::find(names.begin(), names.end(), name) != names.end()) return {};
  return fmt::format("there are no kernels '{}'{} (built in: {})", name, suggestion(name, names),
                     fmt::join(names, ", "));
}

/// The help of an option says what is allowed.
template <typename Number>
CLI::Validator number_check(const std::string& help) {
  const auto check = [help](const std::string& text) {
    Number number{};
    // CLI11 would wrap a negative number around.
    const bool wraps = std::is_unsigned_v<Number> && text.starts_with('-');
    if (!wraps && CLI::detail::lexical_cast(text, number)) return std::string();
    const char* kind = std::is_floating_point_v<Number> ? "a number" : "an integer in its range";
    return fmt::format("'{}' is not {} ({})", text, kind, help);
  };
  return CLI::Validator(check, "");
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

std::vector<std::int32_t> parse_ids(const std::string& text, const std::string& name) {
  std::vector<std::int32_t> ids;
  const char* const end = text.data() + text.size();
  for (const char* at = text.data(); at != end;) {
    std::int32_t id = 0;
    const auto [after, error] = std::from_chars(at, end, id);
    if (error != std::errc() || (after != end && *after != ',' && *after != ' ')) {
      throw UsageError(fmt::format("{}: '{}' is not a list of token ids like 1,2,3", name, text));
    }
    ids.push_back(id);
    at = after;
    while (at != end && (*at == ',' || *at == ' ')) ++at;
  }
  return ids;
}

namespace {

/// "3,17:-2.5"
SequenceBias parse_bias(const std::string& text) {
  constexpr const char* kName = "--sequence-bias";
  const std::size_t colon = text.rfind(':');
  SequenceBias bias;
  if (colon == std::string::npos || !CLI::detail::lexical_cast(text.substr(colon + 1), bias.bias)) {
    throw UsageError(fmt::format("{}: '{}' is not token ids and a number like 3,17:-2.5", kName, text));
  }
  bias.ids = parse_ids(text.substr(0, colon), kName);
  return bias;
}

/// "20,1.1"
ExponentialDecayLengthPenalty parse_decay(const std::string& text) {
  const std::size_t comma = text.find(',');
  ExponentialDecayLengthPenalty decay;
  if (comma == std::string::npos || !CLI::detail::lexical_cast(text.substr(0, comma), decay.start) ||
      !CLI::detail::lexical_cast(text.substr(comma + 1), decay.factor)) {
    throw UsageError(fmt::format(
        "--exponential-decay-length-penalty: '{}' is not a number of tokens and a factor like 20,1.1", text));
  }
  return decay;
}

}  // namespace

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
  app.add_flag_callback(
      "--no-down-copy", [this] { options_.down_copy = false; },
      "Less memory, slower: no copy of the down projections by input; the answers are the same");
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

Engine EngineFlags::load(const std::string& model, bool reads_head) const {
  const std::filesystem::path path = find_model(model);
  return with_progress([&](EngineOptions options) {
    options.head_copy = options.head_copy && reads_head;
    options.down_copy = options.down_copy && reads_head;
    return Engine::load(path, options);
  });
}

Engine EngineFlags::synthetic(const ModelConfig& config, std::uint64_t seed, std::int64_t gate_bias) const {
  return with_progress(
      [&](const EngineOptions& options) { return Engine::synthetic(config, seed, options, gate_bias); });
}

GenerationFlags::GenerationFlags(CLI::App& app) : app_(app) {
  app.option_defaults()->group("Settings");
  app.add_option("--settings", file_, "A JSON file of settings, like generation_config.json; flags win")
      ->type_name("FILE.json");
  add_sampling(app);
  add_length(app);
  add_text(app);
  add_tokens(app);
  add_search(app);
  add_running(app);
  add_results(app);
  app.option_defaults()->group("Options");
}

template <typename Value, typename Field>
void GenerationFlags::add(CLI::App& app, const char* name, Field S::*field, const char* help) {
  CLI::Option* option = app.add_option_function<Value>(
      name, [this, field](const Value& value) { given_.push_back([field, value](S& s) { s.*field = value; }); }, help);
  if constexpr (std::is_arithmetic_v<Value>) option->check(number_check<Value>(help));
}

void GenerationFlags::add_flag(CLI::App& app, const char* names, bool S::*field, const char* help) {
  app.add_flag_function(
         names,
         [this, field](std::int64_t count) {
           given_.push_back([field, count](S& settings) { settings.*field = count > 0; });
         },
         help)
      ->take_last();
}

CLI::Option* GenerationFlags::add_list(CLI::App& app, const char* name, const char* help, const MakeChange& make) {
  return app
      .add_option_function<Texts>(
          name, [this, make](const Texts& texts) { given_.push_back(make(texts)); }, help)
      ->allow_extra_args(false)
      ->take_all();
}

void GenerationFlags::add_ids(CLI::App& app, const char* name, const char* help, const SetIds& set) {
  const MakeChange make = [set, name](const Texts& texts) {
    IdLists lists;
    for (const std::string& text : texts) lists.push_back(parse_ids(text, name));
    return [set, lists](S& settings) { set(settings, lists); };
  };
  add_list(app, name, help, make)->type_name("IDS");
}

void GenerationFlags::add_sampling(CLI::App& app) {
  app.option_defaults()->group("Sampling");
  add_flag(app, "--do-sample", &S::do_sample, "Draw tokens by their probability");
  app.add_flag_callback(
      "--greedy", [this] { given_.push_back([](S& settings) { settings.do_sample = false; }); },
      "Take the likeliest token each time");
  add<float>(app, "--temperature", &S::temperature, "Divides the logits; > 0");
  add<float>(app, "--top-h", &S::top_h, "Keep the likeliest up to this share of the entropy; 0 to 1, 0: off");
  add<std::int32_t>(app, "--top-k", &S::top_k, "Keep the k likeliest tokens; 0: off");
  add<float>(app, "--top-p", &S::top_p, "Keep the smallest set with this probability; 0 to 1, 1: off");
  add<float>(app, "--min-p", &S::min_p, "Drop tokens less likely than this share of the likeliest; 0 to 1, 0: off");
  add<float>(app, "--typical-p", &S::typical_p, "Keep the most typical tokens with this probability; > 0, 1: off");
  add<float>(app, "--epsilon-cutoff", &S::epsilon_cutoff, "Drop tokens less likely than this; 0 to < 1, 0: off");
  add<float>(app, "--eta-cutoff", &S::eta_cutoff, "The same, less in flat distributions; 0 to < 1, 0: off");
  add<float>(app, "--repetition-penalty", &S::repetition_penalty, "Makes what was said less likely; > 0, 1: off");
  add_flag(app, "--renormalize-logits", &S::renormalize_logits, "Log-softmax at the end of all that changes logits");
  add<std::uint64_t>(app, "--seed", &S::seed, "The same seed gives the same text; 0 or more");
}

void GenerationFlags::add_length(CLI::App& app) {
  app.option_defaults()->group("Length");
  add<std::int32_t>(app, "--max-new-tokens", &S::max_new_tokens, "Tokens to generate at most; 0 or more");
  constexpr const char* kMaxLength = "Prompt and new tokens at most, > 0; --max-new-tokens wins";
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
         kMaxLength)
      ->check(number_check<std::int32_t>(kMaxLength));
  add<std::int32_t>(app, "--min-length", &S::min_length, "Prompt and new tokens before the text may end; 0: off");
  add<std::int32_t>(app, "--min-new-tokens", &S::min_new_tokens, "New tokens before the text may end; 0: off");
  add<double>(app, "--max-time", &S::max_time, "Seconds, after which what is there is the result; 0 to 1e9");
  app.add_option_function<std::string>(
         "--exponential-decay-length-penalty",
         [this](const std::string& text) {
           given_.push_back([decay = parse_decay(text)](S& s) { s.exponential_decay_length_penalty = decay; });
         },
         "From START new tokens on, the text's end grows likelier, FACTOR times a token; > 0")
      ->type_name("START,FACTOR");
  add_flag(app, "--ignore-eos", &S::ignore_eos, "Go on after an end-of-sequence token");
}

void GenerationFlags::add_text(CLI::App& app) {
  app.option_defaults()->group("Text");
  add_list(app, "--stop-strings", "Stop where this text appears; may be repeated",
           [](const Texts& texts) { return [texts](S& settings) { settings.stop_strings = texts; }; });
  app.add_option("--bad-words", bad_words_, "A text that must not appear; may be repeated")
      ->allow_extra_args(false)
      ->take_all();
  add<std::string>(app, "--prefix", &S::prefix, "Put before the prompt");
  add<std::string>(app, "--system-prompt", &S::system_prompt, "First message of a chat");
}

void GenerationFlags::add_tokens(CLI::App& app) {
  app.option_defaults()->group("Tokens");
  add_ids(app, "--eos-token-id", "Generation stops after any of these",
          [](S& settings, const IdLists& lists) { settings.eos_token_id = lists.back(); });
  add<std::int32_t>(app, "--bos-token-id", &S::bos_token_id, "First token of an empty prompt");
  add<std::int32_t>(app, "--pad-token-id", &S::pad_token_id, "Fills sequences that have ended");
  add<std::int32_t>(app, "--decoder-start-token-id", &S::decoder_start_token_id,
                    "First token of an empty prompt; wins over --bos-token-id");
  add<std::int32_t>(app, "--forced-bos-token-id", &S::forced_bos_token_id, "Only choice after a prompt of one token");
  add<std::int32_t>(app, "--forced-eos-token-id", &S::forced_eos_token_id, "Only choice where the length ends");
  add<std::int32_t>(app, "--no-repeat-ngram-size", &S::no_repeat_ngram_size, "No n-gram appears twice; 0: off");
  add_ids(app, "--bad-words-ids", "A sequence that must not appear; may be repeated",
          [](S& settings, const IdLists& lists) { settings.bad_words_ids = lists; });
  add_list(app, "--sequence-bias", "Added to the logit of the last id after the others; may be repeated",
           [](const Texts& texts) {
             std::vector<SequenceBias> biases;
             for (const std::string& text : texts) biases.push_back(parse_bias(text));
             return [biases](S& settings) { settings.sequence_bias = biases; };
           })
      ->type_name("IDS:BIAS");
  add_ids(app, "--suppress-tokens", "Tokens that must not appear",
          [](S& settings, const IdLists& lists) { settings.suppress_tokens = lists.back(); });
  add_ids(app, "--begin-suppress-tokens", "Tokens that must not come first",
          [](S& settings, const IdLists& lists) { settings.begin_suppress_tokens = lists.back(); });
  add_flag(app, "--remove-invalid-values", &S::remove_invalid_values, "Replace NaN and infinite logits");
}

void GenerationFlags::add_search(CLI::App& app) {
  app.option_defaults()->group("Search");
  add<std::int32_t>(app, "--num-beams", &S::num_beams, "Beams; 1: no beam search");
  add<std::int32_t>(app, "--num-beam-groups", &S::num_beam_groups, "Groups of beams that avoid each other; 1: none");
  add<float>(app, "--diversity-penalty", &S::diversity_penalty, "For what another group took; > 0 with groups");
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
  add<float>(app, "--penalty-alpha", &S::penalty_alpha, "Contrastive search among --top-k; 0 to 1, 0: off");
  add<std::int32_t>(app, "--num-return-sequences", &S::num_return_sequences, "Results for one prompt; 1 or more");
  add<std::int32_t>(app, "--prompt-lookup-num-tokens", &S::prompt_lookup_num_tokens,
                    "Guess so many tokens from the text so far; 0: off");
  add<std::int32_t>(app, "--max-matching-ngram-size", &S::max_matching_ngram_size,
                    "Longest n-gram that such a guess looks up; 1 or more");
}

void GenerationFlags::add_running(CLI::App& app) {
  app.option_defaults()->group("Running");
  add<std::int32_t>(app, "--batch-size", &S::batch_size, "Prompts at a time; 1 or more");
  add_flag(app, "--use-cache,!--no-use-cache", &S::use_cache, "Keep keys and values between tokens");
  add_flag(app, "--attention-mask,!--no-attention-mask", &S::attention_mask, "Do not look at padding");
}

void GenerationFlags::add_results(CLI::App& app) {
  app.option_defaults()->group("Results");
  add_flag(app, "--output-attentions", &S::output_attentions, "Keep attention probabilities");
  add_flag(app, "--output-hidden-states", &S::output_hidden_states, "Keep hidden states");
  add_flag(app, "--output-scores", &S::output_scores, "Keep scores");
  add_flag(app, "--return-dict-in-generate", &S::return_dict_in_generate, "Return what was kept");
}

InferenceSettings GenerationFlags::settings(const Engine& engine) const {
  InferenceSettings settings = engine.default_settings();
  if (!file_.empty()) settings.apply_json(read_text_file(file_, kMaxSettingsBytes), file_, true);
  for (const Change& change : given_) change(settings);
  if (app_.count("--threads") > 0) settings.threads = engine.default_settings().threads;  // as the engine was loaded
  for (const std::string& word : bad_words_) {
    // In the middle of a text most words follow a space, which belongs to their first token.
    for (const std::string& text : {word, " " + word}) {
      settings.bad_words_ids.push_back(engine.tokenizer().encode(text, false));
    }
  }
  try {
    settings.validate();
  } catch (const Error& error) {
    if (file_.empty()) throw;
    throw Error(error.kind(), fmt::format("{} (with the settings of {})", error.what(), file_));
  }
  return settings;
}

}  // namespace bitnet::cli
