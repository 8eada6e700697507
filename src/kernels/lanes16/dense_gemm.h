#pragma once

#include "kernels/lanes16/vectors.h"

namespace bitnet::kernels {
namespace {

/// R rows, w_stride apart, for T tokens; the sum of (token t, row r) goes to y[t * y_stride + r * y_apart].
template <typename Element, int R, int T>
inline void dense_tile(const Element* w, std::int64_t w_stride, std::int64_t in, const float* x, std::int64_t x_stride,
                       float* y, std::int64_t y_stride, std::int64_t y_apart) {
  Lanes sum[T][R];
  for (auto& row : sum) {
    for (auto& lanes : row) lanes = splat(0.0F);
  }
  for_vectors(in, [&](std::int64_t i, auto part) {
    Lanes weight[R];
    for (int r = 0; r < R; ++r) weight[r] = load(w + r * w_stride + i, part);
    for (int t = 0; t < T; ++t) {
      const Lanes v = load(x + t * x_stride + i, part);
      for (int r = 0; r < R; ++r) sum[t][r] = fma(weight[r], v, sum[t][r]);
    }
  });
  for (int t = 0; t < T; ++t) {
    for (int r = 0; r < R; ++r) y[t * y_stride + r * y_apart] = fold_sum(sum[t][r]);
  }
}

/// R rows for all tokens, T at a time and then fewer: the rows stay in the nearest cache.
template <typename Element, int R, int T>
inline void dense_tokens(const Element* w, std::int64_t in, const float* x, std::int64_t x_stride, std::int64_t tokens,
                         float* y, std::int64_t y_stride) {
  for (; tokens >= T; tokens -= T, x += T * x_stride, y += T * y_stride) {
    dense_tile<Element, R, T>(w, in, in, x, x_stride, y, y_stride, 1);
  }
  if constexpr (T > 1) {
    if (tokens > 0) dense_tokens<Element, R, T - 1>(w, in, x, x_stride, tokens, y, y_stride);
  }
}

template <typename Element, int R, int T>
inline void dense_rows(const Element* w, std::int64_t in, std::int64_t rows, const float* x, std::int64_t x_stride,
                       std::int64_t tokens, float* y, std::int64_t y_stride) {
  std::int64_t r = 0;
  for (; r + R <= rows; r += R) {
    dense_tokens<Element, R, T>(w + r * in, in, x, x_stride, tokens, y + r, y_stride);
  }
  for (; r < rows; ++r) dense_tokens<Element, 1, T>(w + r * in, in, x, x_stride, tokens, y + r, y_stride);
}

/// One token reads the rows from memory: R streams as long as they can be.
template <typename Element, int R>
inline void dense_one_token(const Element* w, std::int64_t in, std::int64_t rows, const float* x, float* y) {
  const std::int64_t apart = rows / R;
  for (std::int64_t r = 0; r < apart; ++r) {
    dense_tile<Element, R, 1>(w + r * in, apart * in, in, x, 0, y + r, 0, apart);
  }
  for (std::int64_t r = apart * R; r < rows; ++r) dense_tile<Element, 1, 1>(w + r * in, in, in, x, 0, y + r, 0, 1);
}

template <typename Element>
void dense_gemm(const void* w, std::int64_t in, std::int64_t row_begin, std::int64_t row_end, const float* x,
                std::int64_t x_stride, std::int64_t tokens, float* y, std::int64_t y_stride) {
  const Element* rows = static_cast<const Element*>(w) + row_begin * in;
  if (tokens == 1) {
    dense_one_token<Element, kDenseRows>(rows, in, row_end - row_begin, x, y);
  } else {
    dense_rows<Element, kDenseTileRows, kDenseTileTokens>(rows, in, row_end - row_begin, x, x_stride, tokens, y,
                                                          y_stride);
  }
}

template <typename Element>
void to_float(const void* row, std::int64_t n, float* y) {
  for_vectors(n,
              [&](std::int64_t i, auto part) { store(y + i, load(static_cast<const Element*>(row) + i, part), part); });
}

}  // namespace
}  // namespace bitnet::kernels
