#include "loading/tensor_binder.h"

#include <algorithm>
#include <cmath>

#include "base/fail.h"

namespace bitnet::loading {
namespace {

using backend::ScaleRule;
using model::TensorKind;
using model::TensorRule;

constexpr std::string_view kFloats = "F32 F16 BF16";

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

}  // namespace

std::string TensorBinder::module_name(const TensorRule& rule, std::int64_t layer) const {
  const auto exists = [&](const std::string& name) {
    return checkpoint_.find(name + ".weight") != nullptr || checkpoint_.find(name + ".packed_weights") != nullptr;
  };
  for (const std::string_view pattern : rule.names) {
    std::string name = model::with_layer(pattern, layer);
    if (exists(name)) return name;
  }
  return model::with_layer(rule.names.front(), layer);
}

const formats::CheckpointTensor& TensorBinder::require(const std::string& name) const {
  const Tensor* tensor = checkpoint_.find(name);
  if (tensor == nullptr) {
    fail(ErrorKind::corrupt, "{}: tensor {} is missing; config.json (architecture {}, {} layers) calls for it",
         folder_.string(), name, config_.architecture, config_.num_hidden_layers);
  }
  return *tensor;
}

void TensorBinder::expect(const Tensor& tensor, std::string_view dtypes, const std::vector<Shape>& shapes) const {
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

TensorBinder::Storage TensorBinder::storage_of(const std::string& module) const {
  for (const std::string& part : config_.quantization.modules_to_not_convert) {
    if (module.find(part) != std::string::npos) return Storage::dense;
  }
  if (checkpoint_.find(module + ".packed_weights") != nullptr) return Storage::design_packed;
  return config_.quantization.mode == QuantizationMode::online ? Storage::master : Storage::huggingface_packed;
}

void TensorBinder::check(const TensorRule& rule, std::int64_t layer) {
  const std::string module = module_name(rule, layer);
  if (rule.kind == TensorKind::linear) {
    check_linear(rule, module);
    return;
  }
  const std::string name = module + ".weight";
  const Shape shape = rule.kind == TensorKind::dense ? Shape{rule.rows, rule.cols} : Shape{rule.rows};
  expect(require(name), kFloats, {shape});
  claim(name);
}

void TensorBinder::check_linear(const TensorRule& rule, const std::string& module) {
  const Storage storage = storage_of(module);
  std::string name = module + ".weight";
  std::string scale;
  switch (storage) {
    case Storage::dense:
    case Storage::master:
      expect(require(name), kFloats, {Shape{rule.rows, rule.cols}});
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
  if (storage != Storage::dense) ternary_.push_back({rule.rows, rule.cols});
  if (!scale.empty()) {
    const Tensor& tensor = require(scale);
    std::vector<Shape> shapes = {Shape{1}, Shape{rule.rows}, Shape{rule.rows, 1}};
    for (const std::int64_t group : {64, 128}) shapes.push_back(Shape{rule.rows, (rule.cols + group - 1) / group});
    if (tensor.view.shape != Shape{}) expect(tensor, kFloats, shapes);
    claim(scale);
  }
  if (rule.bias) {
    expect(require(module + ".bias"), kFloats, {Shape{rule.rows}});
    claim(module + ".bias");
  }
}

void TensorBinder::refuse_unknown(const LogSink& log) const {
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

std::vector<float> TensorBinder::floats(const std::string& name) const { return to_f32(require(name).view); }

std::vector<float> TensorBinder::norm(const TensorRule& rule, std::int64_t layer) const {
  const std::string name = module_name(rule, layer) + ".weight";
  std::vector<float> values = floats(name);
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (std::isfinite(values[i])) continue;
    fail(ErrorKind::corrupt, "{}: element {} is {}; a norm's weights must be finite", describe(require(name)), i,
         values[i]);
  }
  return values;
}

std::unique_ptr<backend::DenseWeights> TensorBinder::dense_named(const std::string& name, std::int64_t rows,
                                                                 std::int64_t cols) const {
  const Tensor& tensor = require(name);
  return backend_.prepare_dense({describe(tensor), tensor.view.dtype, tensor.view.data, rows, cols, tensor.file});
}

std::unique_ptr<backend::DenseWeights> TensorBinder::dense(const TensorRule& rule) const {
  return dense_named(module_name(rule, 0) + ".weight", rule.rows, rule.cols);
}

backend::WeightScales TensorBinder::scales(const TensorRule& rule, const std::string& module, Storage storage) const {
  backend::WeightScales out;
  if (rule.bias) out.bias = floats(module + ".bias");
  if (storage == Storage::master) return out;  // the backend takes the scale from the weights
  const bool design = storage == Storage::design_packed;
  const Tensor& tensor = require(module + (design ? ".weight_scales" : ".weight_scale"));
  out.values = to_f32(tensor.view);
  check_scales(tensor, out.values);
  const Shape& shape = tensor.view.shape;
  if (shape.rank() == 2 && shape[1] > 1) out.group = (rule.cols + 63) / 64 == shape[1] ? 64 : 128;
  if (design) return out;
  const bool divides = config_.quantization.linear_class == LinearClass::bitlinear;
  out.rule = divides ? ScaleRule::divide : ScaleRule::multiply_after_bias;
  return out;
}

model::LinearWeights TensorBinder::linear(const TensorRule& rule, std::int64_t layer) const {
  model::LinearWeights out;
  out.name = module_name(rule, layer);
  const Storage storage = storage_of(out.name);
  if (storage == Storage::dense) {
    out.dense = dense_named(out.name + ".weight", rule.rows, rule.cols);
    if (rule.bias) out.dense_bias = floats(out.name + ".bias");
    return out;
  }
  const Tensor& tensor = require(out.name + (storage == Storage::design_packed ? ".packed_weights" : ".weight"));
  backend::TernarySource source;
  source.name = describe(tensor);
  source.dtype = tensor.view.dtype;
  source.data = tensor.view.data;
  source.out = rule.rows;
  source.in = rule.cols;
  source.read = [&](std::size_t offset, std::span<std::byte> into) { tensor.file->read(tensor.view, offset, into); };
  if (storage == Storage::design_packed) source.form = backend::TernaryForm::design_packed;
  if (storage == Storage::master) source.form = backend::TernaryForm::master;
  out.ternary = backend_.prepare_ternary(source, scales(rule, out.name, storage));
  tensor.file->release(tensor.view);
  return out;
}

}  // namespace bitnet::loading
