/// bitnet bench: speed and memory of a model on this machine, beside what the machine allows.

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <optional>

#include "base/rng.h"
#include "base/stopwatch.h"
#include "cli/bench_report.h"
#include "cli/commands.h"
#include "cli/console.h"
#include "cli/options.h"
#include "cli/progress.h"

namespace bitnet::cli {
namespace {

constexpr std::int64_t kCurve[] = {1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096};

/// What --sparsity lets a model with a tokenizer read.
constexpr const char* kText =
    "There was once a miller who lived with his three sons beside a quick river. When he felt that he was old, he "
    "called them together and said: \"My mill shall go to the one of you who brings home the finest thing that he can "
    "find in a year and a day.\" So the eldest took the road to the town, the second the road to the sea, and the "
    "youngest, whom nobody asked, went into the forest. There he met an old woman who carried a bundle of wood, and "
    "because she was tired he carried it for her as far as her house. \"You have a good heart,\" she said, \"and you "
    "shall not go away with empty hands.\" She gave him a small box and told him not to open it before he was home.";

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

/// Of the gates: 82 % of the down projections' inputs are zero then, as in the trained default model.
constexpr std::int64_t kSparseBias = 48;

Sparsity measure_sparsity(const Engine& engine) {
  std::vector<std::int32_t> ids;
  if (engine.has_tokenizer()) {
    ids = engine.tokenizer().encode(kText);
  } else {
    Rng rng(1);
    const auto vocabulary = static_cast<std::uint64_t>(engine.config().vocab_size);
    for (int i = 0; i < 128; ++i) ids.push_back(static_cast<std::int32_t>(rng.next() % vocabulary));
  }
  ids.resize(std::min(ids.size(), static_cast<std::size_t>(engine.config().max_position_embeddings)));
  return {ids.size(), engine.has_tokenizer(), measure_down_zeros(engine, ids)};
}

/// The default lengths and the curve are cut to what the model can hold; given ones must fit.
void fit_plan(BenchmarkPlan& plan, const CommandLine& line, const ModelConfig& config, bool curve, bool prompts_given,
              bool contexts_given) {
  const std::int64_t context = config.max_position_embeddings;
  const std::int64_t room = context - plan.tokens;
  line.require(room > 0, fmt::format("--tokens {} does not fit the model's context of {}", plan.tokens, context));
  if (!prompts_given) plan.prompts.front() = std::min(plan.prompts.front(), context);
  if (!contexts_given) std::erase_if(plan.contexts, [&](std::int64_t length) { return length > room; });
  for (const std::int64_t length : plan.prompts) {
    line.require(length <= context, fmt::format("a prompt of {} does not fit the model's {}", length, context));
  }
  for (const std::int64_t length : plan.contexts) {
    line.require(length <= room, fmt::format("a context of {} and {} new tokens do not fit the model's {}", length,
                                             plan.tokens, context));
  }
  if (!curve) return;
  std::copy_if(std::begin(kCurve), std::end(kCurve), std::back_inserter(plan.prompts),
               [&](std::int64_t length) { return length <= context; });
  std::sort(plan.prompts.begin(), plan.prompts.end());
  plan.prompts.erase(std::unique(plan.prompts.begin(), plan.prompts.end()), plan.prompts.end());
}

BenchmarkResult run_with_progress(const Engine& engine, BenchmarkPlan plan) {
  std::optional<Progress> bar;
  std::string shown;
  plan.on_progress = [&](std::string_view phase, double fraction) {
    if (phase != shown) bar.emplace(shown = phase);
    bar->update(fraction);
  };
  return run_benchmark(engine, plan);
}

/// Adds the generation of `engine` as the one with a trained model's zeros.
void add_sparse(const Engine& engine, const BenchmarkPlan& plan, BenchReport& report) {
  BenchmarkPlan generation = plan;
  generation.prompts.clear();
  generation.batches.clear();
  const BenchmarkResult result = run_with_progress(engine, generation);
  report.sparse = SparseGeneration{measure_sparsity(engine).all().share(0), result.generation};
  const auto raise = [](double& limit, double other) { limit = std::max(limit, other); };
  raise(report.result.read_bandwidth, result.read_bandwidth);
  raise(report.result.read_bandwidth_ordinary_pages, result.read_bandwidth_ordinary_pages);
}

}  // namespace

int bench_command(const Arguments& arguments) {
  CommandLine line(
      {"bench", "[MODEL]",
       "Measures prompt, generation and batch speed and memory, and the machine's limits beside them: read\n"
       "bandwidth and integer peaks. Medians of several repetitions.",
       "  bitnet bench\n"
       "  bitnet bench --synthetic 2b4t --threads 2 --curve\n"
       "  bitnet bench models/my-model --context 0,1024 --batch 8 --sparsity --json"});
  BenchmarkPlan plan;
  plan.prompts = {512};
  plan.contexts = {0, 512, 2048};
  plan.batches = {1, 16};
  std::string model;
  std::string synthetic;
  bool curve = false;
  bool sparsity = false;
  bool json = false;
  CLI::App& app = line.app();
  app.add_option("model", model);
  app.add_option(
         "--synthetic", synthetic,
         "Random weights in this model's shape: 2b4t (bitnet-b1.58-2B-4T). Generation is measured once more with "
         "as many zeros in the inputs of the down projections as in a trained model")
      ->check(CLI::Validator(CLI::IsMember({"2b4t"})).description(""))
      ->type_name("SHAPE");
  const auto add_list = [&](const char* name, std::vector<std::int64_t>& list, const CLI::Range& range,
                            const char* help) {
    return app.add_option(name, list, help)
        ->delimiter(',')
        ->allow_extra_args(false)
        ->take_all()
        ->check(CLI::Validator(range).description(""))
        ->type_name("N,N...")
        ->capture_default_str();
  };
  constexpr std::int64_t kMost = 1 << 30;
  CLI::Option* const prompts_given = add_list("--prompt", plan.prompts, {std::int64_t{1}, kMost}, "Tokens of a prompt");
  app.add_flag("--curve", curve, "Also prompts of 1, 2, 4 ... 4096 tokens");
  CLI::Option* const contexts_given =
      add_list("--context", plan.contexts, {std::int64_t{0}, kMost}, "Tokens before the generated ones");
  add_list("--batch", plan.batches, {std::int64_t{1}, std::int64_t{1024}}, "Sequences decoded together");
  app.add_option("--tokens", plan.tokens, "Tokens generated in one repetition")
      ->check(CLI::Validator(CLI::Range(2, 1 << 20)).description(""))
      ->capture_default_str();
  app.add_option("--repetitions", plan.repetitions, "Of which the median is taken")
      ->check(CLI::Validator(CLI::Range(1, 1000)).description(""))
      ->capture_default_str();
  app.add_flag("--sparsity", sparsity, "Also how many int8 inputs of the down projections are zero");
  app.add_flag("--json", json, "Print JSON");
  const EngineFlags engine_flags(app);
  if (!line.parse(arguments)) return 0;
  line.require(model.empty() || synthetic.empty(), "MODEL and --synthetic exclude each other");

  const auto random = [&](std::int64_t gate_bias) { return engine_flags.synthetic(shape_2b4t(), 1, gate_bias); };
  const Stopwatch watch;
  std::optional<Engine> engine = synthetic.empty() ? engine_flags.load(model) : random(0);
  const double load_seconds = watch.seconds();
  fit_plan(plan, line, engine->config(), curve, prompts_given->count() != 0, contexts_given->count() != 0);
  BenchReport report{engine->info(), load_seconds, run_with_progress(*engine, plan), {}, {}};
  if (sparsity) report.sparsity = measure_sparsity(*engine);
  if (!synthetic.empty()) {
    engine.reset();  // its memory, before the next one takes as much
    add_sparse(random(kSparseBias), plan, report);
  }
  if (json) {
    write_json(to_json(report));
  } else {
    write_out(in_words(report));
  }
  return 0;
}

}  // namespace bitnet::cli
