/// Two forms of one model, tensor by tensor and in logits.

#include <algorithm>
#include <cmath>
#include <mutex>

#include "base/fail.h"
#include "engine/difference.h"
#include "engine/engine_state.h"
#include "engine/verify.h"
#include "loading/convert.h"
#include "loading/side_scales.h"

namespace bitnet {
namespace {

using model::LinearWeights;
using model::TensorKind;
using model::TensorRule;

/// Half a unit in the last place of bf16, the coarsest that published scales are stored in.
constexpr double kScaleTolerance = 1.0 / 256;
/// Of the root mean square: more than any of the block types loses, less than another tensor differs by.
constexpr double kDenseTolerance = 0.1;
constexpr std::int64_t kTokens = 48;

void expect_same(std::string_view field, std::int64_t first, std::int64_t second) {
  if (first == second) return;
  fail(ErrorKind::invalid_argument, "these are two models, not two forms of one: {} is {} and {}", field, first,
       second);
}

class ModelComparison {
 public:
  ModelComparison(EngineState& first, EngineState& second)
      : lock_(first.computing, second.computing), first_(*first.transformer), second_(*second.transformer) {
    const ModelConfig& a = first_.config();
    const ModelConfig& b = second_.config();
    expect_same("hidden_size", a.hidden_size, b.hidden_size);
    expect_same("intermediate_size", a.intermediate_size, b.intermediate_size);
    expect_same("num_hidden_layers", a.num_hidden_layers, b.num_hidden_layers);
    expect_same("num_attention_heads", a.num_attention_heads, b.num_attention_heads);
    expect_same("num_key_value_heads", a.num_key_value_heads, b.num_key_value_heads);
    expect_same("head_dim", a.head_dim, b.head_dim);
    expect_same("vocab_size", a.vocab_size, b.vocab_size);
    expect_same("attn_sub_norm", a.attn_sub_norm, b.attn_sub_norm);
    expect_same("ffn_sub_norm", a.ffn_sub_norm, b.ffn_sub_norm);
    expect_same("a gate", a.feed_forward == FeedForwardKind::gated, b.feed_forward == FeedForwardKind::gated);
  }

  VerifyReport run() {
    loading::for_each_field(first_.config(), [&](const TensorRule& rule, std::int64_t layer) {
      const std::string name = model::with_layer(rule.names.front(), layer);
      switch (rule.kind) {
        case TensorKind::norm:
          norm(name, weights(first_).norm(rule.field, layer), weights(second_).norm(rule.field, layer));
          break;
        case TensorKind::input_norm:
          norm(name, weights(first_).linear(rule.field, layer).input_norm,
               weights(second_).linear(rule.field, layer).input_norm);
          break;
        case TensorKind::dense:
          dense(name, *weights(first_).dense(rule.field), *output(rule));
          break;
        case TensorKind::linear:
          linear(name, weights(first_).linear(rule.field, layer), weights(second_).linear(rule.field, layer));
          break;
      }
    });
    logits();
    return std::move(report_);
  }

 private:
  // The tables by field are of weights that can be filled; nothing here changes them.
  static model::ModelWeights& weights(model::Transformer& model) {
    return const_cast<model::ModelWeights&>(model.weights());
  }

  /// A head that the other form ties to its embedding is compared with that.
  const backend::DenseWeights* output(const TensorRule& rule) {
    const auto& own = weights(second_).dense(rule.field);
    return own ? own.get() : weights(second_).embed.get();
  }

  void add(Comparison comparison) {
    same_ = same_ && comparison.largest == 0;
    report_.comparisons.push_back(std::move(comparison));
  }

  void norm(const std::string& name, const std::vector<float>& first, const std::vector<float>& second) {
    Difference difference;
    difference.add(second, first);
    Comparison comparison = difference.comparison(name + ".weight");
    comparison.largest_allowed = Tolerance::kExact;
    add(std::move(comparison));
  }

  void dense(const std::string& name, const backend::DenseWeights& first, const backend::DenseWeights& second) {
    Difference difference;
    std::vector<float> rows[2];
    for (std::int32_t r = 0; r < first.rows(); ++r) {
      const std::int32_t ids[] = {r};
      for (const int i : {0, 1}) {
        rows[i].resize(static_cast<std::size_t>(first.cols()));
        model::Transformer& model = i == 0 ? first_ : second_;
        model.backend().embed(i == 0 ? first : second, ids, {rows[i].data(), 1, first.cols()});
      }
      difference.add(rows[1], rows[0]);
    }
    Comparison comparison = difference.comparison(name + ".weight");
    comparison.mean_allowed = kDenseTolerance * difference.reference_rms();
    same_dense_ = same_dense_ && comparison.largest == 0;
    add(std::move(comparison));
  }

