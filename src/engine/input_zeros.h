#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "bitnet/engine.h"

namespace bitnet {

/// How much of some int8 inputs is zero. Groups are aligned to their size; the last of a row may be shorter.
struct ZeroShares {
  static constexpr std::array<std::int64_t, 4> kGroups = {1, 4, 8, 32};

  std::array<std::int64_t, 4> groups{};  ///< of each size
  std::array<std::int64_t, 4> zeros{};   ///< those whose inputs are all zero

  void add(std::span<const std::int8_t> row);
  void add(const ZeroShares& other);
  /// Of the groups of kGroups[i]; 0 when there are none.
  [[nodiscard]] double share(std::size_t i) const;
};

/// The inputs of each layer's down projection, as int8, while the model reads `ids` (at least one, at most the
/// model's context). Where they are zero, weights need not be read. A norm of the projection's own (use_rms_norm) is
/// left out. [layers]
[[nodiscard]] std::vector<ZeroShares> measure_down_zeros(const Engine& engine, std::span<const std::int32_t> ids);

}  // namespace bitnet
