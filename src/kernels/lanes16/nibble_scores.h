#pragma once
/// Scores from four-bit rows. An instruction set gives `nibble_dot<R, T>`: Σ code · q in sixteen integer lanes.

#include "kernels/kernel_table.h"
#include "kernels/lanes16/vectors.h"
#include "pack/nibble_rows.h"

namespace bitnet::kernels {
namespace {

// Rows whose codes stay in the second-level cache while every token passes, beside those of the next panel.
constexpr std::int64_t kNibblePanelBytes = 256 * 1024;

/// Bytes to ask for, some lines at a time: the next panel is on its way while the tokens after the first ones use this
/// one and memory has nothing else to do.
struct NibblesSoon {
  const std::uint8_t* at = nullptr;
  std::int64_t lines = 0;  ///< each time
  void ask() {
    for (std::int64_t i = 0; i < lines; ++i, at += 64) __builtin_prefetch(at, 0, 2);
  }
};

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

/// Tiles of R rows with T tokens from `token`, from one tile to the next `step` rows further.
template <int R, int T>
inline void nibble_tiles(const NibbleMatrix& w, std::int64_t row, std::int64_t tiles, std::int64_t step,
                         std::int64_t apart, const NibbleInputs& x, std::int64_t token, NibblesSoon& soon, float* y,
                         std::int64_t y_stride) {
  for (std::int64_t i = 0; i < tiles * step; i += step) {
    soon.ask();
    nibble_tile<R, T>(w, row + i, apart, x, token, y + i, y_stride);
  }
}

/// Rows at once for T tokens.
template <int T>
inline constexpr int kNibbleRowsFor = T == 1 ? kNibbleRows : kNibbleTileRows;

/// T tokens from `token` with `rows` rows. The first tokens read them from memory: in as many runs as rows at once,
/// each as long as it can be, so that the processor sees them coming. The others find them in a cache: neighbours at a
/// time.
template <int T>
inline void nibble_rows(const NibbleMatrix& w, std::int64_t row, std::int64_t rows, const NibbleInputs& x,
                        std::int64_t token, NibblesSoon& soon, float* y, std::int64_t y_stride) {
  constexpr int R = kNibbleRowsFor<T>;
  const std::int64_t tiles = rows / R;
  const bool runs = token == 0;
  NibblesSoon nothing;
  nibble_tiles<R, T>(w, row, tiles, runs ? 1 : R, runs ? tiles : 1, x, token, runs ? nothing : soon, y, y_stride);
  nibble_tiles<1, T>(w, row + tiles * R, rows - tiles * R, 1, 1, x, token, nothing, y + tiles * R, y_stride);
}

/// All tokens from `token` on, T at a time and then fewer.
template <int T>
inline void nibble_tokens(const NibbleMatrix& w, std::int64_t row, std::int64_t rows, const NibbleInputs& x,
                          std::int64_t token, NibblesSoon& soon, float* y, std::int64_t y_stride) {
  for (; token + T <= x.count; token += T) nibble_rows<T>(w, row, rows, x, token, soon, y + token * y_stride, y_stride);
  if constexpr (T > 1) {
    if (token < x.count) nibble_tokens<T - 1>(w, row, rows, x, token, soon, y, y_stride);
  }
}

/// Up to T tokens with as many runs as rows at once: false if they are not so many.
template <int T>
inline bool nibble_runs(const NibbleMatrix& w, const RowRuns& rows, const NibbleInputs& x, float* y,
                        std::int64_t y_stride) {
  if (x.count == T && rows.runs == kNibbleRowsFor<T>) {
    NibblesSoon nothing;
    nibble_tiles<kNibbleRowsFor<T>, T>(w, rows.begin, rows.count, 1, rows.apart, x, 0, nothing, y, y_stride);
    return true;
  }
  if constexpr (T > 1) return nibble_runs<T - 1>(w, rows, x, y, y_stride);
  return false;
}

/// `rows` rows from `row` on, asked for while all tokens but the first ones use `now` rows before them.
inline NibblesSoon nibbles_soon(const NibbleMatrix& w, std::int64_t row, std::int64_t rows, std::int64_t now,
                                std::int64_t tokens) {
  const std::int64_t times = now / kNibbleTileRows * ((tokens - 1) / kNibbleTileTokens);
  if (times == 0) return {};
  return {w.codes + row * w.blocks * pack::kNibbleBlockBytes, (rows * w.blocks + times - 1) / times};
}

void nibble_scores(const NibbleMatrix& w, const RowRuns& rows, const NibbleInputs& x, float* y, std::int64_t y_stride) {
  if (nibble_runs<kNibbleTileTokens>(w, rows, x, y, y_stride)) return;
  std::int64_t step = rows.count;
  if (x.count > kNibbleTileTokens) {
    step = kNibblePanelBytes / (w.blocks * pack::kNibbleBlockBytes + 1) / kNibbleTileRows * kNibbleTileRows;
    if (step == 0) step = kNibbleTileRows;
  }
  for (std::int64_t run = 0; run < rows.runs; ++run) {
    const std::int64_t first = run * rows.apart;
    const std::int64_t end = first + rows.count;
    for (std::int64_t i = first; i < end; i += step) {
      const std::int64_t n = smaller(step, end - i);
      NibblesSoon soon = nibbles_soon(w, rows.begin + i + n, smaller(step, end - i - n), n, x.count);
      nibble_tokens<kNibbleTileTokens>(w, rows.begin + i, n, x, 0, soon, y + i, y_stride);
    }
  }
}

}  // namespace
}  // namespace bitnet::kernels
