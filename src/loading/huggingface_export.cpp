/// The Hugging Face half of convert(): config.json, model.safetensors and what lies beside them.

#include <algorithm>
#include <map>
#include <set>

#include "base/fail.h"
#include "base/float16.h"
#include "base/json.h"
#include "base/new_folder.h"
#include "base/text_file.h"
#include "formats/safetensors.h"
#include "loading/convert.h"
#include "loading/gguf_blocks.h"
#include "loading/measured_scales.h"
#include "loading/side_scales.h"

namespace bitnet::loading {
namespace {

namespace fs = std::filesystem;
using backend::ScaleRule;
using backend::WeightScales;
using formats::StreamedTensor;
using model::Field;
using model::TensorKind;
using model::TensorRule;

bool is_bf16(float value) { return rounded_to_bf16(value) == value; }

/// Floats as bf16 where that says them exactly, else as f32.
StreamedTensor float_tensor(std::string name, Shape shape, std::vector<float> values) {
  const bool half = std::all_of(values.begin(), values.end(), is_bf16);
  return {std::move(name), half ? DType::bf16 : DType::f32, std::move(shape),
          [values = std::move(values), half](const auto& write) {
            if (!half) {
              write(std::as_bytes(std::span(values)));
              return;
            }
            std::vector<std::uint16_t> halves;
            for (const float value : values) halves.push_back(f32_to_bf16(value));
            write(std::as_bytes(std::span(halves)));
          }};
}

class HuggingFaceExport {
 public:
  HuggingFaceExport(StoredModel& stored, backend::Backend& backend, const Conversion& conversion)
      : stored_(stored), config_(stored.config()), backend_(backend), conversion_(conversion) {
    const bool plain = config_.feed_forward == FeedForwardKind::plain;
    if (conversion.target == TernaryTarget::bf16 && (plain || config_.quantization.use_rms_norm)) {
      fail(ErrorKind::unsupported, "{} means something else in a config.json without quantization_config: use packed",
           plain ? config_.architecture : "use_rms_norm");
    }
  }

  void write(const fs::path& target) {
    for_each_field(config_, [&](const TensorRule&, std::int64_t) { ++steps_; });
    for_each_field(config_, [&](const TensorRule& rule, std::int64_t layer) { add_field(rule, layer); });
    NewFolder folder(target);
    formats::SafetensorsMetadata metadata = side_scales();
    metadata["format"] = "pt";  // what transformers asks for
    formats::stream_safetensors(folder.path() / "model.safetensors", tensors_, metadata);
    write_text(folder.path() / "config.json", config_json());
    for (const char* name : {"generation_config.json", "tokenizer.json", "tokenizer_config.json",
                             "special_tokens_map.json", "chat_template.jinja"}) {
      if (const auto text = stored_.companion(name)) write_text(folder.path() / name, *text);
    }
    folder.commit();
  }

 private:
  void step() {
    if (conversion_.on_progress) conversion_.on_progress(std::min(1.0, ++done_ / steps_));
  }

  static void write_text(const fs::path& path, const std::string& text) {
    write_file_atomically(path, std::as_bytes(std::span(text)));
  }

  void add_field(const TensorRule& rule, std::int64_t layer) {
    const std::string name = model::with_layer(rule.names.front(), layer);
    if (rule.kind == TensorKind::norm || rule.kind == TensorKind::input_norm) {
      tensors_.push_back(float_tensor(name + ".weight", Shape{rule.rows}, stored_.norm(rule, layer)));
    } else if (rule.kind == TensorKind::dense) {
      const auto& wanted = rule.field == Field::embed ? conversion_.embedding : conversion_.head;
      add_dense(name, rule, layer, wanted);
    } else {
      add_linear(name, rule, layer);
    }
  }

  [[nodiscard]] backend::DenseSource source_of(const TensorRule& rule, std::int64_t layer) const {
    return rule.kind == TensorKind::dense ? stored_.dense(rule) : stored_.linear(rule, layer).dense.value();
  }

