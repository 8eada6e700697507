#pragma once

#include "kernels/lanes16/vectors.h"

namespace bitnet::kernels {
namespace {

float quantize_activations(const float* x, std::int64_t n, std::int64_t padded, std::int8_t* q,
                           std::int32_t* slice_sums) {
  constexpr std::int64_t kSlice = 4 * kLanes;
  Lanes most = splat(1e-5F);
  for_vectors(n, [&](std::int64_t i, auto part) { most = greater(abs(load(x + i, part)), most); });
  const float scale = (1.0F / fold_greater(most)) * 127.0F;
  const Lanes scales = splat(scale);
  for (std::int64_t begin = 0; begin < padded; begin += kSlice) {
    Lanes scaled[4];
    for (int v = 0; v < 4; ++v) {
      const std::int64_t i = begin + v * kLanes;
      const std::int64_t left = n - i;
      const Lanes a = left >= kLanes ? load(x + i) : left > 0 ? load_part(x + i, left) : splat(0.0F);
      scaled[v] = mul(a, scales);
    }
    slice_sums[begin / kSlice] = store_int8(scaled, q + begin);
  }
  return scale;
}

}  // namespace
}  // namespace bitnet::kernels
