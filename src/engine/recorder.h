#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "observe/forward_observer.h"

namespace bitnet {

/// Keeps a copy of every tensor of one sequence's forward passes.
class Recorder : public ForwardObserver {
 public:
  using Rows = std::vector<std::vector<float>>;

  [[nodiscard]] bool wants_attention() const override { return true; }
  void on_tensor(std::string_view name, int layer, const float* data, std::int64_t rows, std::int64_t cols) override {
    Rows& kept = tensors_[{std::string(name), layer}];
    for (std::int64_t i = 0; i < rows; ++i) kept.emplace_back(data + i * cols, data + (i + 1) * cols);
  }

  /// Empty when the network has no such tensor. `layer` is -1 outside of the layers.
  [[nodiscard]] const Rows& rows(std::string_view name, std::int64_t layer) const {
    static const Rows kNone;
    const auto found = tensors_.find({std::string(name), static_cast<int>(layer)});
    return found == tensors_.end() ? kNone : found->second;
  }

 private:
  std::map<std::pair<std::string, int>, Rows> tensors_;
};

}  // namespace bitnet
