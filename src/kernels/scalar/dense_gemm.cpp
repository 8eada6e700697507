#include <cmath>

#include "base/float16.h"
#include "kernels/scalar/lanes.h"
#include "kernels/scalar/ops.h"

namespace bitnet::kernels::scalar {
namespace {

float f32(float v) { return v; }

template <typename Element, float (*to_f32)(Element)>
void dense_gemm(const void* w, std::int64_t in, std::int64_t row_begin, std::int64_t row_end, const float* x,
                std::int64_t x_stride, std::int64_t tokens, float* y, std::int64_t y_stride) {
  for (std::int64_t r = row_begin; r < row_end; ++r) {
    const Element* row = static_cast<const Element*>(w) + r * in;
    for (std::int64_t t = 0; t < tokens; ++t) {
      float lane[kLanes] = {};
      for (std::int64_t k = 0; k < padded_to_lanes(in); ++k) {
        const float a = k < in ? to_f32(row[k]) : 0.0F;
        const float b = k < in ? x[t * x_stride + k] : 0.0F;
        lane[k % kLanes] = std::fma(a, b, lane[k % kLanes]);
      }
      y[t * y_stride + (r - row_begin)] = fold(lane);
    }
  }
}

template <typename Element, float (*to_f32)(Element)>
void to_float(const void* row, std::int64_t n, float* y) {
  for (std::int64_t i = 0; i < n; ++i) y[i] = to_f32(static_cast<const Element*>(row)[i]);
}

}  // namespace

void dense_gemm_f32(const void* w, std::int64_t in, std::int64_t row_begin, std::int64_t row_end, const float* x,
                    std::int64_t x_stride, std::int64_t tokens, float* y, std::int64_t y_stride) {
  dense_gemm<float, f32>(w, in, row_begin, row_end, x, x_stride, tokens, y, y_stride);
}
void dense_gemm_f16(const void* w, std::int64_t in, std::int64_t row_begin, std::int64_t row_end, const float* x,
                    std::int64_t x_stride, std::int64_t tokens, float* y, std::int64_t y_stride) {
  dense_gemm<std::uint16_t, f16_to_f32>(w, in, row_begin, row_end, x, x_stride, tokens, y, y_stride);
}
void dense_gemm_bf16(const void* w, std::int64_t in, std::int64_t row_begin, std::int64_t row_end, const float* x,
                     std::int64_t x_stride, std::int64_t tokens, float* y, std::int64_t y_stride) {
  dense_gemm<std::uint16_t, bf16_to_f32>(w, in, row_begin, row_end, x, x_stride, tokens, y, y_stride);
}

void to_float_f32(const void* row, std::int64_t n, float* y) { to_float<float, f32>(row, n, y); }
void to_float_f16(const void* row, std::int64_t n, float* y) { to_float<std::uint16_t, f16_to_f32>(row, n, y); }
void to_float_bf16(const void* row, std::int64_t n, float* y) { to_float<std::uint16_t, bf16_to_f32>(row, n, y); }

}  // namespace bitnet::kernels::scalar
