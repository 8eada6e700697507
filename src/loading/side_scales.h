#pragma once
/// Weight scales that a file's form cannot hold as they are: a bf16 or f16 field rounds them, and only Hugging Face's
/// packed form knows that a scale divides. Such a file says them once more as metadata, which other programs pass over:
/// "bitnet_core.scale_rule", and "bitnet_core.scale." + the name of the tensor. docs/formats/scales.md.

#include <string>
#include <string_view>
#include <vector>

#include "backend/weights.h"
#include "loading/measured_scales.h"

namespace bitnet::loading {

inline constexpr std::string_view kScaleRuleKey = "bitnet_core.scale_rule";
inline constexpr std::string_view kScalePrefix = "bitnet_core.scale.";

[[nodiscard]] std::string_view name_of(backend::ScaleRule rule);
/// Throws Error(corrupt) naming `source`.
[[nodiscard]] backend::ScaleRule parse_scale_rule(std::string_view name, std::string_view source);

/// What a ternary weight is multiplied with: the scale, or 1 / scale where it divides.
[[nodiscard]] float weight_factor(backend::ScaleRule rule, float scale);

// As a form stores a factor.
[[nodiscard]] float rounded_to_f16(float value);
[[nodiscard]] float rounded_to_bf16(float value);

/// Sets rule and, unless `exact` is empty, values and group of `out`. exact: one scale a tensor, a row, or a group of
/// 64, 128 or 256 columns. Throws Error(corrupt) naming `source` when their number fits none of these, or when one, as
/// `rounded` stores its factor, is not what was measured: they then belong to other weights.
void use_side_scales(std::vector<float> exact, backend::ScaleRule rule, float (*rounded)(float),
                     std::string_view source, const MeasuredScales& measured, backend::WeightScales& out);

}  // namespace bitnet::loading
