#include "engine/benchmark.h"

#include <algorithm>
#include <mutex>
#include <span>

#include "base/rng.h"
#include "base/stopwatch.h"
#include "bitnet/session.h"
#include "engine/engine_state.h"
#include "generate/token_chooser.h"

namespace bitnet {
namespace {

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

/// One row of values for each point: points take turns, so that a slow second of the machine meets all of them.
using Samples = std::vector<std::vector<double>>;

/// The median of speeds · unit over the limits of the same turns; 0 without limits.
double median_share(const std::vector<double>& speeds, double unit, const std::vector<double>& limits) {
  std::vector<double> shares;
  for (std::size_t i = 0; i < limits.size(); ++i) shares.push_back(speeds[i] * unit / limits[i]);
  return shares.empty() ? 0 : median(std::move(shares));
}

class Bencher {
 public:
  Bencher(const Engine& engine, const BenchmarkPlan& plan)
      : engine_(engine), plan_(plan), info_(engine.info()), vocab_(engine.config().vocab_size) {}

  BenchmarkResult run() {
    model::KvSequence sequence = model().make_sequence();
    result_.first_forward_seconds = prompt_seconds(sequence, 1);
    measure_prompts();
    measure_generation();
    measure_batches();
    return std::move(result_);
  }

 private:
  [[nodiscard]] EngineState& state() const { return engine_.state(); }
  [[nodiscard]] model::Transformer& model() const { return *state().transformer; }

  void progress(std::string_view phase, double done, double all) const {
    if (plan_.on_progress) plan_.on_progress(phase, done / all);
  }

  /// The same at the start of each, so that a shorter prompt is the beginning of a longer one.
  [[nodiscard]] std::vector<std::int32_t> random_ids(std::int64_t count) const {
    Rng rng(1);
    std::vector<std::int32_t> ids(static_cast<std::size_t>(count));
    for (std::int32_t& id : ids) id = static_cast<std::int32_t>(rng.next() % static_cast<std::uint64_t>(vocab_));
    return ids;
  }

  /// Logits enough for greedy search.
  void forward(std::span<const model::BatchToken> batch, std::span<model::KvSequence* const> sequences) {
    const std::lock_guard lock(state().computing);
    const auto rows = static_cast<std::int64_t>(sequences.size());
    logits_.resize(static_cast<std::size_t>(rows * vocab_));
    const std::vector<backend::TopRows> top(sequences.size(), {1, {}});
    (void)model().forward(batch, sequences, {logits_.data(), rows, vocab_}, nullptr, top);
  }

  /// Until the logits of a prompt's last token; `sequence` is emptied first.
  double prompt_seconds(model::KvSequence& sequence, std::int64_t tokens) {
    std::vector<model::BatchToken> batch;
    for (const std::int32_t id : random_ids(tokens)) batch.push_back({id, 0, false});
    batch.back().wants_logits = true;
    sequence.truncate(0);
    model::KvSequence* const sequences[] = {&sequence};
    const Stopwatch watch;
    forward(batch, sequences);
    return watch.seconds();
  }

  void measure_prompts();
  void measure_generation();
  void measure_batches();
  /// Adds the limit of the active kernels, if they have one.
  void measure_peaks(std::vector<double>& limits);
  /// Of huge pages.
  double measure_bandwidth();
  double decoding_rate(std::int64_t count);

