#include "loading/safetensors_model.h"

#include <algorithm>
#include <cmath>

#include "base/fail.h"
#include "base/json.h"
#include "base/text_file.h"
#include "loading/measured_scales.h"
#include "loading/side_scales.h"

namespace bitnet::loading {
namespace {

using backend::ScaleRule;
using model::TensorKind;
using model::TensorRule;

constexpr std::string_view kFloatDtypes = "F32 F16 BF16";

std::string describe(const formats::CheckpointTensor& tensor) {
  return fmt::format("{}: tensor {}", tensor.file->path().string(), tensor.name);
}

/// A scale of 0, infinity or NaN makes every output useless; better refused here than found in the text.
void check_scales(const formats::CheckpointTensor& tensor, const std::vector<float>& values) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (std::isfinite(values[i]) && values[i] > 0.0F) continue;
    fail(ErrorKind::corrupt, "{}: element {} is {}; a weight scale must be finite and greater than 0", describe(tensor),
         i, values[i]);
  }
}

std::vector<float> row_of(const TensorView& view, std::int64_t row) {
  const std::size_t bytes = static_cast<std::size_t>(view.shape[1]) * size_of(view.dtype);
  return to_f32({view.data + static_cast<std::size_t>(row) * bytes, view.dtype, Shape{view.shape[1]}});
}

}  // namespace

SafetensorsModel::SafetensorsModel(const std::filesystem::path& path)
    : folder_(std::filesystem::is_directory(path) ? path : path.parent_path()) {
  config_ = ModelConfig::from_file(folder_ / "config.json");
  checkpoint_ = formats::SafetensorsCheckpoint::open(path);
  base_model_ = checkpoint_.find("embed_tokens.weight") != nullptr;
}

std::vector<StoredTensor> SafetensorsModel::tensors() const {
  std::vector<StoredTensor> list;
  for (const Tensor& tensor : checkpoint_.tensors()) {
    list.push_back({tensor.name, std::string(name_of(tensor.view.dtype)), tensor.view.shape,
                    static_cast<std::int64_t>(tensor.view.size_bytes())});
  }
  return list;
}

std::optional<std::string> SafetensorsModel::companion(std::string_view file) const {
  constexpr std::size_t kMaxBytes = std::size_t{256} << 20;
  const std::filesystem::path path = folder_ / file;
  if (!std::filesystem::exists(path)) return std::nullopt;
  return read_text_file(path, kMaxBytes);
}

std::string SafetensorsModel::module_name(const TensorRule& rule, std::int64_t layer) const {
  const auto exists = [&](const std::string& name) {
    return checkpoint_.find(name + ".weight") != nullptr || checkpoint_.find(name + ".packed_weights") != nullptr;
  };
  const auto as_on_disk = [&](std::string_view pattern) {
    constexpr std::string_view kPrefix = "model.";
    if (base_model_ && pattern.starts_with(kPrefix)) pattern.remove_prefix(kPrefix.size());
    return model::with_layer(pattern, layer);
  };
  for (const std::string_view pattern : rule.names) {
    std::string name = as_on_disk(pattern);
    if (exists(name)) return name;
  }
  return as_on_disk(rule.names.front());
}

const formats::CheckpointTensor& SafetensorsModel::require(const std::string& name) const {
  const Tensor* tensor = checkpoint_.find(name);
  if (tensor == nullptr) {
    fail(ErrorKind::corrupt, "{}: tensor {} is missing; config.json (architecture {}, {} layers) calls for it",
         folder_.string(), name, config_.architecture, config_.num_hidden_layers);
  }
  return *tensor;
}

void SafetensorsModel::expect(const Tensor& tensor, std::string_view dtypes, const std::vector<Shape>& shapes) const {
  if (dtypes.find(name_of(tensor.view.dtype)) == std::string_view::npos) {
    fail(ErrorKind::corrupt, "{} has dtype {}; expected one of {}", describe(tensor), name_of(tensor.view.dtype),
         dtypes);
  }
  if (std::find(shapes.begin(), shapes.end(), tensor.view.shape) == shapes.end()) {
    std::string wanted;
    for (const Shape& shape : shapes) wanted += (wanted.empty() ? "" : " or ") + to_string(shape);
    fail(ErrorKind::corrupt, "{} has shape {}; expected {}", describe(tensor), to_string(tensor.view.shape), wanted);
  }
}

SafetensorsModel::Storage SafetensorsModel::storage_of(const std::string& module) const {
  for (const std::string& part : config_.quantization.modules_to_not_convert) {
    if (module.find(part) != std::string::npos) return Storage::dense;
  }
  if (checkpoint_.find(module + ".packed_weights") != nullptr) return Storage::design_packed;
  switch (config_.quantization.mode) {
    case QuantizationMode::online:
      return Storage::master;
    case QuantizationMode::dequantized:
      return Storage::dequantized;
    case QuantizationMode::offline:
      break;
  }
  return Storage::huggingface_packed;
}

