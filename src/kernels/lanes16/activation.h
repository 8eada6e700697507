#pragma once

#include "kernels/lanes16/exp.h"

namespace bitnet::kernels {
namespace {

inline Lanes relu2_of(Lanes x) {
  const Lanes positive = greater(splat(0.0F), x);  // NaN stays NaN: it is the second operand
  return mul(positive, positive);
}

inline Lanes silu_of(Lanes x) { return div(x, add(splat(1.0F), exp(sub(splat(-0.0F), x)))); }

inline Lanes gelu_tanh_of(Lanes x) {
  const Lanes twice_u = mul(x, fma(splat(kGeluCubic), mul(x, x), splat(kGeluLinear)));
  return div(x, add(splat(1.0F), exp(sub(splat(-0.0F), twice_u))));
}

template <Lanes (*f)(Lanes)>
void activate(const float* x, std::int64_t n, float* y) {
  for_vectors(n, [&](std::int64_t i, auto part) { store(y + i, f(load(x + i, part)), part); });
}

template <Lanes (*f)(Lanes)>
void activate_gated(const float* gate, const float* up, std::int64_t n, float* y) {
  for_vectors(n,
              [&](std::int64_t i, auto part) { store(y + i, mul(f(load(gate + i, part)), load(up + i, part)), part); });
}

}  // namespace
}  // namespace bitnet::kernels
