#pragma once

#include "kernels/exp_constants.h"
#include "kernels/lanes16/vectors.h"

namespace bitnet::kernels {
namespace {

/// scalar::exp, operation for operation; scale_by_power adds the low bits of its second operand to the exponent.
inline Lanes exp(Lanes x) {
  const Lanes shifted = fma(x, splat(kLog2E), splat(kExpShift));
  const Lanes k = sub(shifted, splat(kExpShift));
  const Lanes r = fma(k, splat(-kLn2Low), fma(k, splat(-kLn2High), x));
  Lanes p = splat(kExpPolynomial[0]);
  for (int i = 1; i < kExpTerms; ++i) p = fma(p, r, splat(kExpPolynomial[i]));
  Lanes y = scale_by_power(p, shifted);
  y = select_less(x, splat(kExpSmallest), splat(0.0F), y);
  y = select_less(splat(kExpLargest), x, splat(__builtin_inff()), y);
  return select_nan(x, x, y);
}

}  // namespace
}  // namespace bitnet::kernels
