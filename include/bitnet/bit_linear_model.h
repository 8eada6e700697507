#pragma once
/// A standalone stack of BitLinear layers, without tokens or attention: ternary weights, int8 activations.

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace bitnet {

/// An immutable stack. forward() computes one call at a time; concurrent calls wait for each other. A thread that calls
/// it needs 1 MiB of stack memory.
class BitnetModel {
 public:
  BitnetModel(BitnetModel&&) noexcept;
  BitnetModel& operator=(BitnetModel&&) noexcept;
  ~BitnetModel();

  [[nodiscard]] std::int64_t in_features() const;   ///< of the first layer
  [[nodiscard]] std::int64_t out_features() const;  ///< of the last layer

  /// x: [tokens, in_features] → [tokens, out_features]. Each layer quantizes its input per token (127 / absmax),
  /// multiplies in exact integers and scales back: y[r] = Σ_k x_q[k] · T[r, k] / s_x · scale[r].
  /// Throws Error(invalid_argument) when x is not a whole number of tokens.
  [[nodiscard]] std::vector<float> forward(std::span<const float> x) const;

 private:
  friend class BitnetModelBuilder;
  class Impl;
  explicit BitnetModel(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

class BitnetModelBuilder {
 public:
  /// Threads that forward() uses. Throws Error(invalid_argument) outside of 1..1024.
  explicit BitnetModelBuilder(int threads = 1);
  BitnetModelBuilder(BitnetModelBuilder&&) noexcept;
  BitnetModelBuilder& operator=(BitnetModelBuilder&&) noexcept;
  ~BitnetModelBuilder();

  /// weights: [out_features, in_features] of -1, 0, +1; scales: one per output channel, one for all, or none (1.0).
  /// Any shape. Throws Error(invalid_argument) when sizes do not fit together, when in_features is not the previous
  /// layer's out_features, for a weight that is not ternary (naming its index) and for a scale that is not a finite
  /// number.
  BitnetModelBuilder& add_linear_layer(std::span<const std::int8_t> weights, std::int64_t in_features,
                                       std::int64_t out_features, std::span<const float> scales = {});

  /// The stack; the builder is empty afterwards. Throws Error(invalid_argument) when there is no layer.
  [[nodiscard]] BitnetModel build();

 private:
  std::unique_ptr<BitnetModel::Impl> impl_;
  int threads_;
};

}  // namespace bitnet
