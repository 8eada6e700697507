#include <bit>
#include <cmath>
#include <limits>

#include "kernels/exp_constants.h"
#include "kernels/scalar/ops.h"

namespace bitnet::kernels::scalar {
namespace {

float relu2_of(float x) {
  const float positive = x < 0.0F ? 0.0F : x;  // written so that NaN stays NaN
  return positive * positive;
}

float silu_of(float x) { return x / (1.0F + exp(-x)); }

float gelu_of(float x) {
  const double v = x;
  return static_cast<float>(0.5 * v * (1.0 + std::erf(v * 0.70710678118654752440)));
}

float gelu_tanh_of(float x) {
  const float twice_u = x * std::fma(kGeluCubic, x * x, kGeluLinear);
  return x / (1.0F + exp(-twice_u));
}

template <float (*f)(float)>
void each(const float* x, std::int64_t n, float* y) {
  for (std::int64_t i = 0; i < n; ++i) y[i] = f(x[i]);
}

template <float (*f)(float)>
void each_gated(const float* gate, const float* up, std::int64_t n, float* y) {
  for (std::int64_t i = 0; i < n; ++i) y[i] = f(gate[i]) * up[i];
}

}  // namespace

float exp(float x) {
  if (std::isnan(x)) return x;
  if (x > kExpLargest) return std::numeric_limits<float>::infinity();
  if (x < kExpSmallest) return 0.0F;
  // x = k · ln 2 + r; the addition of kExpShift leaves the integer k in the low bits of `shifted`.
  const float shifted = std::fma(x, kLog2E, kExpShift);
  const float k = shifted - kExpShift;
  const float r = std::fma(k, -kLn2Low, std::fma(k, -kLn2High, x));
  float p = kExpPolynomial[0];
  for (int i = 1; i < kExpTerms; ++i) p = std::fma(p, r, kExpPolynomial[i]);
  // p · 2^k: k is added to the exponent field.
  return std::bit_cast<float>(std::bit_cast<std::uint32_t>(p) + (std::bit_cast<std::uint32_t>(shifted) << 23));
}

void relu2(const float* x, std::int64_t n, float* y) { each<relu2_of>(x, n, y); }
void silu(const float* x, std::int64_t n, float* y) { each<silu_of>(x, n, y); }
void gelu(const float* x, std::int64_t n, float* y) { each<gelu_of>(x, n, y); }
void gelu_tanh(const float* x, std::int64_t n, float* y) { each<gelu_tanh_of>(x, n, y); }

void relu2_gated(const float* gate, const float* up, std::int64_t n, float* y) { each_gated<relu2_of>(gate, up, n, y); }
void silu_gated(const float* gate, const float* up, std::int64_t n, float* y) { each_gated<silu_of>(gate, up, n, y); }
void gelu_gated(const float* gate, const float* up, std::int64_t n, float* y) { each_gated<gelu_of>(gate, up, n, y); }
void gelu_tanh_gated(const float* gate, const float* up, std::int64_t n, float* y) {
  each_gated<gelu_tanh_of>(gate, up, n, y);
}

}  // namespace bitnet::kernels::scalar
