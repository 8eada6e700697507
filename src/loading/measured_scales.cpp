#include "loading/measured_scales.h"

#include <algorithm>
#include <cmath>

namespace bitnet::loading {
namespace {

constexpr std::int64_t kWidestGroup = 256;  // of the forms that are written

/// The one value other than 0 in `values`: 0 when there is none, nothing when there are several.
std::optional<float> common(std::span<const float> values) {
  float found = 0.0F;
  for (const float value : values) {
    if (value == 0.0F) continue;
    if (found != 0.0F && value != found) return std::nullopt;
    found = value;
  }
  return found;
}

/// The common value of every `run` neighbours within each row of `groups`; nothing when some run has several.
std::optional<std::vector<float>> merge(std::span<const float> values, std::int64_t groups, std::int64_t run) {
  std::vector<float> merged;
  for (std::size_t row = 0; row < values.size(); row += static_cast<std::size_t>(groups)) {
    for (std::int64_t i = 0; i < groups; i += run) {
      const auto count = static_cast<std::size_t>(std::min(run, groups - i));
      const auto value = common(values.subspan(row + static_cast<std::size_t>(i), count));
      if (!value) return std::nullopt;
      merged.push_back(*value);
    }
  }
  return merged;
}

}  // namespace

void set_coarsest(const MeasuredScales& measured, backend::WeightScales& out) {
  const std::int64_t groups = (measured.cols + measured.group - 1) / measured.group;
  out.group = 0;
  if (const auto one = common(measured.values)) {
    out.values = {*one};
  } else if (auto rows = merge(measured.values, groups, groups)) {
    out.values = std::move(*rows);
  } else if (auto pairs = 2 * measured.group > kWidestGroup ? std::nullopt : merge(measured.values, groups, 2)) {
    out.values = std::move(*pairs);
    out.group = 2 * measured.group;
  } else {
    out.values = measured.values;
    out.group = measured.group;
  }
  std::replace(out.values.begin(), out.values.end(), 0.0F, 1.0F);
}

bool keeps_groups(const backend::WeightScales& scales, std::int64_t rows, std::int64_t cols, std::int64_t group) {
  if (scales.group == 0) return true;
  MeasuredScales seen{{}, rows, cols, group};
  const std::int64_t per_row = (cols + scales.group - 1) / scales.group;
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t c = 0; c < cols; c += group) {
      seen.values.push_back(scales.values[static_cast<std::size_t>(r * per_row + c / scales.group)]);
    }
  }
  backend::WeightScales found;
  set_coarsest(seen, found);
  return found.group == scales.group;
}

std::optional<MeasuredScales> measure_scales(std::int64_t rows, std::int64_t cols,
                                             const std::function<std::span<const float>(std::int64_t row)>& read_row) {
  MeasuredScales out{{}, rows, cols, kMeasuredGroup};
  for (std::int64_t r = 0; r < rows; ++r) {
    const std::span<const float> row = read_row(r);
    for (std::int64_t c = 0; c < cols; c += kMeasuredGroup) {
      const auto part =
          row.subspan(static_cast<std::size_t>(c), static_cast<std::size_t>(std::min(kMeasuredGroup, cols - c)));
      float largest = 0.0F;
      for (const float w : part) largest = std::max(largest, std::fabs(w));
      // NaN fails the comparison, infinity the test.
      const auto fits = [&](float w) { return w == 0.0F || std::fabs(w) == largest; };
      if (!std::isfinite(largest) || !std::all_of(part.begin(), part.end(), fits)) return std::nullopt;
      out.values.push_back(largest);
    }
  }
  return out;
}

}  // namespace bitnet::loading
