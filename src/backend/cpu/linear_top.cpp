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
#include "backend/cpu/row_steps.h"
#include "base/any_of.h"

namespace bitnet::backend {
namespace {

constexpr std::int64_t kRowsTogether = 16;
// The smallest piece of the copy that a thread takes.
constexpr std::int64_t kCopyGrain = 64;
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
    if (best.size() == keep) {
      while (rows.end - r >= kRowsTogether && !any_of(kRowsTogether, [&](auto i) { return scores[r + i] > worst; })) {
        r += kRowsTogether;
      }
      if (r == rows.end) break;
      if (!(scores[r] > worst)) continue;
    }
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

/// What decides whether a row could be among the best of one token.
struct Candidates {
  const CpuNibbleCopy& copy;
  float norm;  // pack::NibbleInput of the token
  float error;
  float least;
  /// True for NaN: such a row is computed.
  [[nodiscard]] bool include(std::int64_t r, float score) const {
    const auto i = static_cast<std::size_t>(r);
    return !(score + (copy.errors[i] * norm + copy.norms[i] * error) < least);
  }
};

/// scores[r] of a candidate becomes its real output, the others' -inf. Returns how many rows were computed. Where
/// several neighbours are wanted, all of them are: they stream from memory together.
template <typename Exact>
std::int64_t compute_candidates(const Candidates& candidates, PartRange rows, float* scores, const Exact& exact) {
  std::int64_t computed = 0;
  for (std::int64_t begin = rows.begin; begin < rows.end; begin += kRowsTogether) {
    const std::int64_t end = std::min(begin + kRowsTogether, rows.end);
    std::int64_t wanted[kRowsTogether];
    std::int64_t count = 0;
    if (any_of(end - begin, [&](auto i) { return candidates.include(begin + i, scores[begin + i]); })) {
      for (std::int64_t r = begin; r < end; ++r) {
        if (candidates.include(r, scores[r])) wanted[count++] = r;
      }
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
  make_scratch();
  pool_.share(dense.rows(), kRowsTogether, [&](int part, PartRange rows) {
    for (std::int64_t r = rows.begin; r < rows.end; ++r) {
      const void* row = read_rows(dense, part, {r, r + 1});
      const pack::NibbleSums sums = nibble_row(row, dense.cols(), copy->codes_of(r), copy->scales_of(r));
      const pack::NibbleBound bound = pack::nibble_bound(sums, dense.cols());
      copy->errors[static_cast<std::size_t>(r)] = bound.error;
      copy->norms[static_cast<std::size_t>(r)] = bound.norm;
    }
  });
  dense.copy = std::move(copy);
}

bool CpuBackend::quantize_for_top(MatrixView<const float> x, std::span<const TopRows> wanted, std::int64_t rows) {
  NibbleBatch& batch = nibble_batch_;
  const std::int64_t row_bytes = pack::nibble_blocks(x.cols) * pack::kNibbleBlockWeights;
  const auto count = static_cast<std::size_t>(x.rows);
  if (const auto bytes = static_cast<std::size_t>(x.rows * row_bytes); batch.q.size() < bytes) {
    batch.q = AlignedBuffer(bytes);
  }
  batch.lane_offsets.resize(count * pack::kNibbleScales);
  batch.scales.resize(count * pack::kNibbleScales);
  batch.norms.resize(count);
  batch.errors.resize(count);
  for (std::int64_t t = 0; t < x.rows; ++t) {
    const auto i = static_cast<std::size_t>(t);
    // Where most rows are wanted, reading the copy first only costs time.
    if (wanted[i].keep == 0 || wanted[i].keep > rows / 8) return false;
    if (!std::all_of(x.row(t), x.row(t) + x.cols, [](float v) { return std::isfinite(v); })) return false;
    const pack::NibbleInput input = pack::quantize_nibble_input(
        x.row(t), x.cols, batch.q.as<std::int8_t>() + t * row_bytes,
        batch.lane_offsets.data() + t * pack::kNibbleScales, batch.scales.data() + t * pack::kNibbleScales);
    if (input.norm == 0.0F || !std::isfinite(input.norm)) return false;
    batch.norms[i] = input.norm;
    batch.errors[i] = input.error;
  }
  return true;
}

std::int64_t CpuBackend::linear_top(MatrixView<const float> x, const DenseWeights& weights,
                                    std::span<const TopRows> wanted, MatrixView<float> out) {
  assert(wanted.size() == static_cast<std::size_t>(x.rows));
  const auto& dense = static_cast<const CpuDense&>(weights);
  if (!dense.copy || !quantize_for_top(x, wanted, dense.rows())) {
    linear(x, weights, {}, out);
    return x.rows * dense.rows();
  }
  const CpuNibbleCopy& copy = *dense.copy;
  const NibbleBatch& batch = nibble_batch_;
  const kernels::NibbleInputs inputs{batch.q.as<std::int8_t>(), batch.lane_offsets.data(), batch.scales.data(), x.rows};
  const auto parts_count = static_cast<std::size_t>(pool_.size());
  std::vector<std::vector<Scored>> best(static_cast<std::size_t>(x.rows) * parts_count);
  const RowSteps steps({dense.rows()}, RowSteps::runs_for(table_, x.rows), kCopyGrain);
  SharedRange left = steps.share(pool_.size());
  pool_.run([&](int part, int parts) {
    const auto score = [&](std::size_t, const kernels::RowRuns& rows) {
      table_.nibble_scores(copy.matrix(), rows, inputs, out.data + rows.begin, out.stride);
      for (std::int64_t t = 0; t < x.rows; ++t) {
        for (std::int64_t run = 0; run < rows.runs; ++run) {
          const std::int64_t begin = rows.begin + run * rows.apart;
          pick_best(out.row(t), {begin, begin + rows.count}, wanted[static_cast<std::size_t>(t)],
                    best[static_cast<std::size_t>(t) * parts_count + static_cast<std::size_t>(part)]);
        }
      }
    };
    left.for_pieces(part, [&](int owner, PartRange piece) { steps.for_rows(steps.own(owner, parts), piece, score); });
  });
  make_scratch();
  const auto exact = [&](int part, std::int64_t t, PartRange rows, float* y) {
    dense_gemm(dense, part, rows, {x.row(t), 1, x.cols}, y, rows.end - rows.begin);
  };
  std::vector<float> least;
  for (std::int64_t t = 0; t < x.rows; ++t) {
    const std::span parts(best.data() + static_cast<std::size_t>(t) * parts_count, parts_count);
    least.push_back(smallest_of_best(parts, wanted[static_cast<std::size_t>(t)].keep, [&](std::int64_t row, float* y) {
      exact(0, t, {row, row + 1}, y);
    }));
  }
  std::vector<std::int64_t> computed(parts_count);
  SharedRange rows_left(dense.rows(), pool_.size(), kRowsTogether);
  Reads& reads = next_reads(copy.codes_of(0));
  pool_.run([&](int part, int parts) {
    rows_left.for_pieces(part, [&](int, PartRange rows) {
      for (std::int64_t t = 0; t < x.rows; ++t) {
        const auto i = static_cast<std::size_t>(t);
        computed[static_cast<std::size_t>(part)] +=
            compute_candidates({copy, batch.norms[i], batch.errors[i], least[i]}, rows, out.row(t),
                               [&](std::int64_t row, std::int64_t end, float* y) {
                                 exact(part, t, {row, end}, y);
                               });
      }
    });
    if (x.rows > 1) return;
    read_next(reads, part,
              soon(copy.codes_of(0), copy.blocks * pack::kNibbleBlockBytes, steps.first(steps.own(part, parts)).rows));
  });
  std::int64_t total = 0;
  for (const std::int64_t rows : computed) total += rows;
  return total;
}

}  // namespace bitnet::backend
