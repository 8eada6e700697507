#include <algorithm>
#include <cassert>
#include <deque>

#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/cpu_weights.h"

namespace bitnet::backend {
namespace {

// Sums of one call stay in the first-level caches until they are scaled.
constexpr std::int64_t kSumsPerChunk = 32768;
// The smallest piece of a matrix that a thread takes: four streams of eight rows, and what matrix units like.
constexpr std::int64_t kRowGrain = 32;
// Most rows of one call of the kernel.
constexpr std::int64_t kRowsPerChunk = 1024;
// In so many streams kernels read the rows of one token.
constexpr std::int64_t kRowStreams = 4;
// What a thread that waits brings nearer of the matrix that comes next; fits into any second-level cache.
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

/// Rows [begin, end) of one matrix for all tokens.
void multiply_rows(const BitLinearCall& call, const CpuTernary& w, PartRange rows, std::vector<std::int32_t>& scratch,
                   const MatrixView<float>& out) {
  const WeightScales& scales = w.weight_scales;
  const std::int64_t tokens = call.x.count;
  const std::int64_t slices = scales.group / pack::kSliceWeights;
  const std::int64_t groups = scales.group == 0 ? 1 : (w.in() + scales.group - 1) / scales.group;
  // The kernel counts groups of the padded row: padding may end in groups of its own, beyond the scales.
  const std::int64_t sums_per_row = scales.group == 0 ? 1 : (w.matrix().blocks * 4 + slices - 1) / slices;
  const std::int64_t chunk = std::clamp<std::int64_t>(kSumsPerChunk / (tokens * sums_per_row), 64, kRowsPerChunk);
  const auto needed = static_cast<std::size_t>(chunk * tokens * sums_per_row);
  if (scratch.size() < needed) scratch.resize(needed);
  const float* bias = scales.bias.empty() ? nullptr : scales.bias.data();
  const std::int64_t g_step = scales.values.size() == 1 ? 0 : 1;
  for (std::int64_t begin = rows.begin; begin < rows.end; begin += chunk) {
    const std::int64_t end = std::min(rows.end, begin + chunk);
    const std::int64_t n = end - begin;
    const float* chunk_bias = bias == nullptr ? nullptr : bias + begin;
    if (scales.group == 0) {
      call.table.ternary_gemm(w.matrix(), begin, end, call.x, scratch.data(), n);
      for (std::int64_t t = 0; t < tokens; ++t) {
        scale_row(call.table, scratch.data() + t * n, n, call.s_x[t], scales.values.data() + begin * g_step, g_step,
                  chunk_bias, scales.rule, out.row(t) + begin);
      }
    } else {
      call.table.ternary_gemm_grouped(w.matrix(), begin, end, call.x, slices, scratch.data());
      for (std::int64_t t = 0; t < tokens; ++t) {
        scale_grouped_row(scratch.data() + t * n * sums_per_row, sums_per_row, n, groups, call.s_x[t],
                          scales.values.data() + begin * groups, chunk_bias, scales.rule, out.row(t) + begin);
      }
    }
  }
}

CpuBackend::Stream stream_of(const kernels::TernaryMatrix& w) {
  return {reinterpret_cast<const std::byte*>(w.codes), w.rows, w.row_bytes, kRowGrain, kRowsPerChunk};
}

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
  const BitLinearCall call{table_, rows, quantized_.scales.data()};
  sums_.resize(static_cast<std::size_t>(pool_.size()));
  std::deque<SharedRange> rows_left;
  for (const TernaryWeights* w : weights) rows_left.emplace_back(w->out(), pool_.size(), kRowGrain);
  const Stream next = following(stream_of(static_cast<const CpuTernary&>(*weights[0]).matrix()));
  pool_.run([&](int part, int parts) {
    for (std::size_t i = 0; i < weights.size(); ++i) {
      const auto& w = static_cast<const CpuTernary&>(*weights[i]);
      assert(w.in() == x.cols && w.out() == out[i].cols);
      rows_left[i].for_pieces(
          part, [&](PartRange range) { multiply_rows(call, w, range, sums_[static_cast<std::size_t>(part)], out[i]); });
    }
    if (x.rows == 1) pool_.read_soon(part, next.first_reads(part, parts));
  });
}

CpuBackend::Stream CpuBackend::following(const Stream& now) {
  if (previous_ != nullptr) following_[previous_] = now;
  previous_ = now.rows;
  return following_[now.rows];
}

SoonRead CpuBackend::Stream::first_reads(int part, int parts) const {
  const PartRange piece = SharedRange(count, parts, grain).first(part);
  const std::int64_t apart = std::min(piece.end - piece.begin, rows_per_call) / kRowStreams * row_bytes;
  return {rows + piece.begin * row_bytes, apart, kRowStreams, std::min(apart, kSoonBytes / kRowStreams)};
}

}  // namespace bitnet::backend
