#include <algorithm>

#include "kernels/scalar/ops.h"
#include "pack/ternary_layout.h"

namespace bitnet::kernels::scalar {
namespace {

/// Σ over one slice: 64 weights, which share a shift of their block's bytes.
std::int32_t slice_dot(const std::uint8_t* row, std::int64_t slice, const std::int8_t* x) {
  const std::uint8_t* block = row + slice / 4 * pack::kBlockBytes;
  const auto shift = static_cast<int>(slice % 4 * 2);
  std::int32_t sum = 0;
  for (std::int64_t j = 0; j < pack::kSliceWeights; ++j) {
    const int weight = ((block[j] >> shift) & 3) - 1;
    sum += weight * x[slice * pack::kSliceWeights + j];
  }
  return sum;
}

}  // namespace

void ternary_gemm(const TernaryMatrix& w, const RowRuns& rows, const Int8Rows& x, std::int32_t* sums,
                  std::int64_t sums_stride) {
  for (std::int64_t t = 0; t < x.count; ++t) {
    for (std::int64_t i = 0; i < rows.total(); ++i) {
      const std::uint8_t* row = w.codes + rows.row(i) * w.row_bytes;
      std::int32_t sum = 0;
      for (std::int64_t s = 0; s < w.blocks * 4; ++s) sum += slice_dot(row, s, x.data + t * x.stride);
      sums[t * sums_stride + i] = sum;
    }
  }
}

void ternary_gemm_grouped(const TernaryMatrix& w, std::int64_t row_begin, std::int64_t row_end, const Int8Rows& x,
                          std::int64_t group_slices, std::int32_t* sums) {
  const std::int64_t slices = w.blocks * 4;
  for (std::int64_t t = 0; t < x.count; ++t) {
    for (std::int64_t r = row_begin; r < row_end; ++r) {
      const std::uint8_t* row = w.codes + r * w.row_bytes;
      for (std::int64_t begin = 0; begin < slices; begin += group_slices) {
        const std::int64_t end = std::min(begin + group_slices, slices);
        std::int32_t sum = 0;
        for (std::int64_t s = begin; s < end; ++s) sum += slice_dot(row, s, x.data + t * x.stride);
        *sums++ = sum;
      }
    }
  }
}

}  // namespace bitnet::kernels::scalar
