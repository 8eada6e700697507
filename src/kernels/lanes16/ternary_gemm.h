#pragma once
/// The loops of the ternary product. An instruction set gives `dot<R, T>`: Σ code · x of R rows of two_bits and T
/// tokens over a range of slices, with codes 0, 1, 2 for the weights -1, 0, +1, so that Σ T · x = Σ code · x - Σ x.

#include "kernels/kernel_table.h"
#include "kernels/lanes16/vectors.h"
#include "pack/ternary_layout.h"

namespace bitnet::kernels {
namespace {

// Rows whose codes stay in the second-level cache while every token passes.
constexpr std::int64_t kPanelBytes = 256 * 1024;

struct Slices {
  std::int64_t begin;
  std::int64_t end;
};

inline std::int32_t sum_of(const Int8Rows& x, std::int64_t token, Slices slices) {
  std::int32_t sum = 0;
  for (std::int64_t s = slices.begin; s < slices.end; ++s) sum += x.slice_sums[token * x.slice_stride + s];
  return sum;
}

/// Where the sum of (token, row) goes: sums[token * token_step + row * row_step].
struct Sums {
  std::int32_t* data;
  std::int64_t token_step;
  std::int64_t row_step;
};

/// A coding and its dot<R, T> of R rows that are `apart` bytes from one another, which the loops below take as `Codes`.
struct TwoBits {
  static constexpr pack::TernaryCoding kCoding = pack::TernaryCoding::two_bits;
  template <int R, int T>
  static void dot_rows(const std::uint8_t* codes, std::int64_t apart, const std::int8_t* x, std::int64_t x_stride,
                       Slices slices, std::int32_t (&dots)[T][R]) {
    dot<R, T>(codes, apart, x, x_stride, slices.begin, slices.end, dots);
  }
};

/// Where R rows of a tile lie: `apart` rows from one another, their sums `sums_apart` rows.
struct Spread {
  std::int64_t apart;
  std::int64_t sums_apart;
};
constexpr Spread kNeighbours{1, 1};

/// Tiles of R rows with T tokens from `token`, from one tile to the next `step` rows further.
template <typename Codes, int R, int T>
inline void ternary_tiles(const TernaryMatrix& w, std::int64_t row, std::int64_t tiles, std::int64_t step,
                          Spread spread, const Int8Rows& x, std::int64_t token, Slices slices, Sums sums) {
  std::int32_t offset[T];
  for (int t = 0; t < T; ++t) offset[t] = sum_of(x, token + t, slices);
  for (std::int64_t i = 0; i < tiles; ++i) {
    std::int32_t dots[T][R];
    Codes::template dot_rows<R, T>(w.codes + (row + i * step) * w.row_bytes, spread.apart * w.row_bytes,
                                   x.data + token * x.stride, x.stride, slices, dots);
    std::int32_t* to = sums.data + i * step * sums.row_step;
    const std::int64_t row_step = spread.sums_apart * sums.row_step;
    for (int t = 0; t < T; ++t, to += sums.token_step) {
      if (row_step == 1) {  // one store for all rows
        for (int r = 0; r < R; ++r) to[r] = dots[t][r] - offset[t];
      } else {
        for (int r = 0; r < R; ++r) to[r * row_step] = dots[t][r] - offset[t];
      }
    }
  }
}

/// Rows at once for T tokens.
template <int T>
inline constexpr int kRowsFor = T == 1                    ? kTernaryRows
                                : T <= kTernaryTileTokens ? kTernaryTileRows
                                                          : kTernaryLastRows;

/// T tokens from `token` with `rows` rows. The first tokens read them from memory: in as many runs as rows at once,
/// each as long as it can be, so that the processor sees them coming. The others find them in a cache: neighbours at a
/// time.
template <typename Codes, int T>
inline void ternary_rows(const TernaryMatrix& w, std::int64_t row, std::int64_t rows, const Int8Rows& x,
                         std::int64_t token, Slices slices, Sums sums) {
  constexpr int R = kRowsFor<T>;
  const std::int64_t tiles = rows / R;
  const bool runs = token == 0;
  ternary_tiles<Codes, R, T>(w, row, tiles, runs ? 1 : R, runs ? Spread{tiles, tiles} : kNeighbours, x, token, slices,
                             sums);
  ternary_tiles<Codes, 1, T>(w, row + tiles * R, rows - tiles * R, 1, kNeighbours, x, token, slices,
                             {sums.data + tiles * R * sums.row_step, sums.token_step, sums.row_step});
}

/// The tokens from `token` on, at most T.
template <typename Codes, int T>
inline void ternary_last_tokens(const TernaryMatrix& w, std::int64_t row, std::int64_t rows, const Int8Rows& x,
                                std::int64_t token, Slices slices, Sums sums) {
  if (token + T == x.count) {
    ternary_rows<Codes, T>(w, row, rows, x, token, slices, sums);
  } else if constexpr (T > 1) {
    ternary_last_tokens<Codes, T - 1>(w, row, rows, x, token, slices, sums);
  }
}

/// All tokens.
template <typename Codes>
inline void ternary_tokens(const TernaryMatrix& w, std::int64_t row, std::int64_t rows, const Int8Rows& x,
                           Slices slices, Sums sums) {
  constexpr int T = kTernaryTileTokens;
  std::int64_t token = 0;
  for (; x.count - token > kTernaryLastTokens; token += T, sums.data += T * sums.token_step) {
    ternary_rows<Codes, T>(w, row, rows, x, token, slices, sums);
  }
  ternary_last_tokens<Codes, kTernaryLastTokens>(w, row, rows, x, token, slices, sums);
}

/// Up to T tokens with as many runs as rows at once: false if they are not so many.
template <typename Codes, int T>
inline bool ternary_runs(const TernaryMatrix& w, const RowRuns& rows, const Int8Rows& x, Slices slices, Sums sums) {
  if (x.count == T && rows.runs == kRowsFor<T>) {
    ternary_tiles<Codes, kRowsFor<T>, T>(w, rows.begin, rows.count, 1, {rows.apart, rows.count}, x, 0, slices, sums);
    return true;
  }
  if constexpr (T > 1) return ternary_runs<Codes, T - 1>(w, rows, x, slices, sums);
  return false;
}

/// Calls f(first row, row after the last, its sums) for each run that has rows.
template <typename F>
inline void for_each_run(const RowRuns& rows, std::int32_t* sums, const F& f) {
  if (rows.count == 0) return;
  for (std::int64_t run = 0; run < rows.runs; ++run) {
    const std::int64_t begin = rows.begin + run * rows.apart;
    f(begin, begin + rows.count, sums + run * rows.count);
  }
}

template <typename Codes>
void ternary_gemm(const TernaryMatrix& w, const RowRuns& rows, const Int8Rows& x, std::int32_t* sums,
                  std::int64_t sums_stride) {
  const Slices all{0, w.blocks * 4};
  if (ternary_runs<Codes, kTernaryTileTokens>(w, rows, x, all, {sums, sums_stride, 1})) return;
  std::int64_t step = rows.count;
  if (x.count > kTernaryTileTokens) {
    step = kPanelBytes / (w.row_bytes + 1) / kTernaryTileRows * kTernaryTileRows;
    if (step == 0) step = kTernaryTileRows;
  }
  for_each_run(rows, sums, [&](std::int64_t row, std::int64_t end, std::int32_t* to) {
    for (; row < end; row += step, to += step) {
      ternary_tokens<Codes>(w, row, smaller(step, end - row), x, all, {to, sums_stride, 1});
    }
  });
}

void ternary_gemm_grouped(const TernaryMatrix& w, std::int64_t row_begin, std::int64_t row_end, const Int8Rows& x,
                          std::int64_t group_slices, std::int32_t* sums) {
  const std::int64_t slices = w.blocks * 4;
  const std::int64_t groups = (slices + group_slices - 1) / group_slices;
  const std::int64_t rows = row_end - row_begin;
  // A few rows at a time, in whole tiles: their codes stay in the nearest cache from group to group.
  constexpr std::int64_t kRows = kTernaryTileRows * kTernaryLastRows;
  for (std::int64_t r = 0; r < rows; r += kRows) {
    for (std::int64_t g = 0; g < groups; ++g) {
      const Slices group{g * group_slices, smaller((g + 1) * group_slices, slices)};
      ternary_tokens<TwoBits>(w, row_begin + r, smaller(kRows, rows - r), x, group,
                              {sums + r * groups + g, rows * groups, groups});
    }
  }
}

}  // namespace
}  // namespace bitnet::kernels
