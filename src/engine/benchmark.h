#pragma once
/// The speeds of one loaded model beside the limits of the machine, measured in turn so that both see the same minute.

#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "base/process_memory.h"
#include "bitnet/engine.h"
#include "engine/machine_limits.h"

namespace bitnet {

/// An empty list is left out; without prompts the integer peaks are too.
struct BenchmarkPlan {
  std::vector<std::int64_t> prompts;   ///< tokens of each; at least 1, at most the model's context
  std::vector<std::int64_t> contexts;  ///< tokens before the generated ones; with `tokens` at most the context
  std::vector<std::int64_t> batches;   ///< sequences decoded together; at least 1
  int tokens = 32;                     ///< generated in one repetition; at least 2
  /// Of each measurement: medians of speeds, the best of limits. Shares are medians too, each of a speed and the limit
  /// measured right after it.
  int repetitions = 5;
  /// Called from the measuring thread with what is measured and the part of it that is done, in [0, 1].
  std::function<void(std::string_view phase, double fraction)> on_progress;
};

struct PromptPoint {
  std::int64_t tokens;
  double tokens_per_second;
  double macs_per_second;  ///< of the ternary layers; attention and head are not counted
  double share;            ///< of the active kernels' peak_of(); 0 when there is none
};

struct GenerationPoint {
  std::int64_t context;
  double tokens_per_second;
  double bytes_per_token;  ///< weights, and the cache in the middle of the generated tokens
  double bytes_left_out;   ///< of weights a token, because their inputs were zero; not counted in bytes_per_token
  double head_rows;        ///< logits computed from the full head for a token; counted in bytes_per_token
  double share;            ///< of the read bandwidth in huge pages

  [[nodiscard]] double bytes_per_second() const { return tokens_per_second * bytes_per_token; }
};

struct BatchPoint {
  std::int64_t sequences;
  double tokens_per_second;  ///< of all sequences together
  double ratio_to_one;       ///< to those of one sequence
};

struct BenchmarkResult {
  double first_forward_seconds = 0;  ///< of one token, before anything else has run
  std::vector<PromptPoint> prompts;
  std::vector<GenerationPoint> generation;
  std::vector<BatchPoint> batches;

  double read_bandwidth = 0;                 ///< bytes a second, huge pages
  double read_bandwidth_ordinary_pages = 0;  ///< bytes a second
  std::vector<IntegerPeak> peaks;
  /// The one of `peaks` that uses the instructions of the active kernel table, or null.
  [[nodiscard]] const IntegerPeak* peak_of(std::string_view kernels) const;

  ProcessMemory memory;      ///< with all caches of `generation`, before memory was taken to measure the limits
  double memory_needed = 0;  ///< bytes of prepared weights, head and these caches
};

/// Runs the whole plan on the engine's threads. `engine` must not compute anything else meanwhile; for
/// first_forward_seconds to mean something, nothing before. Throws Error(limit) when memory runs out.
[[nodiscard]] BenchmarkResult run_benchmark(const Engine& engine, const BenchmarkPlan& plan);

}  // namespace bitnet
