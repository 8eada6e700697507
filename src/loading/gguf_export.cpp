/// The GGUF half of convert().

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "base/fail.h"
#include "base/json.h"
#include "loading/convert.h"
#include "loading/gguf_blocks.h"
#include "loading/gguf_export_tokenizer.h"
#include "loading/measured_scales.h"
#include "loading/side_scales.h"
#include "model/rope.h"

namespace bitnet::loading {
namespace {

using backend::ScaleRule;
using backend::WeightScales;
using formats::GgufType;
using formats::GgufWriteEntry;
using formats::GgufWriteTensor;
using model::Field;
using model::TensorKind;
using model::TensorRule;

GgufType gguf_type(TernaryTarget target) {
  switch (target) {
    case TernaryTarget::tq1_0:
      return GgufType::tq1_0;
    case TernaryTarget::tq2_0:
      return GgufType::tq2_0;
    case TernaryTarget::q2_0:
      return GgufType::q2_0;
    default:
      return GgufType::i2_s;
  }
}

/// "general.file_type": the number that other programs have for a file of mostly this type.
std::uint32_t file_type(TernaryTarget target) {
  switch (target) {
    case TernaryTarget::tq1_0:
      return 36;
    case TernaryTarget::tq2_0:
      return 37;
    case TernaryTarget::q2_0:
      return 41;
    default:
      return 40;
  }
}

class GgufExport {
 public:
  GgufExport(StoredModel& stored, backend::Backend& backend, const Conversion& conversion)
      : stored_(stored), config_(stored.config()), backend_(backend), conversion_(conversion) {
    if (config_.feed_forward == FeedForwardKind::plain || config_.quantization.use_rms_norm || config_.input_norms) {
      fail(ErrorKind::unsupported,
           "GGUF has no architecture for this model ({}{}); convert it to a Hugging Face folder", config_.architecture,
           config_.quantization.use_rms_norm ? ", use_rms_norm" : "");
    }
    architecture_ = !config_.attn_sub_norm                   ? "llama"
                    : config_.hidden_act == HiddenAct::relu2 ? "bitnet-b1.58"
                                                             : "bitnet";
  }

  void write(const std::filesystem::path& out) {
    read_all_scales();
    add_metadata();
    for_each_field(config_, [&](const TensorRule& rule, std::int64_t layer) { add_tensor(rule, layer); });
    add_rope_factors();
    formats::write_gguf(out, metadata_, tensors_);
  }

 private:
  void step() {
    if (conversion_.on_progress) conversion_.on_progress(++done_ / steps_);
  }

  /// The scales come first in the file, and decide whether it can be written at all.
  void read_all_scales() {
    for_each_field(config_, [&](const TensorRule&, std::int64_t) { ++steps_; });
    for_each_field(config_, [&](const TensorRule& rule, std::int64_t layer) {
      if (rule.kind != TensorKind::linear) return;
      ++steps_;
      WeightScales scales = read_scales(stored_, backend_, rule, layer);
      const std::string name = model::with_layer(rule.gguf, layer);
      if (scales.values.empty()) {
        fail(ErrorKind::unsupported,
             "{} is in full precision (modules_to_not_convert); a GGUF file of a ternary "
             "architecture cannot say so",
             model::with_layer(rule.names.front(), layer));
      }
      check_fits(rule, name, scales);
      if (!keeps_groups(scales, rule.rows, rule.cols, formats::gguf_block(gguf_type(conversion_.target)))) {
        regrouped_.insert(name);
      }
      to_file_order(rule, scales.values);
      to_file_order(rule, scales.bias);
      scales_[name] = std::move(scales);
    });
  }

  void check_fits(const TensorRule& rule, const std::string& name, const WeightScales& scales) const {
    const GgufType type = gguf_type(conversion_.target);
    const std::int64_t block = formats::gguf_block(type);
    const bool flat = type == GgufType::i2_s;
    const std::int64_t multiple = flat ? rule.rows * rule.cols : rule.cols;
    if (multiple % block != 0) {
      fail(ErrorKind::unsupported, "{} is {} × {}; {} needs a multiple of {} {}", name, rule.rows, rule.cols,
           name_of(type), block, flat ? "weights" : "columns");
    }
    if (flat && scales.values.size() > 1) {
      fail(ErrorKind::unsupported,
           "{} has {} scales; i2_s holds one a tensor: use tq2_0 (one a row) or q2_0 (one for 64 "
           "columns)",
           name, scales.values.size());
    }
    if (!flat && scales.group != 0 && scales.group % block != 0) {
      fail(ErrorKind::unsupported, "{} has one scale for {} columns; {} holds one for {}: use q2_0", name, scales.group,
           name_of(type), block);
    }
  }