std::optional<backend::TernaryShape> SafetensorsModel::check(const TensorRule& rule, std::int64_t layer) {
  const std::string module = module_name(rule, layer);
  if (rule.kind == TensorKind::linear) return check_linear(rule, module);
  const std::string name = module + ".weight";
  const Shape shape = rule.kind == TensorKind::dense ? Shape{rule.rows, rule.cols} : Shape{rule.rows};
  expect(require(name), kFloatDtypes, {shape});
  claim(name);
  return std::nullopt;
}

std::optional<backend::TernaryShape> SafetensorsModel::check_linear(const TensorRule& rule, const std::string& module) {
  const Storage storage = storage_of(module);
  std::string name = module + ".weight";
  std::string scale;
  switch (storage) {
    case Storage::dense:
    case Storage::master:
    case Storage::dequantized:
      expect(require(name), kFloatDtypes, {Shape{rule.rows, rule.cols}});
      break;
    case Storage::huggingface_packed:
      expect(require(name), "U8", {Shape{(rule.rows + 3) / 4, rule.cols}});
      scale = module + ".weight_scale";
      break;
    case Storage::design_packed:
      name = module + ".packed_weights";
      if (rule.cols % 16 != 0) {
        fail(ErrorKind::corrupt, "{}: packed_weights hold 16 weights each, but this layer has {} inputs",
             describe(require(name)), rule.cols);
      }
      expect(require(name), "U32", {Shape{rule.rows, rule.cols / 16}});
      scale = module + ".weight_scales";
      break;
  }
  claim(name);
  if (!scale.empty()) {
    const Tensor& tensor = require(scale);
    std::vector<Shape> shapes = {Shape{1}, Shape{rule.rows}, Shape{rule.rows, 1}};
    for (const std::int64_t group : {64, 128, 256}) shapes.push_back(Shape{rule.rows, (rule.cols + group - 1) / group});
    if (tensor.view.shape != Shape{}) expect(tensor, kFloatDtypes, shapes);
    claim(scale);
  }
  if (rule.bias) {
    expect(require(module + ".bias"), kFloatDtypes, {Shape{rule.rows}});
    claim(module + ".bias");
  }
  if (storage == Storage::dense) return std::nullopt;
  return backend::TernaryShape{rule.rows, rule.cols};
}

void SafetensorsModel::refuse_unknown(const LogSink& log) const {
  for (const Tensor& tensor : checkpoint_.tensors()) {
    if (claimed_.contains(tensor.name)) continue;
    // Old exports carry tables that follow from the configuration, and a copy of the tied head.
    const bool derived = tensor.name.ends_with("rotary_emb.inv_freq");
    const bool tied_head = tensor.name == "lm_head.weight" && config_.tie_word_embeddings;
    if (derived || tied_head) {
      log_to(log, fmt::format("{} is not used: {}", describe(tensor),
                              derived ? "it follows from config.json" : "config.json ties the head to the embedding"));
      continue;
    }
    fail(ErrorKind::corrupt,
         "{} belongs to no part of a {} with {} layers; the checkpoint does not fit its config.json", describe(tensor),
         config_.architecture, config_.num_hidden_layers);
  }
}

std::vector<float> SafetensorsModel::floats(const std::string& name) const { return to_f32(require(name).view); }

std::vector<float> SafetensorsModel::norm(const TensorRule& rule, std::int64_t layer) const {
  const std::string name = module_name(rule, layer) + ".weight";
  std::vector<float> values = floats(name);
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (std::isfinite(values[i])) continue;
    fail(ErrorKind::corrupt, "{}: element {} is {}; a norm's weights must be finite", describe(require(name)), i,
         values[i]);
  }
  return values;
}

backend::DenseSource SafetensorsModel::dense_named(const std::string& name, std::int64_t rows,
                                                   std::int64_t cols) const {
  const Tensor& tensor = require(name);
  return {describe(tensor), tensor.view.dtype, tensor.view.data, rows, cols, tensor.file};
}

backend::DenseSource SafetensorsModel::dense(const TensorRule& rule) const {
  return dense_named(module_name(rule, 0) + ".weight", rule.rows, rule.cols);
}

