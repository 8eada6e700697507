#pragma once
/// Scores from four-bit rows. An instruction set gives `nibble_dot<R, T>`: Σ code · q in sixteen integer lanes.

#include "kernels/kernel_table.h"
#include "kernels/lanes16/vectors.h"
#include "pack/nibble_rows.h"

namespace bitnet::kernels {
namespace {

// Rows whose codes stay in the second-level cache while every token passes.
constexpr std::int64_t kNibblePanelBytes = 256 * 1024;

/// R rows, `apart` rows from one another, with T tokens from `token`; scores of (t, r) go to y[t * y_stride + r *
/// apart].
template <int R, int T>
inline void nibble_tile(const NibbleMatrix& w, std::int64_t row, std::int64_t apart, const NibbleInputs& x,
                        std::int64_t token, float* y, std::int64_t y_stride) {
  const std::int64_t row_bytes = w.blocks * pack::kNibbleBlockBytes;
  IntLanes sums[T][R];
  nibble_dot<R, T>(w.codes + row * row_bytes, apart * row_bytes, x.q + token * row_bytes * 2, row_bytes * 2, w.blocks,
                   sums);
  const auto* scales = reinterpret_cast<const F16*>(w.scales);
  Lanes scale[R];
  for (int r = 0; r < R; ++r) scale[r] = load(scales + (row + r * apart) * kLanes);
  for (int t = 0; t < T; ++t) {
    const IntLanes offset = load_ints(x.lane_offsets + (token + t) * kLanes);
    const Lanes input_scale = load(x.scales + (token + t) * kLanes);
    Lanes scaled[R];
    for (int r = 0; r < R; ++r) scaled[r] = mul(mul(to_float(twice_less(sums[t][r], offset)), scale[r]), input_scale);
    float folded[R];
    fold_sums(scaled, folded);
    for (int r = 0; r < R; ++r) y[t * y_stride + r * apart] = folded[r];
  }
}

/// T tokens from `token` with `rows` rows. The first tokens read them from memory: R streams of rows, each as long as
/// it can be, so that the processor sees them coming. The others find them in a cache: R neighbours at a time.
template <int R, int T>
inline void nibble_rows(const NibbleMatrix& w, std::int64_t row, std::int64_t rows, const NibbleInputs& x,
                        std::int64_t token, float* y, std::int64_t y_stride) {
  const std::int64_t tiles = rows / R;
  const bool streams = token == 0;
  const std::int64_t step = streams ? 1 : R;
  const std::int64_t apart = streams ? tiles : 1;
  for (std::int64_t i = 0; i < tiles; ++i) {
    nibble_tile<R, T>(w, row + i * step, apart, x, token, y + i * step, y_stride);
  }
  for (std::int64_t r = tiles * R; r < rows; ++r) nibble_tile<1, T>(w, row + r, 1, x, token, y + r, y_stride);
}

/// All tokens from `token` on, T at a time and then fewer.
template <int T>
inline void nibble_tokens(const NibbleMatrix& w, std::int64_t row, std::int64_t rows, const NibbleInputs& x,
                          std::int64_t token, float* y, std::int64_t y_stride) {
  for (; token + T <= x.count; token += T) {
    nibble_rows<T == 1 ? kNibbleRows : kNibbleTileRows, T>(w, row, rows, x, token, y + token * y_stride, y_stride);
  }
  if constexpr (T > 1) {
    if (token < x.count) nibble_tokens<T - 1>(w, row, rows, x, token, y, y_stride);
  }
}

void nibble_scores(const NibbleMatrix& w, std::int64_t row_begin, std::int64_t row_end, const NibbleInputs& x, float* y,
                   std::int64_t y_stride) {
  std::int64_t step = row_end - row_begin;
  if (x.count > kNibbleTileTokens) {
    step = kNibblePanelBytes / (w.blocks * pack::kNibbleBlockBytes + 1) / kNibbleTileRows * kNibbleTileRows;
    if (step == 0) step = kNibbleTileRows;
  }
  for (std::int64_t r = row_begin; r < row_end; r += step) {
    const std::int64_t rows = row_end - r < step ? row_end - r : step;
    nibble_tokens<kNibbleTileTokens>(w, r, rows, x, 0, y + (r - row_begin), y_stride);
  }
}

}  // namespace
}  // namespace bitnet::kernels
