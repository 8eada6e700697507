#include "kernels/scalar/ops.h"
#include "pack/ternary_layout.h"

namespace bitnet::kernels::scalar {

void ternary_columns(const TernaryMatrix& columns, const std::int8_t* x, std::int32_t* sums) {
  for (std::int64_t k = 0; k < columns.rows; ++k) {
    if (x[k] == 0) continue;
    const std::uint8_t* column = columns.codes + k * columns.row_bytes;
    for (std::int64_t r = 0; r < columns.blocks * pack::kBlockWeights; ++r) {
      const std::int64_t slice = r / pack::kSliceWeights;
      const std::uint8_t byte = column[slice / 4 * pack::kBlockBytes + r % pack::kSliceWeights];
      sums[r] += ((byte >> (slice % 4 * 2) & 3) - 1) * x[k];
    }
  }
}

}  // namespace bitnet::kernels::scalar
