#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "engine/verify.h"

namespace bitnet {

/// Collects the differences of one tensor, row by row.
class Difference {
 public:
  void add(std::span<const float> ours, std::span<const float> reference);
  /// The same for one position's logits: counts a changed argmax too.
  void add_logits(std::span<const float> ours, std::span<const float> reference);
  void add_flips(std::int64_t flips) { flips_ += flips; }

  [[nodiscard]] double largest() const { return largest_; }
  /// Root mean square of the reference.
  [[nodiscard]] double reference_rms() const;
  /// Not judged yet.
  [[nodiscard]] Comparison comparison(std::string name) const;

 private:
  std::int64_t elements_ = 0;
  double largest_ = 0;
  double sum_ = 0;
  double reference_squares_ = 0;
  std::int64_t flips_ = 0;
  std::int64_t argmax_changes_ = 0;
};

/// Judges what went through the network: tightly, or, where int8 values flipped (`may_have_flipped`), by the wider
/// bounds. `scale` multiplies them.
[[nodiscard]] Comparison judge_network(Comparison comparison, bool may_have_flipped, double scale);

}  // namespace bitnet
