#include "cli/bench_report.h"

#include <fmt/format.h>

#include "cli/results.h"

namespace bitnet::cli {
namespace {

Json to_json(const ZeroShares& zeros) {
  return {{"inputs", zeros.share(0)},
          {"groups_of_4", zeros.share(1)},
          {"groups_of_8", zeros.share(2)},
          {"groups_of_32", zeros.share(3)}};
}

Json to_json(const Sparsity& sparsity) {
  Json layers = Json::array();
  for (const ZeroShares& layer : sparsity.layers) layers.push_back(to_json(layer));
  return {{"tokens", sparsity.tokens},
          {"input", sparsity.text ? "text" : "random"},
          {"layers", layers},
          {"all", to_json(sparsity.all())}};
}

Json to_json(const std::vector<GenerationPoint>& points) {
  Json list = Json::array();
  for (const GenerationPoint& point : points) {
    list.push_back({{"context", point.context},
                    {"tokens_per_second", point.tokens_per_second},
                    {"bytes_per_token", point.bytes_per_token},
                    {"bytes_left_out_per_token", point.bytes_left_out},
                    {"head_rows_per_token", point.head_rows},
                    {"bytes_per_second", point.bytes_per_second()},
                    {"share_of_read_bandwidth", point.share}});
  }
  return list;
}

Json to_json(const SparseGeneration& sparse) {
  return {{"zeros", sparse.zeros}, {"generation", to_json(sparse.points)}};
}

}  // namespace

Json to_json(const BenchReport& report) {
  const BenchmarkResult& result = report.result;
  const IntegerPeak* const peak = result.peak_of(report.info.kernels);
  Json prompts = Json::array();
  for (const PromptPoint& point : result.prompts) {
    prompts.push_back({{"tokens", point.tokens},
                       {"tokens_per_second", point.tokens_per_second},
                       {"macs_per_second", point.macs_per_second},
                       {"share_of_peak", peak != nullptr ? Json(point.share) : Json()}});
  }
  Json batches = Json::array();
  for (const BatchPoint& point : result.batches) {
    batches.push_back({{"sequences", point.sequences},
                       {"tokens_per_second", point.tokens_per_second},
                       {"ratio_to_one", point.ratio_to_one}});
  }
  Json peaks = Json::array();
  for (const IntegerPeak& loop : result.peaks) {
    peaks.push_back({{"name", loop.name}, {"macs_per_second", loop.macs_per_second}});
  }
  return {
      {"kernels", report.info.kernels},
      {"threads", report.info.threads},
      {"ternary_parameters", report.info.ternary_parameters},
      {"load_seconds", report.load_seconds},
      {"first_token_seconds", report.first_token_seconds()},
      {"prompt", prompts},
      {"generation", to_json(result.generation)},
      {"sparse", report.sparse ? to_json(*report.sparse) : Json()},
      {"batch", batches},
      {"read_bandwidth_bytes_per_second", result.read_bandwidth},
      {"read_bandwidth_ordinary_pages_bytes_per_second", result.read_bandwidth_ordinary_pages},
      {"integer_peaks", peaks},
      {"peak", peak != nullptr ? Json(peak->name) : Json()},
      {"resident_bytes", result.memory.resident},
      {"peak_resident_bytes", result.memory.peak},
      {"needed_bytes", result.memory_needed},
      {"sparsity", report.sparsity ? to_json(*report.sparsity) : Json()},
  };
}

namespace {

std::string in_words(const GenerationPoint& point) {
  return fmt::format(
      "generation {:>4} {:>8.1f} tokens/s  {:>8.1f} GB/s    {:>3.0f} % of reading, {} and {:.0f} head rows a token",
      point.context, point.tokens_per_second, point.bytes_per_second() / 1e9, 100 * point.share,
      format_bytes(point.bytes_per_token), point.head_rows);
}

std::string in_words(const Sparsity& sparsity) {
  std::string text = fmt::format("zeros           int8 inputs of the down projection, {} {}\n", sparsity.tokens,
                                 sparsity.text ? "tokens of a tale" : "random tokens");
  text += fmt::format("  {:<12}{:>9}{:>9}{:>9}{:>9}\n", "layer", "inputs", "of 4", "of 8", "of 32");
  const auto row = [&](const std::string& name, const ZeroShares& zeros) {
    text += fmt::format("  {:<12}", name);
    for (std::size_t i = 0; i < ZeroShares::kGroups.size(); ++i)
      text += fmt::format("{:>7.1f} %", 100 * zeros.share(i));
    text += '\n';
  };
  for (std::size_t layer = 0; layer < sparsity.layers.size(); ++layer) {
    row(std::to_string(layer), sparsity.layers[layer]);
  }
  row("all", sparsity.all());
  return text;
}

}  // namespace

std::string in_words(const BenchReport& report) {
  const ModelInfo& info = report.info;
  const BenchmarkResult& result = report.result;
  std::string text = fmt::format("{}: {} parameters, {} threads, kernels {}\n", info.architecture, info.parameters,
                                 info.threads, info.kernels);
  text += fmt::format("load            {:>8.2f} s\n", report.load_seconds);
  text += fmt::format("first token     {:>8.2f} s, load included\n", report.first_token_seconds());
  const IntegerPeak* const peak = result.peak_of(info.kernels);
  for (const PromptPoint& point : result.prompts) {
    text += fmt::format("prompt     {:>4} {:>8.1f} tokens/s  {:>8.1f} GMAC/s", point.tokens, point.tokens_per_second,
                        point.macs_per_second / 1e9);
    if (peak != nullptr) {
      text += fmt::format("  {:>3.0f} % of {}", 100 * point.share, peak->name);
    }
    text += '\n';
  }
  for (const GenerationPoint& point : result.generation) text += in_words(point) + '\n';
  if (report.sparse) {
    for (const GenerationPoint& point : report.sparse->points) {
      text += fmt::format("{}, {:.0f} % zeros\n", in_words(point), 100 * report.sparse->zeros);
    }
  }
  for (const BatchPoint& point : result.batches) {
    text += fmt::format("batch      {:>4} {:>8.1f} tokens/s  {:>8.2f} times one sequence\n", point.sequences,
                        point.tokens_per_second, point.ratio_to_one);
  }
  text += fmt::format("limit, reading  {:>8.1f} GB/s in huge pages, {:.1f} GB/s in ordinary ones\n",
                      result.read_bandwidth / 1e9, result.read_bandwidth_ordinary_pages / 1e9);
  for (const IntegerPeak& loop : result.peaks) {
    text += fmt::format("limit, int8     {:>8.1f} GMAC/s {}\n", loop.macs_per_second / 1e9, loop.name);
  }
  const auto resident = static_cast<double>(result.memory.resident);
  text +=
      fmt::format("memory          {:>8} resident, {} at most; weights, head and caches are {} ({:.2f} times that)\n",
                  format_bytes(resident), format_bytes(static_cast<double>(result.memory.peak)),
                  format_bytes(result.memory_needed), resident / result.memory_needed);
  if (report.sparsity) text += in_words(*report.sparsity);
  return text;
}

}  // namespace bitnet::cli
