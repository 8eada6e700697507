#include <algorithm>
#include <array>
#include <cmath>

#include "base/aligned_buffer.h"
#include "base/float16.h"
#include "base/rng.h"
#include "loading/checkpoint_loader.h"

namespace bitnet::loading {
namespace {

using model::TensorKind;
using model::TensorRule;

/// The 81 bytes that hold four valid codes.
std::array<std::uint8_t, 81> valid_bytes() {
  std::array<std::uint8_t, 81> bytes{};
  for (int i = 0; i < 81; ++i) {
    bytes[static_cast<std::size_t>(i)] =
        static_cast<std::uint8_t>(i % 3 | (i / 3 % 3) << 2 | (i / 9 % 3) << 4 | (i / 27) << 6);
  }
  return bytes;
}

class RandomSource {
 public:
  RandomSource(const Randomness& randomness, backend::Backend& backend)
      : rng_(randomness.seed), gate_bias_(randomness.gate_bias), backend_(backend) {}

  model::LinearWeights linear(const TensorRule& rule, std::int64_t layer) {
    static const std::array<std::uint8_t, 81> kValid = valid_bytes();
    const std::int64_t bytes = (rule.rows + 3) / 4 * rule.cols;
    AlignedBuffer packed(static_cast<std::size_t>(bytes));
    auto* at = packed.as<std::uint8_t>();
    for (std::int64_t i = 0; i < bytes; ++i) {
      if (i % 8 == 0) bits_ = rng_.next();
      at[i] = kValid[(bits_ >> (i % 8 * 8) & 0xff) * 81 >> 8];
    }
    for (std::int64_t i = 0; rule.field == model::Field::gate && i < bytes; i += rule.cols) {
      std::fill_n(at + i, gate_bias_, std::uint8_t{0});  // four weights of -1
    }
    model::LinearWeights out;
    out.name = model::with_layer(rule.names.front(), layer);
    backend::WeightScales scales;
    // Outputs keep the size of the inputs: two thirds of the weights are not zero.
    scales.values = {static_cast<float>(1.0 / std::sqrt(static_cast<double>(rule.cols) * 2.0 / 3.0))};
    out.ternary = backend_.prepare_ternary(
        {out.name, backend::TernaryForm::huggingface_packed, DType::u8, packed.data(), rule.rows, rule.cols},
        std::move(scales));
    return out;
  }

  /// Elements near a normal distribution of standard deviation `deviation`: sums of four random bytes.
  std::unique_ptr<backend::DenseWeights> dense(const TensorRule& rule, double deviation) {
    const std::int64_t count = rule.rows * rule.cols;
    const auto memory = std::make_shared<AlignedBuffer>(static_cast<std::size_t>(count) * 2);
    auto* at = memory->as<std::uint16_t>();
    const auto scale = static_cast<float>(deviation / (2 * 73.9));  // 73.9: that of a byte
    for (std::int64_t i = 0; i < count; ++i) {
      if (i % 2 == 0) bits_ = rng_.next();
      const auto word = static_cast<std::uint32_t>(bits_ >> (i % 2 * 32));
      const std::uint32_t pairs = (word & 0x00ff00ffU) + (word >> 8 & 0x00ff00ffU);
      const std::uint32_t sum = (pairs & 0xffffU) + (pairs >> 16);
      at[i] = f32_to_bf16((static_cast<float>(sum) - 510.0F) * scale);
    }
    for (std::int64_t i = 0; rule.field == model::Field::embed && i < count; i += rule.cols) {
      std::fill_n(at + i, gate_bias_, f32_to_bf16(static_cast<float>(deviation)));
    }
    return backend_.prepare_dense(
        {std::string(rule.names.front()), DType::bf16, memory->data(), rule.rows, rule.cols, memory});
  }

 private:
  Rng rng_;
  std::int64_t gate_bias_;
  backend::Backend& backend_;
  std::uint64_t bits_ = 0;
};

}  // namespace

model::ModelWeights random_weights(const ModelConfig& config, const Randomness& randomness, backend::Backend& backend,
                                   const LoadHooks& hooks) {
  model::ModelWeights weights;
  weights.layers.resize(static_cast<std::size_t>(config.num_hidden_layers));
  RandomSource source(randomness, backend);
  // Each sub-layer adds about 1 to the mean square of the residual stream. At this size of the embedding, the cosine
  // between the head's input and the row of its likeliest token (with a tied head, that of the last token) is 0.35, as
  // in the trained default model: the likeliest token stands out from the others.
  const double deviation = 0.37 * std::sqrt(2.0 * static_cast<double>(config.num_hidden_layers));
  const std::vector<TensorRule> rules = model::tensor_rules(config);
  std::vector<backend::TernaryShape> shapes;
  for (std::int64_t layer = 0; layer < config.num_hidden_layers; ++layer) {
    for (const TensorRule& rule : rules) {
      if (rule.kind == TensorKind::linear) shapes.push_back({rule.rows, rule.cols});
    }
  }
  backend.reserve_ternary(shapes);
  for (const TensorRule& rule : rules) {
    const std::int64_t layers = rule.per_layer ? config.num_hidden_layers : 1;
    for (std::int64_t layer = 0; layer < layers; ++layer) {
      if (rule.kind == TensorKind::norm) weights.norm(rule.field, layer).assign(static_cast<std::size_t>(rule.rows), 1);
      if (rule.kind == TensorKind::input_norm) {
        weights.linear(rule.field, layer).input_norm.assign(static_cast<std::size_t>(rule.rows), 1);
      }
      if (rule.kind == TensorKind::dense) weights.dense(rule.field) = source.dense(rule, deviation);
      if (rule.kind == TensorKind::linear) weights.linear(rule.field, layer) = source.linear(rule, layer);
      if (hooks.on_progress) hooks.on_progress(static_cast<double>(layer + 1) / static_cast<double>(layers));
    }
  }
  return weights;
}

}  // namespace bitnet::loading
