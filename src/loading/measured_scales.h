#pragma once
/// The scales that a matrix carries in its own elements or blocks.

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <vector>

#include "backend/weights.h"

namespace bitnet::loading {

/// Columns that measure_scales() takes together.
inline constexpr std::int64_t kMeasuredGroup = 64;

/// One scale for each group of columns of a row.
struct MeasuredScales {
  std::vector<float> values;  ///< [rows, groups]; 0 where a group has no weight but 0
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  std::int64_t group = 0;  ///< columns; the last group of a row may be shorter
};

/// Of a matrix whose floats are all -a, 0 or +a within each group of kMeasuredGroup columns; nothing when they are not.
/// read_row gives the floats of a row; rows are asked for once, in order.
[[nodiscard]] std::optional<MeasuredScales> measure_scales(
    std::int64_t rows, std::int64_t cols, const std::function<std::span<const float>(std::int64_t row)>& read_row);

/// Whether set_coarsest() finds the groups of `scales` again where each group of `group` columns carries its own: the
/// floats of a result depend on what is added up before it is scaled. `group` divides scales.group.
[[nodiscard]] bool keeps_groups(const backend::WeightScales& scales, std::int64_t rows, std::int64_t cols,
                                std::int64_t group);

/// As one scale a tensor, a row, or a group (of twice the columns if that holds): the coarsest that says the same.
/// 1.0 stands where there is no weight but 0. Rule and bias are left alone.
void set_coarsest(const MeasuredScales& measured, backend::WeightScales& out);

}  // namespace bitnet::loading
