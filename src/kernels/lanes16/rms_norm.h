#pragma once

#include "kernels/lanes16/vectors.h"

namespace bitnet::kernels {
namespace {

void rms_norm(const float* x, const float* w, float eps, std::int64_t n, float* y) {
  Lanes squares = splat(0.0F);
  for_vectors(n, [&](std::int64_t i, auto part) {
    const Lanes v = load(x + i, part);
    squares = fma(v, v, squares);
  });
  const Lanes inverse = splat(1.0F / __builtin_sqrtf(fold_sum(squares) / static_cast<float>(n) + eps));
  for_vectors(n, [&](std::int64_t i, auto part) {
    const Lanes normed = mul(load(x + i, part), inverse);
    store(y + i, w != nullptr ? mul(normed, load(w + i, part)) : normed, part);
  });
}

}  // namespace
}  // namespace bitnet::kernels