backend::WeightScales SafetensorsModel::scales(const TensorRule& rule, const std::string& module,
                                               Storage storage) const {
  backend::WeightScales out;
  if (rule.bias) out.bias = floats(module + ".bias");
  if (storage == Storage::master || storage == Storage::dequantized) return out;  // the weights give the scale
  const bool design = storage == Storage::design_packed;
  const Tensor& tensor = require(module + (design ? ".weight_scales" : ".weight_scale"));
  out.values = to_f32(tensor.view);
  check_scales(tensor, out.values);
  const Shape& shape = tensor.view.shape;
  if (shape.rank() == 2 && shape[1] > 1) {
    for (const std::int64_t group : {256, 128, 64}) {
      if ((rule.cols + group - 1) / group == shape[1]) out.group = group;
    }
  }
  if (design) return out;
  const bool divides = config_.quantization.linear_class == LinearClass::bitlinear;
  out.rule = divides ? ScaleRule::divide : ScaleRule::multiply_after_bias;
  return out;
}

std::optional<MeasuredScales> SafetensorsModel::measure(const Tensor& tensor) const {
  std::vector<float> values;
  return measure_scales(tensor.view.shape[0], tensor.view.shape[1], [&](std::int64_t row) {
    values = row_of(tensor.view, row);
    return std::span<const float>(values);
  });
}

std::optional<StoredLinear> SafetensorsModel::float_linear(const TensorRule& rule, std::int64_t layer) const {
  StoredLinear out;
  out.name = module_name(rule, layer);
  const Storage storage = storage_of(out.name);
  const Tensor* tensor = checkpoint_.find(out.name + ".weight");
  if (storage != Storage::master && (storage != Storage::dequantized || measure(*tensor))) return std::nullopt;
  out.dense = dense_named(out.name + ".weight", rule.rows, rule.cols);
  if (rule.bias) out.dense_bias = floats(out.name + ".bias");
  return out;
}

void SafetensorsModel::dequantized(const Tensor& tensor, const std::string& module, StoredLinear& out) const {
  const auto measured = measure(tensor);
  if (!measured) {
    fail(ErrorKind::unsupported,
         "{}: config.json has no quantization_config, and the weights are not ternary as they stand (each 0 or ± one "
         "value per tensor, row or group of inputs); make a ternary checkpoint with bitnet quantize, or say "
         "quant_method \"bitnet\"",
         describe(tensor));
  }
  set_coarsest(*measured, out.scales);
  const formats::SafetensorsMetadata& metadata = tensor.file->metadata();
  if (const auto rule = metadata.find(std::string(kScaleRuleKey)); rule != metadata.end()) {
    const std::string source = describe(tensor);
    std::vector<float> side;
    if (const auto found = metadata.find(std::string(kScalePrefix) + module); found != metadata.end()) {
      const Json list = parse_json(found->second, source);
      if (!list.is_array() || !std::all_of(list.begin(), list.end(), [](const Json& v) { return v.is_number(); })) {
        fail(ErrorKind::corrupt, "{}: {}{} is not a list of numbers", source, kScalePrefix, module);
      }
      side = list.get<std::vector<float>>();
    }
    use_side_scales(std::move(side), parse_scale_rule(rule->second, source), rounded_to_bf16, source, *measured,
                    out.scales);
  }
  out.ternary->form = backend::TernaryForm::decoded;
  out.ternary->decode = [&view = tensor.view](std::int64_t row, std::int64_t rows, std::int8_t* weights) {
    for (std::int64_t r = row; r < row + rows; ++r) {
      for (const float w : row_of(view, r)) *weights++ = static_cast<std::int8_t>((w > 0.0F) - (w < 0.0F));
    }
  };
}

StoredLinear SafetensorsModel::linear(const TensorRule& rule, std::int64_t layer) const {
  StoredLinear out;
  out.name = module_name(rule, layer);
  const Storage storage = storage_of(out.name);
  if (storage == Storage::dense) {
    out.dense = dense_named(out.name + ".weight", rule.rows, rule.cols);
    if (rule.bias) out.dense_bias = floats(out.name + ".bias");
    return out;
  }
  const Tensor& tensor = require(out.name + (storage == Storage::design_packed ? ".packed_weights" : ".weight"));
  backend::TernarySource& source = out.ternary.emplace();
  source.name = describe(tensor);
  source.dtype = tensor.view.dtype;
  source.data = tensor.view.data;
  source.out = rule.rows;
  source.in = rule.cols;
  source.read = [&](std::size_t offset, std::span<std::byte> into) { tensor.file->read(tensor.view, offset, into); };
  if (storage == Storage::design_packed) source.form = backend::TernaryForm::design_packed;
  if (storage == Storage::master) source.form = backend::TernaryForm::master;
  out.scales = scales(rule, out.name, storage);
  if (storage == Storage::dequantized) dequantized(tensor, out.name, out);
  return out;
}

void SafetensorsModel::release(const TensorRule& rule, std::int64_t layer) const {
  const std::string module = module_name(rule, layer);
  for (const std::string_view suffix : {".weight", ".packed_weights"}) {
    if (const Tensor* tensor = checkpoint_.find(module + std::string(suffix))) tensor->file->release(tensor->view);
  }
}

}  // namespace bitnet::loading
