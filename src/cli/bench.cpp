/// bitnet bench: speed and memory of a model on this machine, beside what the machine's memory allows.

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "base/rng.h"
#include "bitnet/session.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/options.h"
#include "cli/process_memory.h"
#include "cli/results.h"
#include "engine/machine_limits.h"

namespace bitnet::cli {
namespace {

struct Plan {
  std::int64_t prompt = 512;
  std::vector<std::int64_t> contexts = {0, 512, 2048};
  int tokens = 32;
  int repetitions = 5;
};

struct GenerationPoint {
  std::int64_t context;
  double tokens_per_second;
  double bytes_per_token;

  [[nodiscard]] double bytes_per_second() const { return tokens_per_second * bytes_per_token; }
};

struct Results {
  double load_seconds = 0;
  double prompt_rate = 0;
  std::vector<GenerationPoint> generation;
  ProcessMemory memory;
  double memory_needed = 0;   ///< prepared weights, head and the cache of the longest sequence
  double read_bandwidth = 0;  ///< bytes a second
};

/// microsoft/bitnet-b1.58-2B-4T, from its config.json.
ModelConfig shape_2b4t() {
  ModelConfig config;
  config.architecture = "BitNetForCausalLM";
  config.hidden_size = 2560;
  config.intermediate_size = 6912;
  config.num_hidden_layers = 30;
  config.num_attention_heads = 20;
  config.num_key_value_heads = 5;
  config.head_dim = 128;
  config.vocab_size = 128256;
  config.max_position_embeddings = 4096;
  config.rms_norm_eps = 1e-5;
  config.rope_theta = 500000.0;
  config.hidden_act = HiddenAct::relu2;
  config.tie_word_embeddings = true;
  config.attn_sub_norm = true;
  config.ffn_sub_norm = true;
  config.quantization.linear_class = LinearClass::autobitlinear;
  config.bos_token_id = 128000;
  config.eos_token_id = {128001};
  return config;
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

class Bench {
 public:
  Bench(const Engine& engine, const Plan& plan) : engine_(engine), info_(engine.info()), plan_(plan), session_(engine) {
    settings_.do_sample = false;
    settings_.repetition_penalty = 1;
    settings_.ignore_eos = true;
    settings_.threads = info_.threads;
  }

  Results measure() {
    Results results;
    results.prompt_rate = prompt_rate_of(plan_.prompt);
    for (const std::int64_t context : plan_.contexts) results.generation.push_back(generation_at(context));
    results.memory = process_memory();
    results.memory_needed =
        static_cast<double>(info_.weight_bytes) + static_cast<double>(info_.kv_bytes_per_token * longest_);
    // Last, because its buffer is as large as the model; far larger than any cache even for a small one.
    const auto bytes = static_cast<std::size_t>(std::max(info_.weight_bytes, std::int64_t{512} << 20));
    results.read_bandwidth = measure_read_bandwidth(info_.threads, bytes, 3 * plan_.repetitions);
    return results;
  }

 private:
  std::vector<std::int32_t> random_ids(std::int64_t count) const {
    Rng rng(1);
    std::vector<std::int32_t> ids(static_cast<std::size_t>(count));
    const auto vocabulary = static_cast<std::uint64_t>(engine_.config().vocab_size);
    for (std::int32_t& id : ids) id = static_cast<std::int32_t>(rng.next() % vocabulary);
    return ids;
  }

  Generation generate(std::int64_t prompt, int tokens) {
    settings_.max_new_tokens = tokens;
    longest_ = std::max(longest_, prompt + tokens);
    return session_.generate(random_ids(prompt), settings_);
  }

  double prompt_rate_of(std::int64_t tokens) {
    std::vector<double> rates;
    for (int i = 0; i < plan_.repetitions; ++i) {
      session_.reset();
      rates.push_back(prompt_rate(generate(tokens, 1)));
    }
    return median(rates);
  }

  GenerationPoint generation_at(std::int64_t context) {
    const std::int64_t prompt = std::max<std::int64_t>(context, 1);
    generate(prompt, 1);  // later repetitions find the prompt in the cache
    std::vector<double> rates;
    for (int i = 0; i < plan_.repetitions; ++i) rates.push_back(generation_rate(generate(prompt, plan_.tokens)));
    const double cached = static_cast<double>(prompt) + plan_.tokens / 2.0;
    return {context, median(rates),
            static_cast<double>(info_.bytes_per_token) + cached * static_cast<double>(info_.kv_bytes_per_token)};
  }

  const Engine& engine_;
  ModelInfo info_;
  Plan plan_;
  Session session_;
  InferenceSettings settings_;
  std::int64_t longest_ = 0;
};

Json to_json(const Results& results, const ModelInfo& info, const Plan& plan) {
  Json generation = Json::array();
  for (const GenerationPoint& point : results.generation) {
    generation.push_back({{"context", point.context},
                          {"tokens_per_second", point.tokens_per_second},
                          {"bytes_per_token", point.bytes_per_token},
                          {"bytes_per_second", point.bytes_per_second()},
                          {"share_of_read_bandwidth", point.bytes_per_second() / results.read_bandwidth}});
  }
  return {
      {"kernels", info.kernels},
      {"threads", info.threads},
      {"load_seconds", results.load_seconds},
      {"prompt_tokens", plan.prompt},
      {"prompt_tokens_per_second", results.prompt_rate},
      {"generation", generation},
      {"read_bandwidth_bytes_per_second", results.read_bandwidth},
      {"resident_bytes", results.memory.resident},
      {"peak_resident_bytes", results.memory.peak},
      {"needed_bytes", results.memory_needed},
  };
}

std::string in_words(const Results& results, const ModelInfo& info, const Plan& plan) {
  std::string text = fmt::format("{}: {} parameters, {} threads, kernels {}\n", info.architecture, info.parameters,
                                 info.threads, info.kernels);
  text += fmt::format("load            {:.2f} s\n", results.load_seconds);
  text += fmt::format("prompt          {:.1f} tokens/s ({} tokens)\n", results.prompt_rate, plan.prompt);
  for (const GenerationPoint& point : results.generation) {
    text +=
        fmt::format("generation      {:.1f} tokens/s at context {}: {} a token, {:.1f} GB/s, {:.0f} % of the limit\n",
                    point.tokens_per_second, point.context, format_bytes(point.bytes_per_token),
                    point.bytes_per_second() / 1e9, 100 * point.bytes_per_second() / results.read_bandwidth);
  }
  text += fmt::format("read limit      {:.1f} GB/s with {} threads, measured now\n", results.read_bandwidth / 1e9,
                      info.threads);
  const auto resident = static_cast<double>(results.memory.resident);
  text += fmt::format("memory          {} resident, {} at most; weights, head and cache are {} ({:.2f} times that)\n",
                      format_bytes(resident), format_bytes(static_cast<double>(results.memory.peak)),
                      format_bytes(results.memory_needed), resident / results.memory_needed);
  return text;
}

/// Longest sequence of the plan that the model can hold: the default contexts are cut to it, given ones must fit.
void fit_plan(Plan& plan, const CommandLine& line, const ModelConfig& config, bool prompt_given, bool contexts_given) {
  const std::int64_t room = config.max_position_embeddings - plan.tokens;
  line.require(room > 0, fmt::format("--tokens {} does not fit the model's context of {}", plan.tokens,
                                     config.max_position_embeddings));
  if (!prompt_given) plan.prompt = std::min(plan.prompt, room);
  if (!contexts_given) std::erase_if(plan.contexts, [&](std::int64_t context) { return context > room; });
  plan.contexts.push_back(plan.prompt);
  for (const std::int64_t length : plan.contexts) {
    line.require(length >= 0 && length <= room,
                 fmt::format("a context of {} and {} new tokens do not fit the model's {}", length, plan.tokens,
                             config.max_position_embeddings));
  }
  plan.contexts.pop_back();
}

}  // namespace

int bench_command(const Arguments& arguments) {
  CommandLine line({"bench", "[MODEL]",
                    "Measures prompt and generation speed, memory, and the share of this machine's read bandwidth\n"
                    "that generation reaches. Medians of several repetitions.",
                    "  bitnet bench\n"
                    "  bitnet bench --synthetic 2b4t --threads 2\n"
                    "  bitnet bench models/my-model --context 0,1024 --json"});
  Plan plan;
  std::string model;
  std::string synthetic;
  bool json = false;
  CLI::App& app = line.app();
  app.add_option("model", model);
  app.add_option("--synthetic", synthetic, "Random weights in this model's shape: 2b4t (bitnet-b1.58-2B-4T)")
      ->check(CLI::Validator(CLI::IsMember({"2b4t"})).description(""))
      ->type_name("SHAPE");
  CLI::Option* const prompt_given = app.add_option("--prompt", plan.prompt, "Tokens of the prompt")
                                        ->check(CLI::Validator(CLI::PositiveNumber).description(""))
                                        ->capture_default_str();
  CLI::Option* const contexts_given = app.add_option("--context", plan.contexts, "Tokens before the generated ones")
                                          ->delimiter(',')
                                          ->allow_extra_args(false)
                                          ->take_all()
                                          ->type_name("N,N...")
                                          ->capture_default_str();
  app.add_option("--tokens", plan.tokens, "Tokens generated in one repetition")
      ->check(CLI::Validator(CLI::Range(2, 1 << 20)).description(""))
      ->capture_default_str();
  app.add_option("--repetitions", plan.repetitions, "Of which the median is taken")
      ->check(CLI::Validator(CLI::Range(1, 1000)).description(""))
      ->capture_default_str();
  app.add_flag("--json", json, "Print JSON");
  const EngineFlags engine_flags(app);
  if (!line.parse(arguments)) return 0;
  line.require(model.empty() || synthetic.empty(), "MODEL and --synthetic exclude each other");

  const auto start = std::chrono::steady_clock::now();
  const Engine engine = synthetic.empty() ? engine_flags.load(model) : engine_flags.synthetic(shape_2b4t(), 1);
  const std::chrono::duration<double> load = std::chrono::steady_clock::now() - start;
  fit_plan(plan, line, engine.config(), prompt_given->count() != 0, contexts_given->count() != 0);
  Results results = Bench(engine, plan).measure();
  results.load_seconds = load.count();
  const ModelInfo info = engine.info();
  if (json) {
    write_json(to_json(results, info, plan));
  } else {
    write_out(in_words(results, info, plan));
  }
  return 0;
}

}  // namespace bitnet::cli
