#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <utility>

#include "bitnet/session.h"
#include "engine/recorder.h"

namespace bitnet {

/// Keeps of one pass what a generation was asked to show.
class PassRecorder final : public Recorder {
 public:
  PassRecorder(const ModelConfig& config, bool hidden_states, bool attentions, bool head_inputs)
      : config_(config), hidden_states_(hidden_states), attentions_(attentions), head_inputs_(head_inputs) {}

  [[nodiscard]] bool wants_attention() const override { return attentions_; }
  void on_tensor(std::string_view name, int layer, const float* data, std::int64_t rows, std::int64_t cols) override;

  /// One sequence's part of the pass: so many of the tokens, after `past` others.
  struct Part {
    std::int64_t tokens;
    std::int64_t past;
  };
  /// Adds a step to `details`: tokens [first, …) of the pass, as many for each of `rows`.
  void add_step(std::int64_t first, std::span<const Part> rows, GenerationDetails& details) const;

 private:
  const ModelConfig& config_;
  bool hidden_states_;
  bool attentions_;
  bool head_inputs_;
};

}  // namespace bitnet
