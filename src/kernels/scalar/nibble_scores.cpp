#include "base/float16.h"
#include "kernels/scalar/lanes.h"
#include "kernels/scalar/ops.h"
#include "pack/nibble_rows.h"

namespace bitnet::kernels::scalar {
namespace {

using pack::kNibbleBlockBytes;
using pack::kNibbleBlockWeights;

/// Σ code · q of lane `lane`.
std::int32_t lane_dot(const std::uint8_t* codes, const std::int8_t* q, std::int64_t blocks, std::int64_t lane) {
  std::int32_t sum = 0;
  for (std::int64_t b = 0; b < blocks; ++b) {
    for (std::int64_t half = 0; half < 2; ++half) {
      for (std::int64_t j = 4 * lane; j < 4 * lane + 4; ++j) {
        const int code = codes[b * kNibbleBlockBytes + j] >> (4 * half) & 15;
        sum += code * q[b * kNibbleBlockWeights + half * kNibbleBlockBytes + j];
      }
    }
  }
  return sum;
}

}  // namespace

void nibble_scores(const NibbleMatrix& w, const RowRuns& rows, const NibbleInputs& x, float* y, std::int64_t y_stride) {
  const std::int64_t row_bytes = w.blocks * kNibbleBlockBytes;
  for (std::int64_t t = 0; t < x.count; ++t) {
    for (std::int64_t i = 0; i < rows.total(); ++i) {
      const std::int64_t r = rows.row(i);
      float lanes[kLanes];
      for (std::int64_t l = 0; l < kLanes; ++l) {
        const std::int32_t sum = lane_dot(w.codes + r * row_bytes, x.q + t * row_bytes * 2, w.blocks, l);
        const std::int32_t exact = 2 * sum - x.lane_offsets[t * kLanes + l];
        lanes[l] = static_cast<float>(exact) * f16_to_f32(w.scales[r * kLanes + l]) * x.scales[t * kLanes + l];
      }
      y[t * y_stride + (r - rows.begin)] = fold(lanes);
    }
  }
}

}  // namespace bitnet::kernels::scalar
