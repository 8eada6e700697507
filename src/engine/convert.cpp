#include "bitnet/convert.h"

#include "backend/cpu/cpu_backend.h"
#include "base/cpu_features.h"
#include "base/fail.h"
#include "kernels/dispatch.h"
#include "loading/convert.h"
#include "loading/quantized_model.h"

namespace bitnet {
namespace {

using formats::GgufType;
using loading::TernaryTarget;

constexpr TernaryTarget kTargets[] = {TernaryTarget::packed, TernaryTarget::bf16,  TernaryTarget::i2_s,
                                      TernaryTarget::tq1_0,  TernaryTarget::tq2_0, TernaryTarget::q2_0};
constexpr std::pair<std::string_view, GgufType> kDenseTypes[] = {{"f32", GgufType::f32},   {"f16", GgufType::f16},
                                                                 {"bf16", GgufType::bf16}, {"q8_0", GgufType::q8_0},
                                                                 {"q6_k", GgufType::q6_k}, {"q4_0", GgufType::q4_0}};

TernaryTarget ternary_target(const std::string& name, const std::filesystem::path& output) {
  const bool gguf_file = output.extension() == ".gguf";
  if (name.empty()) return gguf_file ? TernaryTarget::i2_s : TernaryTarget::packed;
  std::string names;
  for (const TernaryTarget target : kTargets) {
    names += (names.empty() ? "" : ", ") + std::string(name_of(target));
    if (name_of(target) != name) continue;
    if (is_gguf_target(target) == gguf_file) return target;
    fail(ErrorKind::invalid_argument, "weights as {} go into a {}, but the output is {}", name,
         gguf_file ? "Hugging Face folder" : "file called *.gguf", output.string());
  }
  fail(ErrorKind::invalid_argument, "\"{}\" is no form of ternary weights; there are {}", name, names);
}

std::optional<GgufType> dense_type(const std::string& name) {
  if (name.empty()) return std::nullopt;
  std::string names;
  for (const auto& [known, type] : kDenseTypes) {
    if (known == name) return type;
    names += (names.empty() ? "" : ", ") + std::string(known);
  }
  fail(ErrorKind::invalid_argument, "\"{}\" is no element type of an embedding or head; there are {}", name, names);
}

loading::Granularity granularity(const std::string& name) {
  constexpr std::string_view kNames[] = {"tensor", "row", "group-64", "group-128"};  // in the order of Granularity
  for (std::size_t i = 0; i < std::size(kNames); ++i) {
    if (kNames[i] == name) return static_cast<loading::Granularity>(i);
  }
  fail(ErrorKind::invalid_argument,
       "\"{}\" is not what a scale can belong to; expected tensor, row, group-64 or group-128", name);
}

void write(loading::StoredModel& stored, const std::filesystem::path& output, const ConvertOptions& options) {
  const loading::Conversion conversion{ternary_target(options.weights, output), dense_type(options.embedding),
                                       dense_type(options.head), options.on_progress};
  ThreadPool pool(options.threads);
  backend::CpuBackend backend(kernels::choose_table("", detect_cpu_features()), pool);
  loading::convert(stored, backend, output, conversion);
}

}  // namespace

void convert(const std::filesystem::path& input, const std::filesystem::path& output, const ConvertOptions& options) {
  (void)ternary_target(options.weights, output);  // a wrong name is said before anything is read
  const auto stored = loading::open_model(input, options.log);
  write(*stored, output, options);
}

std::vector<QuantizedLayer> quantize(const std::filesystem::path& input, const std::filesystem::path& output,
                                     const QuantizeOptions& options) {
  (void)ternary_target(options.output.weights, output);
  std::vector<QuantizedLayer> layers;
  loading::QuantizedModel stored(loading::open_model(input, options.output.log), granularity(options.granularity),
                                 [&](const QuantizedLayer& layer) { layers.push_back(layer); });
  write(stored, output, options.output);
  return layers;
}

}  // namespace bitnet
