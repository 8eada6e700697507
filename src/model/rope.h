#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "bitnet/model_config.h"

namespace bitnet::model {

/// Angles of rotary position embedding (Su et al. 2021), as transformers computes them: float32 frequencies
/// 1 / theta^(2i / head_dim), scaled as rope_scaling says; float32 angles position · frequency; their cosines.
class RopeTable {
 public:
  RopeTable(std::int64_t head_dim, double theta, const RopeScaling& scaling);
  explicit RopeTable(const ModelConfig& config) : RopeTable(config.head_dim, config.rope_theta, config.rope_scaling) {}

  /// Makes the rows of positions 0..positions-1 exist. Pointers from cos() and sin() before it are no longer valid.
  void reserve(std::int64_t positions);

  [[nodiscard]] std::span<const float> inv_freq() const { return inv_freq_; }  // (head_dim / 2,)
  [[nodiscard]] const float* cos() const { return cos_.data(); }               // (positions, head_dim / 2)
  [[nodiscard]] const float* sin() const { return sin_.data(); }               // (positions, head_dim / 2)

 private:
  std::vector<float> inv_freq_;
  std::vector<float> cos_;
  std::vector<float> sin_;
};

}  // namespace bitnet::model