  void add_metadata() {
    const auto text = [&](const std::string& key, std::string_view value) {
      metadata_.push_back({key, std::string(value)});
    };
    const auto number = [&](std::string_view key, std::int64_t value) {
      metadata_.push_back({architecture_ + "." + std::string(key), static_cast<std::uint32_t>(value)});
    };
    const auto real = [&](std::string_view key, double value) {
      metadata_.push_back({architecture_ + "." + std::string(key), static_cast<float>(value)});
    };
    text("general.architecture", architecture_);
    text("general.type", "model");
    metadata_.push_back({"general.file_type", file_type(conversion_.target)});
    metadata_.push_back({"general.quantization_version", std::uint32_t{2}});
    number("vocab_size", config_.vocab_size);
    number("context_length", config_.max_position_embeddings);
    number("embedding_length", config_.hidden_size);
    number("block_count", config_.num_hidden_layers);
    number("feed_forward_length", config_.intermediate_size);
    number("attention.head_count", config_.num_attention_heads);
    number("attention.head_count_kv", config_.num_key_value_heads);
    number("attention.key_length", config_.head_dim);
    number("attention.value_length", config_.head_dim);
    real("attention.layer_norm_rms_epsilon", config_.rms_norm_eps);
    number("rope.dimension_count", config_.head_dim);
    real("rope.freq_base", config_.rope_theta);
    text(architecture_ + ".hidden_activation", bitnet::name_of(config_.hidden_act));
    const Json json = parse_json(stored_.companion("config.json").value(), "config.json");
    for (const char* field : {"rope_parameters", "rope_scaling"}) {
      const auto found = json.find(field);
      if (found == json.end() || found->is_null()) continue;
      text("bitnet_core.rope_scaling", found->dump());
      break;
    }
    if (config_.rope_scaling.type == RopeType::linear) {
      text(architecture_ + ".rope.scaling.type", "linear");
      real("rope.scaling.factor", config_.rope_scaling.factor);
    }
    add_side_scales();
    add_tokenizer(stored_, metadata_);
  }

  /// Says once more, exactly, what the weights' own blocks round or cannot say.
  void add_side_scales() {
    const bool flat = conversion_.target == TernaryTarget::i2_s;
    const auto stored_exactly = [&](float value) { return flat || rounded_to_f16(value) == value; };
    std::optional<ScaleRule> needed;
    std::vector<GgufWriteEntry> entries;
    for (const auto& [name, scales] : scales_) {
      // Without a bias, adding it before or after is the same.
      const ScaleRule rule =
          scales.bias.empty() && scales.rule == ScaleRule::multiply_after_bias ? ScaleRule::multiply : scales.rule;
      const bool exact =
          !regrouped_.contains(name) && std::all_of(scales.values.begin(), scales.values.end(), stored_exactly);
      if (rule == ScaleRule::multiply && exact) continue;
      if (!needed || rule != ScaleRule::multiply) needed = rule;
      entries.push_back({std::string(kScalePrefix) + name, scales.values});
    }
    if (!needed) return;
    metadata_.push_back({std::string(kScaleRuleKey), std::string(name_of(*needed))});
    metadata_.insert(metadata_.end(), entries.begin(), entries.end());
  }

  void add_tensor(const TensorRule& rule, std::int64_t layer) {
    const std::string name = model::with_layer(rule.gguf, layer);
    if (rule.kind == TensorKind::norm) {
      add_floats(name + ".weight", stored_.norm(rule, layer));
    } else if (rule.kind == TensorKind::dense) {
      add_dense(rule, name);
    } else {
      add_linear(rule, layer, name);
    }
  }

  void add_floats(const std::string& name, std::vector<float> values) {
    const Shape shape{static_cast<std::int64_t>(values.size())};
    tensors_.push_back({name, GgufType::f32, shape, [this, values = std::move(values)](const auto& write) {
                          write(std::as_bytes(std::span(values)));
                          step();
                        }});
  }

