/// The head for those who want its largest outputs alone. All rows are scored with a four-bit copy, a quarter of the
/// bytes; rows whose bound says that they could be among the largest are then computed from the real weights.
///
/// Why that is exact: let `least` be the smallest real output of any `keep` rows. At least `keep` outputs are ≥ least,
/// so the keep-th largest is. A row is left out only if its score + its bound < least, so its real output is < least:
/// it is none of the `keep` largest, and equals none. `least` is lowered by 2^-21 of its size before, so that nothing
/// that a later division could round to the same float is left out either.

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>
#include <limits>

#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/cpu_weights.h"

namespace bitnet::backend {
namespace {

constexpr std::int64_t kRowsTogether = 16;
constexpr float kNever = -std::numeric_limits<float>::infinity();

struct Scored {
  float score;
  std::int32_t row;
  bool operator<(const Scored& other) const { return score > other.score; }  // a heap's front is the worst
};

/// Adds rows of scores[first..end) that TopRows counts to the `keep` best so far.
void pick_best(const float* scores, PartRange rows, const TopRows& wanted, std::vector<Scored>& best) {
  const auto keep = static_cast<std::size_t>(wanted.keep);
  float worst = best.size() == keep ? best.front().score : kNever;
  for (std::int64_t r = rows.begin; r < rows.end; ++r) {
    if (best.size() == keep && !(scores[r] > worst)) continue;
    const auto row = static_cast<std::int32_t>(r);
    if (std::binary_search(wanted.lowered.begin(), wanted.lowered.end(), row)) continue;
    if (best.size() == keep) {
      std::pop_heap(best.begin(), best.end());
      best.pop_back();
    }
    best.push_back({scores[r], row});
    std::push_heap(best.begin(), best.end());
    worst = best.front().score;
  }
}

/// The smallest of the real outputs of the `keep` best rows of all parts, a little lowered; -inf when there are fewer.
template <typename Exact>
float smallest_of_best(std::span<std::vector<Scored>> parts, std::int64_t keep, const Exact& exact) {
  std::vector<Scored> all;
  for (const std::vector<Scored>& part : parts) all.insert(all.end(), part.begin(), part.end());
  if (static_cast<std::int64_t>(all.size()) < keep) return kNever;
  std::nth_element(all.begin(), all.begin() + (keep - 1), all.end());
  float least = std::numeric_limits<float>::infinity();
  for (std::int64_t i = 0; i < keep; ++i) {
    float y = 0.0F;
    exact(all[static_cast<std::size_t>(i)].row, &y);
    least = std::min(least, y);
  }
  return least - std::fabs(least) * 0x1p-21F;
}

/// scores[r] of a row that could be among the best becomes its real output, the others' -inf. Returns how many rows
/// were computed. Where several neighbours are wanted, all of them are: they stream from memory together.
template <typename Exact>
std::int64_t compute_candidates(const CpuNibbleCopy& copy, PartRange rows, float least, float norm, float* scores,
                                const Exact& exact) {
  std::int64_t computed = 0;
  for (std::int64_t begin = rows.begin; begin < rows.end; begin += kRowsTogether) {
    const std::int64_t end = std::min(begin + kRowsTogether, rows.end);
    std::int64_t wanted[kRowsTogether];
    std::int64_t count = 0;
    for (std::int64_t r = begin; r < end; ++r) {
      // False for NaN: such a row is computed.
      const bool too_small = scores[r] + copy.bounds[static_cast<std::size_t>(r)] * norm < least;
      if (!too_small) wanted[count++] = r;
    }
    std::array<float, kRowsTogether> real;
    if (count > kRowsTogether / 4) {
      exact(begin, end, real.data());
      computed += end - begin;
    } else {
      for (std::int64_t i = 0; i < count; ++i)
        exact(wanted[i], wanted[i] + 1, &real[static_cast<std::size_t>(wanted[i] - begin)]);
      computed += count;
    }
    std::fill(scores + begin, scores + end, kNever);
    for (std::int64_t i = 0; i < count; ++i) scores[wanted[i]] = real[static_cast<std::size_t>(wanted[i] - begin)];
  }
  return computed;
}

}  // namespace

void CpuBackend::prepare_top(DenseWeights& weights) {
  auto& dense = static_cast<CpuDense&>(weights);
  if (dense.cols() > pack::kNibbleLongestRow) return;
  auto copy = std::make_unique<CpuNibbleCopy>(dense.rows(), dense.cols());
  const auto nibble_row = table_.nibble_row[static_cast<int>(dense.type)];
  pool_.share(dense.rows(), kRowsTogether, [&](int, PartRange rows) {
    for (std::int64_t r = rows.begin; r < rows.end; ++r) {
      const pack::NibbleSums sums = nibble_row(dense.row(r), dense.cols(), copy->codes_of(r), copy->scales_of(r));
      copy->bounds[static_cast<std::size_t>(r)] = pack::nibble_bound(sums, dense.cols());
    }
  });
  dense.copy = std::move(copy);
}

bool CpuBackend::split(MatrixView<const float> x, std::span<const TopRows> wanted, std::int64_t rows) {
  const std::int64_t row_bytes = pack::nibble_blocks(x.cols) * 4 * pack::kNibbleBlockBytes;
  if (const auto bytes = static_cast<std::size_t>(x.rows * row_bytes); split_.planes.size() < bytes) {
    split_.planes = AlignedBuffer(bytes);
  }
  split_.lane_sums.resize(static_cast<std::size_t>(x.rows * pack::kNibbleScales));
  split_.scales.resize(static_cast<std::size_t>(x.rows));
  split_.norms.resize(static_cast<std::size_t>(x.rows));
  for (std::int64_t t = 0; t < x.rows; ++t) {
    const auto i = static_cast<std::size_t>(t);
    // Where most rows are wanted, reading the copy first only costs time.
    if (wanted[i].keep == 0 || wanted[i].keep > rows / 8) return false;
    double squares = 0.0;
    for (std::int64_t k = 0; k < x.cols; ++k)
      squares += static_cast<double>(x.row(t)[k]) * static_cast<double>(x.row(t)[k]);
    if (!std::isfinite(squares)) return false;
    split_.norms[i] = static_cast<float>(std::sqrt(squares) * (1 + 0x1p-23));
    split_.scales[i] = pack::split_input(x.row(t), x.cols, split_.planes.as<std::int8_t>() + t * row_bytes,
                                         split_.lane_sums.data() + t * pack::kNibbleScales);
    if (split_.scales[i] == 0.0F) return false;
  }
  return true;
}

std::int64_t CpuBackend::linear_top(MatrixView<const float> x, const DenseWeights& weights,
                                    std::span<const TopRows> wanted, MatrixView<float> out) {
  assert(wanted.size() == static_cast<std::size_t>(x.rows));
  const auto& dense = static_cast<const CpuDense&>(weights);
  if (!dense.copy || !split(x, wanted, dense.rows())) {
    linear(x, weights, {}, out);
    return x.rows * dense.rows();
  }
  const CpuNibbleCopy& copy = *dense.copy;
  const kernels::SplitRows inputs{split_.planes.as<std::int8_t>(), split_.lane_sums.data(), split_.scales.data(),
                                  x.rows};
  const auto parts_count = static_cast<std::size_t>(pool_.size());
  std::vector<std::vector<Scored>> best(static_cast<std::size_t>(x.rows) * parts_count);
  pool_.share(dense.rows(), kRowsTogether, [&](int part, PartRange rows) {
    table_.nibble_scores(copy.matrix(), rows.begin, rows.end, inputs, out.data + rows.begin, out.stride);
    for (std::int64_t t = 0; t < x.rows; ++t) {
      pick_best(out.row(t), rows, wanted[static_cast<std::size_t>(t)],
                best[static_cast<std::size_t>(t) * parts_count + static_cast<std::size_t>(part)]);
    }
  });
  const auto exact = [&](std::int64_t t, std::int64_t begin, std::int64_t end, float* y) {
    table_.dense_gemm[static_cast<int>(dense.type)](dense.data.get(), dense.cols(), begin, end, x.row(t), x.stride, 1,
                                                    y, end - begin);
  };
  std::vector<float> least;
  for (std::int64_t t = 0; t < x.rows; ++t) {
    const std::span parts(best.data() + static_cast<std::size_t>(t) * parts_count, parts_count);
    least.push_back(smallest_of_best(parts, wanted[static_cast<std::size_t>(t)].keep,
                                     [&](std::int64_t row, float* y) { exact(t, row, row + 1, y); }));
  }
  std::vector<std::int64_t> computed(parts_count);
  pool_.share(dense.rows(), kRowsTogether, [&](int part, PartRange rows) {
    for (std::int64_t t = 0; t < x.rows; ++t) {
      const auto i = static_cast<std::size_t>(t);
      computed[static_cast<std::size_t>(part)] +=
          compute_candidates(copy, rows, least[i], split_.norms[i], out.row(t),
                             [&](std::int64_t row, std::int64_t end, float* y) { exact(t, row, end, y); });
    }
  });
  std::int64_t total = 0;
  for (const std::int64_t rows : computed) total += rows;
  return total;
}

}  // namespace bitnet::backend
