#include "loading/gguf_model.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/fail.h"
#include "loading/gguf_blocks.h"
#include "loading/gguf_config.h"
#include "loading/gguf_tokenizer.h"
#include "loading/side_scales.h"
#include "tensor/tensor_view.h"

namespace bitnet::loading {
namespace {

using formats::GgufType;
using model::Field;
using model::TensorKind;
using model::TensorRule;

constexpr GgufType kGgufFloats[] = {GgufType::f32, GgufType::f16, GgufType::bf16};
constexpr GgufType kGgufDense[] = {GgufType::f32,  GgufType::f16,  GgufType::bf16,
                                   GgufType::q8_0, GgufType::q6_k, GgufType::q4_0};
constexpr GgufType kGgufLinear[] = {GgufType::i2_s,     GgufType::tq1_0, GgufType::tq2_0, GgufType::q2_0,
                                    GgufType::q2_0_128, GgufType::f32,   GgufType::f16,   GgufType::bf16};

std::string tensor_name(const TensorRule& rule, std::int64_t layer, std::string_view part) {
  return model::with_layer(rule.gguf, layer) + "." + std::string(part);
}

float unchanged(float value) { return value; }

}  // namespace

GgufModel::GgufModel(formats::GgufFile file, const LogSink& log)
    : file_(std::make_shared<const formats::GgufFile>(std::move(file))), log_(log) {
  // Texts of the file may be anything; what is not UTF-8 fits no name that is known.
  config_json_ = config_of(*file_, log).dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
  config_ = ModelConfig::from_json(config_json_, file_->path().string());
  llama_ = *file_->text("general.architecture") == "llama";
}

std::vector<StoredTensor> GgufModel::tensors() const {
  std::vector<StoredTensor> list;
  for (const Tensor& tensor : file_->tensors()) {
    list.push_back(
        {tensor.name, std::string(name_of(tensor.type)), tensor.shape, static_cast<std::int64_t>(tensor.bytes.size())});
  }
  return list;
}

std::string GgufModel::describe(const Tensor& tensor) const {
  return fmt::format("{}: tensor {}", file_->path().string(), tensor.name);
}

const formats::GgufTensor& GgufModel::require(const std::string& name) const {
  const Tensor* tensor = file_->find(name);
  if (tensor == nullptr) {
    fail(ErrorKind::corrupt, "{}: tensor {} is missing; its metadata ({} layers) calls for it", file_->path().string(),
         name, config_.num_hidden_layers);
  }
  return *tensor;
}

const formats::GgufTensor& GgufModel::claim(const std::string& name, std::span<const GgufType> types,
                                            const Shape& shape) {
  const Tensor& tensor = require(name);
  if (std::find(types.begin(), types.end(), tensor.type) == types.end()) {
    std::string wanted;
    for (const GgufType type : types) wanted += (wanted.empty() ? "" : ", ") + std::string(name_of(type));
    fail(ErrorKind::unsupported, "{} has type {}; supported are {}", describe(tensor), name_of(tensor.type), wanted);
  }
  const bool one_row = shape.rank() == 2 && shape[0] == 1 && tensor.shape == Shape{shape[1]};
  if (tensor.shape != shape && !one_row) {
    fail(ErrorKind::corrupt, "{} has shape {}; expected {}", describe(tensor), to_string(tensor.shape),
         to_string(shape));
  }
  claimed_.insert(name);
  return tensor;
}

std::optional<backend::TernaryShape> GgufModel::check(const TensorRule& rule, std::int64_t layer) {
  const std::string weight = tensor_name(rule, layer, "weight");
  if (rule.kind == TensorKind::norm) {
    claim(weight, kGgufFloats, Shape{rule.rows});
    return std::nullopt;
  }
  claim(weight, rule.kind == TensorKind::dense ? std::span<const GgufType>(kGgufDense) : kGgufLinear,
        Shape{rule.rows, rule.cols});
  if (rule.kind == TensorKind::dense) return std::nullopt;
  if (rule.bias) claim(tensor_name(rule, layer, "bias"), kGgufFloats, Shape{rule.rows});
  const std::string scale = tensor_name(rule, layer, "scale");
  if (file_->find(scale) != nullptr) claim(scale, kGgufFloats, Shape{1});
  return backend::TernaryShape{rule.rows, rule.cols};
}

void GgufModel::refuse_unknown(const LogSink& log) const {
  for (const Tensor& tensor : file_->tensors()) {
    if (claimed_.contains(tensor.name) || tensor.name == "rope_freqs.weight") continue;
    if (tensor.name.ends_with("attn_rot_embd.weight")) {
      log_to(log, describe(tensor) + " is not used: it follows from the metadata");
      continue;
    }
    fail(ErrorKind::corrupt, "{} belongs to no part of a \"{}\" with {} layers; the tensors do not fit the metadata",
         describe(tensor), *file_->text("general.architecture"), config_.num_hidden_layers);
  }
}

std::vector<float> GgufModel::floats(const std::string& name) const {
  const Tensor& tensor = require(name);
  std::vector<float> values(static_cast<std::size_t>(tensor.shape.element_count()));
  floats_of(tensor.type, tensor.bytes.data(), values);
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i])) {
      fail(ErrorKind::corrupt, "{}: element {} is {}; expected a finite number", describe(tensor), i, values[i]);
    }
  }
  return values;
}

