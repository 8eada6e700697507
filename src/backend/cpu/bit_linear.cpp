#include <algorithm>
#include <cassert>

#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/cpu_weights.h"
#include "backend/cpu/row_steps.h"

namespace bitnet::backend {
namespace {

// Sums of one call of the kernel stay in the nearer caches until they are scaled.
constexpr std::int64_t kSumsPerChunk = 32768;
// Most rows of one run in such a call.
constexpr std::int64_t kRowsPerChunk = 1024;
// The smallest piece of the matrices that a thread takes: four runs of eight rows, and what matrix units like.
constexpr std::int64_t kTernaryGrain = 32;
// What a thread that waits brings nearer of what it reads next; fits into any second-level cache.
constexpr std::int64_t kSoonBytes = 128 * 1024;

/// Applies scales and bias to one token's exact sums.
void scale_row(const kernels::KernelTable& table, const std::int32_t* sums, std::int64_t rows, float s_x,
               const float* g, std::int64_t g_step, const float* bias, ScaleRule rule, float* y) {
  if (bias != nullptr && rule == ScaleRule::multiply_after_bias) {
    for (std::int64_t r = 0; r < rows; ++r) y[r] = (static_cast<float>(sums[r]) / s_x + bias[r]) * g[r * g_step];
    return;
  }
  table.scale_sums(sums, rows, s_x, g, g_step, rule == ScaleRule::divide, y);
  if (bias != nullptr) {
    for (std::int64_t r = 0; r < rows; ++r) y[r] += bias[r];
  }
}

/// The same where several groups of inputs have a scale each: their scaled sums add up from the first group on.
void scale_grouped_row(const std::int32_t* sums, std::int64_t sums_per_row, std::int64_t rows, std::int64_t groups,
                       float s_x, const float* g, const float* bias, ScaleRule rule, float* y) {
  for (std::int64_t r = 0; r < rows; ++r) {
    float total = 0.0F;
    for (std::int64_t i = 0; i < groups; ++i) {
      const float sum = static_cast<float>(sums[r * sums_per_row + i]);
      const float scale = g[r * groups + i];
      total += rule == ScaleRule::divide ? sum / scale : sum * scale;
    }
    y[r] = total / s_x;
    if (bias != nullptr) y[r] += bias[r];
  }
}

struct BitLinearCall {
  const kernels::KernelTable& table;
  const kernels::Int8Rows& x;
  const float* s_x;  // [x.count]
};

/// Scaled sums of `rows` for all tokens: sums[t, i] of n = rows.total(), or [t, i, sums_per_row] with groups.
void scale_rows(const BitLinearCall& call, const CpuTernary& w, const kernels::RowRuns& rows, std::int64_t sums_per_row,
                const std::int32_t* sums, const MatrixView<float>& out) {
  const WeightScales& scales = w.weight_scales;
  const std::int64_t groups = scales.group == 0 ? 1 : (w.in() + scales.group - 1) / scales.group;
  const std::int64_t g_step = scales.values.size() == 1 ? 0 : groups;
  for (std::int64_t t = 0; t < call.x.count; ++t) {
    for (std::int64_t run = 0; run < rows.runs; ++run, sums += rows.count * sums_per_row) {
      const std::int64_t begin = rows.begin + run * rows.apart;
      const float* g = scales.values.data() + begin * g_step;
      const float* bias = scales.bias.empty() ? nullptr : scales.bias.data() + begin;
      float* y = out.row(t) + begin;
      if (scales.group == 0) {
        scale_row(call.table, sums, rows.count, call.s_x[t], g, g_step, bias, scales.rule, y);
      } else {
        scale_grouped_row(sums, sums_per_row, rows.count, groups, call.s_x[t], g, bias, scales.rule, y);
      }
    }
  }
}

/// The outputs of `rows` for all tokens.
void multiply_rows(const BitLinearCall& call, const CpuTernary& w, const kernels::RowRuns& rows,
                   std::vector<std::int32_t>& scratch, const MatrixView<float>& out) {
  const std::int64_t group = w.weight_scales.group;
  const std::int64_t tokens = call.x.count;
  const std::int64_t slices = group / pack::kSliceWeights;
  // The kernel counts groups of the padded row: padding may end in groups of its own, beyond the scales.
  const std::int64_t sums_per_row = group == 0 ? 1 : (w.matrix().blocks * 4 + slices - 1) / slices;
  const std::int64_t chunk =
      std::clamp<std::int64_t>(kSumsPerChunk / (tokens * sums_per_row * rows.runs), 64, kRowsPerChunk);
  const auto needed = static_cast<std::size_t>(chunk * rows.runs * tokens * sums_per_row);
  if (scratch.size() < needed) scratch.resize(needed);
  for (std::int64_t first = 0; first < rows.count; first += chunk) {
    const kernels::RowRuns now{rows.begin + first, std::min(chunk, rows.count - first), rows.runs, rows.apart};
    if (group == 0) {
      call.table.ternary_gemm(w.matrix(), now, call.x, scratch.data(), now.total());
      scale_rows(call, w, now, 1, scratch.data(), out);
      continue;
    }
    for (std::int64_t run = 0; run < now.runs; ++run) {
      const kernels::RowRuns one{now.begin + run * now.apart, now.count};
      call.table.ternary_gemm_grouped(w.matrix(), one.begin, one.begin + one.count, call.x, slices, scratch.data());
      scale_rows(call, w, one, sums_per_row, scratch.data(), out);
    }
  }
}

std::int64_t count_zeros(const std::int8_t* x, std::int64_t n) {
  std::int64_t zeros = 0;
  for (std::int64_t i = 0; i < n; i += 128) {
    std::uint8_t some = 0;  // a byte, so that compilers make vectors of it
    for (std::int64_t k = i; k < std::min(i + 128, n); ++k)
      some = static_cast<std::uint8_t>(some + (x[k] == 0 ? 1 : 0));
    zeros += some;
  }
  return zeros;
}

const CpuTernary& ternary(const TernaryWeights* weights) { return static_cast<const CpuTernary&>(*weights); }

}  // namespace

kernels::Int8Rows CpuBackend::quantize(MatrixView<const float> x) {
  const std::int64_t padded = pack::padded_length(x.cols);
  const std::int64_t slices = padded / pack::kSliceWeights;
  if (const auto bytes = static_cast<std::size_t>(x.rows * padded); quantized_.data.size() < bytes) {
    quantized_.data = AlignedBuffer(bytes);
  }
  quantized_.slice_sums.resize(static_cast<std::size_t>(x.rows * slices));
  quantized_.scales.resize(static_cast<std::size_t>(x.rows));
  auto* data = quantized_.data.as<std::int8_t>();
  for_each_row(x.rows, [&](std::int64_t t) {
    quantized_.scales[static_cast<std::size_t>(t)] = table_.quantize_activations(
        x.row(t), x.cols, padded, data + t * padded, quantized_.slice_sums.data() + t * slices);
  });
  return {data, padded, quantized_.slice_sums.data(), slices, x.rows};
}

void CpuBackend::bit_linear(MatrixView<const float> x, std::span<const TernaryWeights* const> weights,
                            std::span<const MatrixView<float>> out) {
  assert(weights.size() == out.size());
  if (x.rows == 0) return;
  const kernels::Int8Rows rows = quantize(x);
  sums_.resize(static_cast<std::size_t>(pool_.size()));
  if (weights.size() == 1 && multiply_columns(rows, ternary(weights[0]), out[0])) return;
  const BitLinearCall call{table_, rows, quantized_.scales.data()};
  std::vector<std::int64_t> counts;
  for (const TernaryWeights* w : weights) counts.push_back(w->out());
  const RowSteps steps(std::move(counts), RowSteps::runs_for(table_, x.rows), kTernaryGrain);
  SharedRange left = steps.share(pool_.size());
  Reads& reads = next_reads(ternary(weights[0]).matrix().codes);
  pool_.run([&](int part, int parts) {
    left.for_pieces(part, [&](int owner, PartRange piece) {
      steps.for_rows(steps.own(owner, parts), piece, [&](std::size_t i, const kernels::RowRuns& now) {
        assert(weights[i]->in() == x.cols && weights[i]->out() == out[i].cols);
        multiply_rows(call, ternary(weights[i]), now, sums_[static_cast<std::size_t>(part)], out[i]);
      });
    });
    if (x.rows > 1) return;
    const RowSteps::First first = steps.first(steps.own(part, parts));
    const kernels::TernaryMatrix& w = ternary(weights[first.matrix]).matrix();
    read_next(reads, part, soon(w.codes, w.row_bytes, first.rows));
  });
}

bool CpuBackend::multiply_columns(const kernels::Int8Rows& x, const CpuTernary& w, MatrixView<float> out) {
  if (x.count != 1 || !w.columns || pool_.size() > kMostColumnThreads) return false;
  const kernels::TernaryMatrix columns = w.columns->matrix();
  const std::int64_t read = (w.in() - count_zeros(x.data, w.in())) * columns.row_bytes;
  const std::int64_t rows = w.matrix().rows * w.matrix().row_bytes;
  // What lies scattered comes from memory at half of its speed or less.
  if (8 * read > 3 * rows) return false;
  bytes_left_out_ += rows - read;
  const std::int64_t outputs = columns.blocks * pack::kBlockWeights;
  Reads& reads = next_reads(w.matrix().codes);
  pool_.run([&](int part, int parts) {
    std::vector<std::int32_t>& sums = sums_[static_cast<std::size_t>(part)];
    if (sums.size() < static_cast<std::size_t>(outputs)) sums.resize(static_cast<std::size_t>(outputs));
    std::fill_n(sums.begin(), outputs, 0);
    // All at once: two pieces in turn took longer (docs/performance.md).
    const PartRange inputs = part_range(columns.rows, part, parts);
    table_.ternary_columns({columns.codes + inputs.begin * columns.row_bytes, inputs.end - inputs.begin, columns.blocks,
                            columns.row_bytes},
                           x.data + inputs.begin, sums.data());
    read_next(reads, part, {});
  });
  std::int32_t* sums = sums_[0].data();
  for (std::size_t part = 1; part < sums_.size(); ++part) {
    const std::int32_t* more = sums_[part].data();
    for (std::int64_t r = 0; r < w.out(); ++r) sums[r] += more[r];
  }
  scale_rows({table_, x, quantized_.scales.data()}, w, {0, w.out()}, 1, sums, out);
  return true;
}

CpuBackend::Reads& CpuBackend::next_reads(const void* id) {
  Reads& now = reads_[id];
  now.first.resize(static_cast<std::size_t>(pool_.size()));
  if (previous_ != nullptr) previous_->next = &now;
  previous_ = &now;
  return now;
}

SoonRead CpuBackend::soon(const std::uint8_t* matrix, std::int64_t row_bytes, const kernels::RowRuns& rows) {
  return {reinterpret_cast<const std::byte*>(matrix + rows.begin * row_bytes), rows.apart * row_bytes, rows.runs,
          std::min(rows.count * row_bytes, kSoonBytes / rows.runs)};
}

void CpuBackend::read_next(Reads& reads, int part, const SoonRead& first) {
  const auto i = static_cast<std::size_t>(part);
  reads.first[i] = first;
  if (reads.next != nullptr && i < reads.next->first.size()) pool_.read_soon(part, reads.next->first[i]);
}

}  // namespace bitnet::backend
