#pragma once
/// What `bitnet bench` prints.

#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "bitnet/engine.h"
#include "engine/benchmark.h"
#include "engine/input_zeros.h"

namespace bitnet::cli {

struct Sparsity {
  std::size_t tokens;
  bool text;  ///< a fixed one, not random ids
  std::vector<ZeroShares> layers;

  [[nodiscard]] ZeroShares all() const {
    ZeroShares sum;
    for (const ZeroShares& layer : layers) sum.add(layer);
    return sum;
  }
};

/// Generation by the same shape with the zeros of a trained model, which random weights lack.
struct SparseGeneration {
  double zeros;  ///< share of the down projections' int8 inputs
  std::vector<GenerationPoint> points;
};

struct BenchReport {
  ModelInfo info;
  double load_seconds;
  BenchmarkResult result;
  std::optional<SparseGeneration> sparse;
  std::optional<Sparsity> sparsity;

  [[nodiscard]] double first_token_seconds() const { return load_seconds + result.first_forward_seconds; }
};

/// The keys are documented in docs/cli.md.
[[nodiscard]] Json to_json(const BenchReport& report);
/// The same, a line for each measurement.
[[nodiscard]] std::string in_words(const BenchReport& report);

}  // namespace bitnet::cli