std::vector<float> GgufModel::norm(const TensorRule& rule, std::int64_t layer) const {
  return floats(tensor_name(rule, layer, "weight"));
}

backend::DenseSource GgufModel::dense(const TensorRule& rule) const {
  const Tensor& tensor = require(tensor_name(rule, 0, "weight"));
  return dense_source(tensor, describe(tensor), rule.rows, rule.cols, file_);
}

bool GgufModel::reorders(const TensorRule& rule) const {
  return llama_ && (rule.field == Field::q || rule.field == Field::k);
}

std::int64_t GgufModel::file_row(const TensorRule& rule, std::int64_t row) const {
  if (!reorders(rule)) return row;
  // The file's neighbours are what the model has half a head apart: its rotary embedding turns neighbours.
  const std::int64_t in_head = row % config_.head_dim;
  const std::int64_t half = config_.head_dim / 2;
  return row - in_head + 2 * (in_head % half) + in_head / half;
}

void GgufModel::to_model_order(const TensorRule& rule, std::vector<float>& by_row) const {
  const auto in_row = static_cast<std::int64_t>(by_row.size()) / rule.rows;
  if (!reorders(rule) || in_row == 0) return;  // one for all rows, or none
  std::vector<float> ordered;
  for (std::int64_t r = 0; r < rule.rows; ++r) {
    const auto from = by_row.begin() + file_row(rule, r) * in_row;
    ordered.insert(ordered.end(), from, from + in_row);
  }
  by_row = std::move(ordered);
}

std::optional<MeasuredScales> GgufModel::measure(const Tensor& tensor) const {
  const std::int64_t cols = tensor.shape[tensor.shape.rank() - 1];
  const std::int64_t rows = tensor.shape.element_count() / cols;
  if (!is_float(tensor.type)) return block_scales(tensor.type, tensor.bytes, rows, cols, describe(tensor));
  const std::size_t row_bytes = formats::gguf_bytes(tensor.type, 1, cols);
  std::vector<float> values(static_cast<std::size_t>(cols));
  return measure_scales(rows, cols, [&](std::int64_t row) {
    floats_of(tensor.type, tensor.bytes.data() + static_cast<std::size_t>(row) * row_bytes, values);
    return std::span<const float>(values);
  });
}

