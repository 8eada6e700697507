#pragma once

#include "kernels/lanes16/vectors.h"

namespace bitnet::kernels {
namespace {

void rope(float* x, std::int64_t heads, std::int64_t head_dim, const float* cos, const float* sin) {
  const std::int64_t half = head_dim / 2;
  for (std::int64_t h = 0; h < heads; ++h) {
    float* first = x + h * head_dim;
    float* second = first + half;
    for_vectors(half, [&](std::int64_t i, auto part) {
      const Lanes a = load(first + i, part);
      const Lanes b = load(second + i, part);
      const Lanes c = load(cos + i, part);
      const Lanes s = load(sin + i, part);
      store(first + i, sub(mul(a, c), mul(b, s)), part);
      store(second + i, add(mul(b, c), mul(a, s)), part);
    });
  }
}

}  // namespace
}  // namespace bitnet::kernels