  void linear(const std::string& name, const LinearWeights& first, const LinearWeights& second) {
    if (!first.ternary || !second.ternary) {
      if (static_cast<bool>(first.dense) != static_cast<bool>(second.dense)) {
        fail(ErrorKind::invalid_argument, "{} is ternary in one form and in full precision in the other", name);
      }
      dense(name, *first.dense, *second.dense);
      return;
    }
    const backend::TernaryWeights& a = *first.ternary;
    const backend::TernaryWeights& b = *second.ternary;
    const auto cols = static_cast<std::size_t>(a.in());
    std::vector<std::int8_t> rows[2] = {std::vector<std::int8_t>(cols), std::vector<std::int8_t>(cols)};
    Comparison weights;
    weights.name = name + ".weight";
    weights.elements = a.out() * a.in();
    weights.largest_allowed = 0;
    Comparison scales;
    scales.name = name + ".weight_scale (relative)";
    scales.elements = static_cast<std::int64_t>(std::max(a.scales().values.size(), b.scales().values.size()));
    scales.largest_allowed = kScaleTolerance;
    for (std::int64_t r = 0; r < a.out(); ++r) {
      a.read_row(r, rows[0].data());
      b.read_row(r, rows[1].data());
      for (std::int64_t c = 0; c < a.in(); ++c) {
        const int ours = rows[0][static_cast<std::size_t>(c)];
        const int theirs = rows[1][static_cast<std::size_t>(c)];
        weights.largest = std::max(weights.largest, static_cast<double>(std::abs(ours - theirs)));
        weights.mean += std::abs(ours - theirs) / static_cast<double>(weights.elements);
        if (c % 64 == 0) scales.largest = std::max(scales.largest, relative(factor(a, r, c), factor(b, r, c)));
      }
    }
    add(std::move(weights));
    add(std::move(scales));
    bias(name, a.scales().bias, b.scales().bias);
  }

  static double factor(const backend::TernaryWeights& weights, std::int64_t row, std::int64_t column) {
    const backend::WeightScales& scales = weights.scales();
    return static_cast<double>(
        loading::weight_factor(scales.rule, loading::scale_at(scales, weights.out(), weights.in(), row, column)));
  }
  static double relative(double a, double b) { return std::abs(a - b) / std::max(std::abs(a), std::abs(b)); }

  void bias(const std::string& name, const std::vector<float>& first, const std::vector<float>& second) {
    if (first.size() != second.size()) {
      fail(ErrorKind::invalid_argument, "{} has a bias in one form and none in the other", name);
    }
    if (first.empty()) return;
    Difference difference;
    difference.add(second, first);
    Comparison comparison = difference.comparison(name + ".bias");
    comparison.largest_allowed = Tolerance::kExact;
    add(std::move(comparison));
  }

  /// Both networks on the same tokens, spread over the vocabulary.
  void logits() {
    const std::int64_t vocab = first_.config().vocab_size;
    const std::int64_t count =
        std::min({kTokens, first_.config().max_position_embeddings, second_.config().max_position_embeddings});
    std::vector<model::BatchToken> batch;
    for (std::int64_t i = 0; i < count; ++i) batch.push_back({static_cast<std::int32_t>(i * 7919 % vocab), 0, true});
    std::vector<float> results[2];
    for (const int i : {0, 1}) {
      model::Transformer& model = i == 0 ? first_ : second_;
      results[i].resize(static_cast<std::size_t>(count * vocab));
      model::KvSequence sequence = model.make_sequence();
      model::KvSequence* const sequences[] = {&sequence};
      model.forward(batch, sequences, {results[i].data(), count, vocab});
    }
    Difference difference;
    const auto width = static_cast<std::size_t>(vocab);
    for (std::size_t at = 0; at < results[0].size(); at += width) {
      difference.add_logits(std::span(results[1]).subspan(at, width), std::span(results[0]).subspan(at, width));
    }
    Comparison comparison = difference.comparison("logits");
    if (same_) {
      comparison.largest_allowed = 0;
    } else if (!same_dense_) {
      comparison.mean_allowed = kDenseTolerance * difference.reference_rms();
      comparison.argmax_changes = 0;  // another precision of the head may well name another token
    } else {
      comparison = judge_network(std::move(comparison), true, std::max(1.0, difference.reference_rms()));
    }
    report_.comparisons.push_back(std::move(comparison));
  }

  std::scoped_lock<std::mutex, std::mutex> lock_;
  model::Transformer& first_;
  model::Transformer& second_;
  VerifyReport report_;
  bool same_ = true;        // every tensor so far, to the bit
  bool same_dense_ = true;  // embedding and head
};

}  // namespace

VerifyReport compare_models(const Engine& first, const Engine& second) {
  return ModelComparison(first.state(), second.state()).run();
}

}  // namespace bitnet
