#include <algorithm>
#include <cmath>

#include "base/float16.h"
#include "kernels/scalar/lanes.h"
#include "kernels/scalar/ops.h"
#include "pack/nibble_rows.h"

namespace bitnet::kernels::scalar {
namespace {

float as_float(float v) { return v; }

template <typename Element, float (*to_f32)(Element)>
pack::NibbleSums nibble_row(const void* row, std::int64_t n, std::uint8_t* codes, std::uint16_t* scales) {
  const auto* weights = static_cast<const Element*>(row);
  float most[kLanes] = {};
  for (std::int64_t i = 0; i < n; ++i) most[i % kLanes] = std::max(most[i % kLanes], std::fabs(to_f32(weights[i])));
  float scale[kLanes];
  float inverse[kLanes];
  for (std::int64_t l = 0; l < kLanes; ++l) {
    scales[l] = f32_to_f16(std::min(most[l] / 15.0F, 65504.0F));
    scale[l] = f16_to_f32(scales[l]);
    inverse[l] = scale[l] > 0.0F ? 0.5F / scale[l] : 0.0F;
  }
  std::fill_n(codes, pack::nibble_blocks(n) * pack::kNibbleBlockBytes, std::uint8_t{0});
  float errors[kLanes] = {};
  float squares[kLanes] = {};
  for (std::int64_t i = 0; i < padded_to_lanes(n); ++i) {
    const std::int64_t l = i % kLanes;
    const float w = i < n ? to_f32(weights[i]) : 0.0F;
    const float at = w * inverse[l] + 8.0F;  // half a step up, because the conversion cuts off
    const int code = at > 0.0F ? static_cast<int>(std::min(at, 15.0F)) : 0;
    const std::int64_t within = i % pack::kNibbleBlockWeights;
    std::uint8_t& byte = codes[i / pack::kNibbleBlockWeights * pack::kNibbleBlockBytes + 4 * l + within / kLanes % 4];
    byte = static_cast<std::uint8_t>(byte | code << (within / 64 * 4));
    // A weight of the padding meets an input of 0.
    const float error = i < n ? w - static_cast<float>(2 * code - 15) * scale[l] : 0.0F;
    errors[l] = std::fma(error, error, errors[l]);
    squares[l] = std::fma(w, w, squares[l]);
  }
  return {fold(errors), fold(squares)};
}

}  // namespace

pack::NibbleSums nibble_row_f32(const void* row, std::int64_t n, std::uint8_t* codes, std::uint16_t* scales) {
  return nibble_row<float, as_float>(row, n, codes, scales);
}
pack::NibbleSums nibble_row_f16(const void* row, std::int64_t n, std::uint8_t* codes, std::uint16_t* scales) {
  return nibble_row<std::uint16_t, f16_to_f32>(row, n, codes, scales);
}
pack::NibbleSums nibble_row_bf16(const void* row, std::int64_t n, std::uint8_t* codes, std::uint16_t* scales) {
  return nibble_row<std::uint16_t, bf16_to_f32>(row, n, codes, scales);
}

}  // namespace bitnet::kernels::scalar