  void add_dense(const std::string& name, const TensorRule& rule, std::int64_t layer,
                 std::optional<formats::GgufType> wanted) {
    using formats::GgufType;
    GgufType type = wanted.value_or(type_of(source_of(rule, layer)));
    if (type != GgufType::f16 && type != GgufType::bf16) type = GgufType::f32;  // blocks: what they stand for
    const DType dtype = type == GgufType::f32 ? DType::f32 : type == GgufType::f16 ? DType::f16 : DType::bf16;
    tensors_.push_back(
        {name + ".weight", dtype, Shape{rule.rows, rule.cols}, [this, rule, layer, type](const auto& write) {
           write_dense(source_of(rule, layer), type, write);
           stored_.release(rule, layer);
           step();
         }});
  }

  void add_linear(const std::string& name, const TensorRule& rule, std::int64_t layer) {
    WeightScales scales = read_scales(stored_, backend_, rule, layer);
    if (scales.values.empty()) {
      if (conversion_.target == TernaryTarget::bf16) {
        fail(ErrorKind::unsupported,
             "{} is in full precision (modules_to_not_convert), which a config.json without "
             "quantization_config cannot say: use packed",
             name);
      }
      add_dense(name, rule, layer, std::nullopt);
      if (rule.bias) {
        tensors_.push_back(float_tensor(name + ".bias", Shape{rule.rows}, stored_.linear(rule, layer).dense_bias));
      }
      return;
    }
    if (!scales.bias.empty()) tensors_.push_back(float_tensor(name + ".bias", Shape{rule.rows}, scales.bias));
    if (conversion_.target == TernaryTarget::packed) {
      add_packed(name, rule, layer, scales);
    } else {
      if (!keeps_groups(scales, rule.rows, rule.cols, kMeasuredGroup)) regrouped_.insert(name);
      add_dequantized(name, rule, layer);
    }
    scales_[name] = std::move(scales);
  }

  void add_packed(const std::string& name, const TensorRule& rule, std::int64_t layer, const WeightScales& scales) {
    note_rule(name, scales);
    const auto count = static_cast<std::int64_t>(scales.values.size());
    const Shape shape = count == 1 || count == rule.rows ? Shape{count} : Shape{rule.rows, count / rule.rows};
    tensors_.push_back(float_tensor(name + ".weight_scale", shape, scales.values));
    const std::int64_t packed_rows = (rule.rows + 3) / 4;
    tensors_.push_back({name + ".weight", DType::u8, Shape{packed_rows, rule.cols},
                        [this, rule, layer, packed_rows](const auto& write) {
                          const auto ternary = read_ternary(stored_, backend_, rule, layer);
                          std::vector<std::int8_t> row(static_cast<std::size_t>(rule.cols));
                          std::vector<std::uint8_t> packed(row.size());
                          for (std::int64_t r = 0; r < packed_rows; ++r) {
                            std::fill(packed.begin(), packed.end(), std::uint8_t{0});
                            for (std::int64_t i = 0; i < 4; ++i) {
                              const std::int64_t from = r + i * packed_rows;
                              // Rows beyond the last are zeros.
                              std::fill(row.begin(), row.end(), std::int8_t{0});
                              if (from < rule.rows) ternary->read_row(from, row.data());
                              for (std::size_t c = 0; c < row.size(); ++c) {
                                packed[c] |= static_cast<std::uint8_t>((row[c] + 1) << (2 * i));
                              }
                            }
                            write(std::as_bytes(std::span(packed)));
                          }
                          step();
                        }});
  }

  /// The packed form knows a scale that divides, or one that multiplies after the bias: one of them for the model.
  void note_rule(const std::string& name, const WeightScales& scales) {
    const bool biased = !scales.bias.empty();
    if (scales.rule == ScaleRule::multiply && biased) {
      fail(ErrorKind::unsupported,
           "{} adds its bias after the scale; the packed form adds it before: use bf16, or GGUF", name);
    }
    divides_ = scales.rule == ScaleRule::divide;
  }