  void add_dense(const TensorRule& rule, const std::string& name) {
    const auto& wanted = rule.field == Field::embed ? conversion_.embedding : conversion_.head;
    const backend::DenseSource source = stored_.dense(rule);
    const GgufType type = wanted.value_or(type_of(source));
    if (rule.cols % formats::gguf_block(type) != 0) {
      fail(ErrorKind::unsupported, "{} has {} columns; {} needs a multiple of {}", name, rule.cols, name_of(type),
           formats::gguf_block(type));
    }
    tensors_.push_back({name + ".weight", type, Shape{rule.rows, rule.cols}, [this, rule, type](const auto& write) {
                          write_dense(stored_.dense(rule), type, write);
                          stored_.release(rule, 0);
                          step();
                        }});
  }

  /// "llama" files have the two halves of a head of q and k woven together.
  [[nodiscard]] std::int64_t model_row(const TensorRule& rule, std::int64_t row) const {
    if (architecture_ != "llama" || (rule.field != Field::q && rule.field != Field::k)) return row;
    const std::int64_t in_head = row % config_.head_dim;
    return row - in_head + in_head / 2 + in_head % 2 * (config_.head_dim / 2);
  }

  void to_file_order(const TensorRule& rule, std::vector<float>& by_row) const {
    const auto in_row = static_cast<std::int64_t>(by_row.size()) / rule.rows;
    std::vector<float> ordered;
    for (std::int64_t r = 0; r < rule.rows && in_row > 0; ++r) {
      const auto from = by_row.begin() + model_row(rule, r) * in_row;
      ordered.insert(ordered.end(), from, from + in_row);
    }
    if (!ordered.empty()) by_row = std::move(ordered);
  }

  void add_linear(const TensorRule& rule, std::int64_t layer, const std::string& name) {
    const GgufType type = gguf_type(conversion_.target);
    tensors_.push_back(
        {name + ".weight", type, Shape{rule.rows, rule.cols}, [this, rule, layer, type](const auto& write) {
           write_ternary(rule, type, *read_ternary(stored_, backend_, rule, layer), write);
           step();
         }});
    const WeightScales& scales = scales_.at(name);
    if (scales.bias.empty()) return;
    ++steps_;
    add_floats(name + ".bias", scales.bias);
  }

  template <typename Write>
  void write_ternary(const TensorRule& rule, GgufType type, const backend::TernaryWeights& weights,
                     const Write& write) const {
    const WeightScales& scales = weights.scales();
    TernaryEncoder encoder(type, rule.cols);
    std::vector<std::int8_t> row(static_cast<std::size_t>(rule.cols));
    for (std::int64_t r = 0; r < rule.rows; ++r) {
      const std::int64_t from = model_row(rule, r);
      weights.read_row(from, row.data());
      write(encoder.row(row, [&](std::int64_t column) {
        return weight_factor(scales.rule, scale_at(scales, rule.rows, rule.cols, from, column));
      }));
    }
    write(encoder.tail());
  }

  /// Other programs know Llama 3's frequencies as factors for each pair.
  void add_rope_factors() {
    if (config_.rope_scaling.type != RopeType::llama3 && config_.rope_scaling.type != RopeType::factors) return;
    const model::RopeTable scaled(config_.head_dim, config_.rope_theta, config_.rope_scaling);
    const model::RopeTable base(config_.head_dim, config_.rope_theta, {});
    std::vector<float> factors;
    for (std::size_t i = 0; i < base.inv_freq().size(); ++i) {
      factors.push_back(base.inv_freq()[i] / scaled.inv_freq()[i]);
    }
    ++steps_;
    add_floats("rope_freqs.weight", std::move(factors));
  }

  StoredModel& stored_;
  const ModelConfig& config_;
  backend::Backend& backend_;
  const Conversion& conversion_;
  std::string architecture_;
  std::map<std::string, WeightScales> scales_;  // by GGUF name, rows in the file's order
  std::set<std::string> regrouped_;             // whose groups a reader would not find in the blocks
  std::vector<GgufWriteEntry> metadata_;
  std::vector<GgufWriteTensor> tensors_;
  double steps_ = 0;
  double done_ = 0;
};

}  // namespace

void write_gguf_model(StoredModel& stored, backend::Backend& backend, const std::filesystem::path& out,
                      const Conversion& conversion) {
  GgufExport(stored, backend, conversion).write(out);
}

}  // namespace bitnet::loading