  const Engine& engine_;
  const BenchmarkPlan& plan_;
  ModelInfo info_;
  std::int64_t vocab_;
  std::vector<float> logits_;  // [sequences, vocab]
  BenchmarkResult result_;
};

void Bencher::measure_prompts() {
  if (plan_.prompts.empty()) return;
  constexpr double kShortest = 0.05;  // seconds; shorter prompts are computed several times
  const auto& points = plan_.prompts;
  double all = 0;
  for (const std::int64_t tokens : points) all += static_cast<double>(tokens * plan_.repetitions);
  double done = 0;
  Samples rates(points.size());
  std::vector<double> limits;
  model::KvSequence sequence = model().make_sequence();
  for (int repetition = 0; repetition < plan_.repetitions; ++repetition) {
    for (std::size_t i = 0; i < points.size(); ++i) {
      double seconds = 0;
      std::int64_t computed = 0;
      for (; seconds < kShortest; computed += points[i]) seconds += prompt_seconds(sequence, points[i]);
      rates[i].push_back(static_cast<double>(computed) / seconds);
      done += static_cast<double>(points[i]);
      progress("Prompts", done, all);
    }
    measure_peaks(limits);
  }
  const auto macs = static_cast<double>(info_.ternary_parameters);
  for (std::size_t i = 0; i < points.size(); ++i) {
    const double rate = median(rates[i]);
    result_.prompts.push_back({points[i], rate, rate * macs, median_share(rates[i], macs, limits)});
  }
}

/// Through a session, as users generate.
void Bencher::measure_generation() {
  const auto& points = plan_.contexts;
  InferenceSettings settings;
  settings.do_sample = false;
  settings.repetition_penalty = 1;
  settings.ignore_eos = true;
  settings.threads = info_.threads;
  const auto generate = [&](Session& session, std::int64_t context, int tokens) {
    settings.max_new_tokens = tokens;
    return session.generate(random_ids(std::max<std::int64_t>(context, 1)), settings);
  };

  std::vector<Session> sessions;  // one for each, whose cache keeps the context
  double cached = 0;
  for (const std::int64_t context : points) {
    sessions.emplace_back(engine_);
    (void)generate(sessions.back(), context, plan_.tokens);
    cached += static_cast<double>(std::max<std::int64_t>(context, 1) + plan_.tokens);
    progress("Generation", 0, 1);
  }
  result_.memory = process_memory();
  const auto kv_bytes = static_cast<double>(info_.kv_bytes_per_token);
  result_.memory_needed = static_cast<double>(info_.weight_bytes) + cached * kv_bytes;

  Samples rates(points.size());
  std::vector<double> head_rows(points.size());
  std::vector<double> left_out(points.size());  // bytes a token
  std::vector<double> limits;
  for (int repetition = 0; repetition < plan_.repetitions; ++repetition) {
    for (std::size_t i = 0; i < points.size(); ++i) {
      const std::int64_t before = state().backend.bytes_left_out();
      const Generation made = generate(sessions[i], points[i], plan_.tokens);
      // The first of the tokens ends the prompt.
      rates[i].push_back((plan_.tokens - 1) / made.generation_seconds);
      head_rows[i] = static_cast<double>(made.head_rows) / plan_.tokens;
      left_out[i] = static_cast<double>(state().backend.bytes_left_out() - before) / plan_.tokens;
    }
    limits.push_back(measure_bandwidth());
    progress("Generation", repetition + 1, plan_.repetitions);
  }
  for (std::size_t i = 0; i < points.size(); ++i) {
    const double middle = static_cast<double>(std::max<std::int64_t>(points[i], 1)) + plan_.tokens / 2.0;
    const double weights = static_cast<double>(info_.bytes_per_token) - left_out[i] +
                           head_rows[i] * static_cast<double>(info_.head_row_bytes);
    const double bytes = weights + middle * kv_bytes;
    result_.generation.push_back(
        {points[i], median(rates[i]), bytes, left_out[i], head_rows[i], median_share(rates[i], bytes, limits)});
  }
}

void Bencher::measure_batches() {
  if (plan_.batches.empty()) return;
  std::vector<std::int64_t> points = plan_.batches;
  const auto one = static_cast<std::size_t>(std::find(points.begin(), points.end(), 1) - points.begin());
  if (one == points.size()) points.push_back(1);  // what the others are compared with
  Samples rates(points.size());
  double done = 0;
  const auto all = static_cast<double>(points.size()) * plan_.repetitions;
  for (int repetition = 0; repetition < plan_.repetitions; ++repetition) {
    for (std::size_t i = 0; i < points.size(); ++i) {
      rates[i].push_back(decoding_rate(points[i]));
      progress("Batches", ++done, all);
    }
  }
  const double base = median(rates[one]);
  for (std::size_t i = 0; i < plan_.batches.size(); ++i) {
    const double rate = median(rates[i]);
    result_.batches.push_back({points[i], rate, rate / base});
  }
}

/// Greedy tokens a second of `count` sequences that start with a token of their own.
double Bencher::decoding_rate(std::int64_t count) {
  std::vector<model::KvSequence> sequences(static_cast<std::size_t>(count), model().make_sequence());
  std::vector<model::KvSequence*> pointers;
  for (model::KvSequence& sequence : sequences) pointers.push_back(&sequence);
  std::vector<model::BatchToken> batch;
  for (const std::int32_t id : random_ids(count)) batch.push_back({id, static_cast<std::int32_t>(batch.size()), true});
  const auto step = [&] {
    forward(batch, pointers);
    const std::span<const float> logits = logits_;
    const auto width = static_cast<std::size_t>(vocab_);
    for (std::size_t i = 0; i < batch.size(); ++i) batch[i].id = generate::argmax(logits.subspan(i * width, width));
  };
  step();  // takes the memory that the others use again
  const Stopwatch watch;
  for (int token = 1; token < plan_.tokens; ++token) step();
  return static_cast<double>(count * (plan_.tokens - 1)) / watch.seconds();
}

void Bencher::measure_peaks(std::vector<double>& limits) {
  const std::vector<IntegerPeak> peaks = measure_integer_peaks(info_.threads, 3);
  result_.peaks.resize(peaks.size());
  for (std::size_t i = 0; i < peaks.size(); ++i) {
    result_.peaks[i] = {peaks[i].name, std::max(result_.peaks[i].macs_per_second, peaks[i].macs_per_second)};
    if (peaks[i].name == peak_of_kernels(info_.kernels)) limits.push_back(peaks[i].macs_per_second);
  }
}

double Bencher::measure_bandwidth() {
  // A small model's weights may lie in the caches; the limit is that of memory.
  const auto bytes = static_cast<std::size_t>(std::max(info_.weight_bytes, std::int64_t{512} << 20));
  const auto measure = [&](Pages pages, double& best) {
    const double now = measure_read_bandwidth(info_.threads, bytes, pages, 3);
    best = std::max(best, now);
    return now;
  };
  (void)measure(Pages::ordinary, result_.read_bandwidth_ordinary_pages);
  return measure(Pages::huge, result_.read_bandwidth);
}

}  // namespace

const IntegerPeak* BenchmarkResult::peak_of(std::string_view kernels) const {
  const auto found = std::find_if(peaks.begin(), peaks.end(),
                                  [&](const IntegerPeak& peak) { return peak.name == peak_of_kernels(kernels); });
  return found == peaks.end() ? nullptr : &*found;
}

BenchmarkResult run_benchmark(const Engine& engine, const BenchmarkPlan& plan) { return Bencher(engine, plan).run(); }

}  // namespace bitnet
