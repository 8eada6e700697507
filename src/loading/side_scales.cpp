#include "loading/side_scales.h"

#include <cmath>
#include <iterator>

#include "base/fail.h"
#include "base/float16.h"

namespace bitnet::loading {
namespace {

// In the order of ScaleRule.
constexpr std::string_view kRuleNames[] = {"multiply", "multiply_after_bias", "divide"};

/// Columns that share one of `count` scales; 0 when that number of scales fits no way of sharing.
std::int64_t columns_of_one(std::int64_t count, const MeasuredScales& measured) {
  if (count == 1 || count == measured.rows) return measured.cols;
  for (const std::int64_t group : {64, 128, 256}) {
    if (group >= measured.group && measured.rows * ((measured.cols + group - 1) / group) == count) return group;
  }
  return 0;
}

}  // namespace

std::string_view name_of(backend::ScaleRule rule) { return kRuleNames[static_cast<std::size_t>(rule)]; }

backend::ScaleRule parse_scale_rule(std::string_view name, std::string_view source) {
  for (std::size_t i = 0; i < std::size(kRuleNames); ++i) {
    if (kRuleNames[i] == name) return static_cast<backend::ScaleRule>(i);
  }
  fail(ErrorKind::corrupt, "{}: {} is \"{}\"; expected multiply, multiply_after_bias or divide", source, kScaleRuleKey,
       name);
}

float weight_factor(backend::ScaleRule rule, float scale) {
  return rule == backend::ScaleRule::divide ? 1.0F / scale : scale;
}

float rounded_to_f16(float value) { return f16_to_f32(f32_to_f16(value)); }
float rounded_to_bf16(float value) { return bf16_to_f32(f32_to_bf16(value)); }

void use_side_scales(std::vector<float> exact, backend::ScaleRule rule, float (*rounded)(float),
                     std::string_view source, const MeasuredScales& measured, backend::WeightScales& out) {
  out.rule = rule;
  if (exact.empty()) {
    if (rule != backend::ScaleRule::divide) return;
    fail(ErrorKind::corrupt, "{}: {} is divide, but {}* is missing for this tensor", source, kScaleRuleKey,
         kScalePrefix);
  }
  const std::int64_t shared = columns_of_one(static_cast<std::int64_t>(exact.size()), measured);
  if (shared == 0) {
    fail(ErrorKind::corrupt, "{}: {}* holds {} scales for a matrix of {} × {}; expected one, one a row, or one a group",
         source, kScalePrefix, exact.size(), measured.rows, measured.cols);
  }
  const std::int64_t groups = (measured.cols + measured.group - 1) / measured.group;
  for (std::int64_t i = 0; i < static_cast<std::int64_t>(measured.values.size()); ++i) {
    const std::int64_t in_row = i % groups * measured.group / shared;
    const std::int64_t per_row = (measured.cols + shared - 1) / shared;
    const float scale = exact[exact.size() == 1 ? 0 : static_cast<std::size_t>(i / groups * per_row + in_row)];
    const float found = measured.values[static_cast<std::size_t>(i)];
    const bool usable = std::isfinite(scale) && scale > 0.0F;
    if (usable && (found == 0.0F || rounded(weight_factor(rule, scale)) == found)) continue;
    fail(ErrorKind::corrupt,
         "{}: row {}, column {}: {}* says {} ({}), but the weights have {}; they do not belong together", source,
         i / groups, i % groups * measured.group, kScalePrefix, scale, name_of(rule), found);
  }
  out.values = std::move(exact);
  out.group = out.values.size() == 1 || shared == measured.cols ? 0 : shared;
}

}  // namespace bitnet::loading
