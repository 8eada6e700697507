#pragma once

#include "kernels/lanes16/vectors.h"

namespace bitnet::kernels {
namespace {

template <bool kDivide>
inline void scale_sums(const std::int32_t* sums, std::int64_t n, float s_x, const float* g, std::int64_t g_step,
                       float* y) {
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const Lanes sum = to_float(load_ints(sums + i));
    const Lanes scale = g_step == 0 ? splat(g[0]) : load(g + i);
    store(y + i, kDivide ? div(sum, mul(splat(s_x), scale)) : mul(div(sum, splat(s_x)), scale));
  }
  for (; i < n; ++i) {
    const auto sum = static_cast<float>(sums[i]);
    y[i] = kDivide ? sum / (s_x * g[i * g_step]) : sum / s_x * g[i * g_step];
  }
}

void scale_sums(const std::int32_t* sums, std::int64_t n, float s_x, const float* g, std::int64_t g_step, bool divide,
                float* y) {
  divide ? scale_sums<true>(sums, n, s_x, g, g_step, y) : scale_sums<false>(sums, n, s_x, g, g_step, y);
}

}  // namespace
}  // namespace bitnet::kernels