backend::WeightScales GgufModel::scales(const TensorRule& rule, const std::string& name,
                                        const MeasuredScales& measured) const {
  backend::WeightScales out;
  set_coarsest(measured, out);
  const std::string source = file_->path().string() + ": tensor " + name + ".weight";
  if (const std::string_view* rule_name = file_->text(kScaleRuleKey)) {
    const GgufType type = require(name + ".weight").type;
    std::vector<float> exact;
    if (const formats::GgufValue* side = file_->value(std::string(kScalePrefix) + name)) {
      const auto* list = std::get_if<std::vector<float>>(side);
      if (list == nullptr) fail(ErrorKind::corrupt, "{}: {}{} is not an array of floats", source, kScalePrefix, name);
      exact = *list;
    }
    float (*const rounded)(float) = type == GgufType::i2_s || type == GgufType::f32 ? unchanged
                                    : type == GgufType::bf16                        ? rounded_to_bf16
                                                                                    : rounded_to_f16;
    use_side_scales(std::move(exact), parse_scale_rule(*rule_name, source), rounded, source, measured, out);
  }
  if (file_->find(name + ".scale") != nullptr) {
    const float factor = floats(name + ".scale").front();
    for (float& value : out.values) {
      value *= factor;
      if (std::isfinite(value) && value > 0.0F && out.rule != backend::ScaleRule::divide) continue;
      fail(ErrorKind::corrupt, "{}: {}.scale is {}, which makes {} of a scale ({})", source, name, factor, value,
           name_of(out.rule));
    }
  }
  to_model_order(rule, out.values);
  return out;
}

std::optional<StoredLinear> GgufModel::float_linear(const TensorRule& rule, std::int64_t layer) const {
  const Tensor& tensor = require(tensor_name(rule, layer, "weight"));
  const bool scaled = file_->find(tensor_name(rule, layer, "scale")) != nullptr;
  if (!is_float(tensor.type) || scaled || measure(tensor)) return std::nullopt;
  if (reorders(rule)) {
    fail(ErrorKind::unsupported,
         "{} is {} in a \"llama\" file, which has its rows in another order; quantize the Hugging "
         "Face folder that it was made of",
         describe(tensor), name_of(tensor.type));
  }
  StoredLinear out;
  out.name = model::with_layer(rule.names.front(), layer);
  out.dense = dense_source(tensor, describe(tensor), rule.rows, rule.cols, file_);
  if (rule.bias) out.dense_bias = floats(tensor_name(rule, layer, "bias"));
  return out;
}

StoredLinear GgufModel::linear(const TensorRule& rule, std::int64_t layer) const {
  const std::string name = model::with_layer(rule.gguf, layer);
  const Tensor& tensor = require(name + ".weight");
  StoredLinear out;
  out.name = model::with_layer(rule.names.front(), layer);
  backend::TernarySource& source = out.ternary.emplace();
  source.name = describe(tensor);
  source.out = rule.rows;
  source.in = rule.cols;
  const auto measured = measure(tensor);
  if (measured) {
    out.scales = scales(rule, name, *measured);
    source.form = backend::TernaryForm::decoded;
    source.decode = [this, &tensor, field = rule](std::int64_t row, std::int64_t rows, std::int8_t* weights) {
      const BlockReader reader(*file_, tensor, field.cols);
      if (!reorders(field)) {
        reader.rows(row, rows, weights);
        return;
      }
      for (std::int64_t r = 0; r < rows; ++r) reader.rows(file_row(field, row + r), 1, weights + r * field.cols);
    };
  } else if (llama_ || file_->find(name + ".scale") != nullptr) {
    fail(ErrorKind::unsupported,
         "{} is {} and not ternary as it stands (each 0 or ± one value per tensor, row or group of inputs); make a "
         "ternary checkpoint with bitnet quantize",
         describe(tensor), name_of(tensor.type));
  } else {
    const backend::DenseSource master = dense_source(tensor, describe(tensor), rule.rows, rule.cols, file_);
    source.form = backend::TernaryForm::master;
    source.dtype = master.dtype;
    source.data = master.data;
  }
  if (rule.bias) {
    out.scales.bias = floats(name + ".bias");
    to_model_order(rule, out.scales.bias);
  }
  return out;
}

void GgufModel::release(const TensorRule& rule, std::int64_t layer) const {
  if (const Tensor* tensor = file_->find(tensor_name(rule, layer, "weight"))) file_->release(*tensor);
}

std::optional<std::string> GgufModel::companion(std::string_view file) const {
  if (file == "config.json") return config_json_;
  if (file == "tokenizer.json") return tokenizer_json(*file_, log_);
  if (file == "tokenizer_config.json") return tokenizer_config_json(*file_);
  if (file == "generation_config.json") {
    if (const std::string_view* text = file_->text("bitnet_core.generation_config")) return std::string(*text);
  }
  return std::nullopt;
}

}  // namespace bitnet::loading