  void add_dequantized(const std::string& name, const TensorRule& rule, std::int64_t layer) {
    tensors_.push_back(
        {name + ".weight", DType::bf16, Shape{rule.rows, rule.cols}, [this, rule, layer](const auto& write) {
           const auto ternary = read_ternary(stored_, backend_, rule, layer);
           const WeightScales& scales = ternary->scales();
           std::vector<std::int8_t> row(static_cast<std::size_t>(rule.cols));
           std::vector<std::uint16_t> halves(row.size());
           for (std::int64_t r = 0; r < rule.rows; ++r) {
             ternary->read_row(r, row.data());
             for (std::size_t c = 0; c < row.size(); ++c) {
               const float scale = scale_at(scales, rule.rows, rule.cols, r, static_cast<std::int64_t>(c));
               halves[c] = f32_to_bf16(static_cast<float>(row[c]) * weight_factor(scales.rule, scale));
             }
             write(std::as_bytes(std::span(halves)));
           }
           step();
         }});
  }

  /// Says once more, exactly, what bf16 rounds or cannot say.
  [[nodiscard]] formats::SafetensorsMetadata side_scales() const {
    formats::SafetensorsMetadata metadata;
    if (conversion_.target == TernaryTarget::packed) return metadata;
    std::optional<ScaleRule> needed;
    for (const auto& [name, scales] : scales_) {
      const bool same =
          scales.rule == ScaleRule::multiply || (scales.rule == ScaleRule::multiply_after_bias && scales.bias.empty());
      const bool exact = !regrouped_.contains(name) && std::all_of(scales.values.begin(), scales.values.end(), is_bf16);
      if (same && exact) continue;
      if (!needed || !same) needed = same ? ScaleRule::multiply : scales.rule;
      metadata[std::string(kScalePrefix) + name] = Json(scales.values).dump();
    }
    if (needed) metadata[std::string(kScaleRuleKey)] = std::string(name_of(*needed));
    return metadata;
  }

  [[nodiscard]] std::string config_json() const {
    Json config = parse_json(stored_.companion("config.json").value(), "config.json");
    for (const char* field : {"quantization_config", "weight_bits", "input_bits", "auto_map"}) config.erase(field);
    if (config_.attn_sub_norm) {
      config["architectures"] = {"BitNetForCausalLM"};
      config["model_type"] = "bitnet";
    }
    if (conversion_.target == TernaryTarget::packed) {
      config["quantization_config"] = {{"quant_method", "bitnet"},
                                       {"linear_class", divides_ ? "bitlinear" : "autobitlinear"},
                                       {"quantization_mode", "offline"}};
      if (config_.quantization.use_rms_norm) {
        config["quantization_config"]["use_rms_norm"] = true;
        config["quantization_config"]["rms_norm_eps"] = config_.quantization.rms_norm_eps;
      }
      const auto& kept =
          config_.quantization.modules_to_not_convert;  // the first is the head, which goes without saying
      if (kept.size() > 1) {
        config["quantization_config"]["modules_to_not_convert"] = std::vector(kept.begin() + 1, kept.end());
      }
    }
    return config.dump(2) + "\n";
  }

  StoredModel& stored_;
  const ModelConfig& config_;
  backend::Backend& backend_;
  const Conversion& conversion_;
  std::map<std::string, WeightScales> scales_;  // by module
  std::set<std::string> regrouped_;             // whose groups a reader would not find in the weights
  std::vector<StreamedTensor> tensors_;
  bool divides_ = false;
  double steps_ = 0;
  double done_ = 0;
};

}  // namespace

void write_huggingface_model(StoredModel& stored, backend::Backend& backend, const fs::path& folder,
                             const Conversion& conversion) {
  HuggingFaceExport(stored, backend, conversion).write(folder);
}

}  // namespace bitnet::loading
