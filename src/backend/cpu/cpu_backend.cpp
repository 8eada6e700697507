#include "backend/cpu/cpu_backend.h"

#include <fmt/format.h>

#include <algorithm>
#include <cassert>

#include "backend/cpu/cpu_weights.h"

namespace bitnet::backend {
namespace {

constexpr std::int64_t kDecodedRows = 16;  // at once: they stay in the cache

kernels::Activation kernel_activation(Activation act) {
  switch (act) {
    case Activation::relu2:
      return kernels::Activation::relu2;
    case Activation::silu:
      return kernels::Activation::silu;
    case Activation::gelu:
      return kernels::Activation::gelu;
    case Activation::gelu_tanh:
      return kernels::Activation::gelu_tanh;
  }
  assert(false);
  return kernels::Activation::relu2;
}

}  // namespace

std::string CpuBackend::describe() const {
  return fmt::format("cpu ({}, {} thread{})", table_.name, pool_.size(), pool_.size() == 1 ? "" : "s");
}

void CpuBackend::embed(const DenseWeights& table, std::span<const std::int32_t> ids, MatrixView<float> out) {
  const auto& dense = static_cast<const CpuDense&>(table);
  for_each_row(out.rows, [&](std::int64_t t) {
    const std::int64_t row = ids[static_cast<std::size_t>(t)];
    if (dense.blocks) {
      dense.decode_row(row, out.row(t));
    } else {
      table_.to_float[static_cast<int>(dense.type)](dense.row(row), dense.cols(), out.row(t));
    }
  });
}

void CpuBackend::rms_norm(MatrixView<const float> x, std::span<const float> weight, float eps, MatrixView<float> out) {
  const float* w = weight.empty() ? nullptr : weight.data();
  const std::int64_t width = weight.empty() ? x.cols : std::ssize(weight);
  assert(x.cols % width == 0);
  for_each_row(x.rows, [&](std::int64_t t) {
    for (std::int64_t at = 0; at < x.cols; at += width) {
      table_.rms_norm(x.row(t) + at, w, eps, width, out.row(t) + at);
    }
  });
}

const void* CpuBackend::read_rows(const CpuDense& weights, int part, PartRange rows) {
  if (!weights.blocks) return weights.row(rows.begin);
  std::vector<float>& decoded = decoded_[static_cast<std::size_t>(part)];
  decoded.resize(static_cast<std::size_t>((rows.end - rows.begin) * weights.cols()));
  for (std::int64_t r = rows.begin; r < rows.end; ++r) {
    weights.decode_row(r, decoded.data() + (r - rows.begin) * weights.cols());
  }
  return decoded.data();
}

void CpuBackend::dense_gemm(const CpuDense& weights, int part, PartRange rows, MatrixView<const float> x, float* y,
                            std::int64_t y_stride) {
  const auto gemm = table_.dense_gemm[static_cast<int>(weights.type)];
  const std::int64_t step = weights.blocks ? kDecodedRows : rows.end - rows.begin;
  for (std::int64_t begin = rows.begin; begin < rows.end; begin += step) {
    const PartRange now{begin, std::min(begin + step, rows.end)};
    gemm(read_rows(weights, part, now), weights.cols(), 0, now.end - now.begin, x.data, x.stride, x.rows,
         y + (begin - rows.begin), y_stride);
  }
}

void CpuBackend::linear(MatrixView<const float> x, const DenseWeights& weights, std::span<const float> bias,
                        MatrixView<float> out) {
  const auto& dense = static_cast<const CpuDense&>(weights);
  assert(dense.cols() == x.cols && dense.rows() == out.cols);
  if (x.rows == 0) return;
  make_scratch();
  pool_.share(dense.rows(), kDecodedRows, [&](int part, PartRange rows) {
    dense_gemm(dense, part, rows, x, out.data + rows.begin, out.stride);
    if (bias.empty()) return;
    for (std::int64_t t = 0; t < x.rows; ++t) {
      for (std::int64_t r = rows.begin; r < rows.end; ++r) out.row(t)[r] += bias[static_cast<std::size_t>(r)];
    }
  });
}

void CpuBackend::rope(MatrixView<float> x, std::int64_t head_dim, std::span<const KvCursor> tokens, const float* cos,
                      const float* sin) {
  for_each_row(x.rows, [&](std::int64_t t) {
    const std::int64_t at = tokens[static_cast<std::size_t>(t)].position * (head_dim / 2);
    table_.rope(x.row(t), x.cols / head_dim, head_dim, cos + at, sin + at);
  });
}

void CpuBackend::activate(Activation act, MatrixView<const float> x, MatrixView<float> out) {
  const auto fn = table_.activate[static_cast<int>(kernel_activation(act))];
  for_each_row(x.rows, [&](std::int64_t t) { fn(x.row(t), x.cols, out.row(t)); });
}

void CpuBackend::activate_gated(Activation act, MatrixView<const float> gate, MatrixView<const float> up,
                                MatrixView<float> out) {
  const auto fn = table_.activate_gated[static_cast<int>(kernel_activation(act))];
  for_each_row(gate.rows, [&](std::int64_t t) { fn(gate.row(t), up.row(t), gate.cols, out.row(t)); });
}

void CpuBackend::add(MatrixView<float> x, MatrixView<const float> y) {
  for_each_row(x.rows, [&](std::int64_t t) {
    float* a = x.row(t);
    const float* b = y.row(t);
    for (std::int64_t i = 0; i < x.cols; ++i) a[i] += b[i];
  });
}

void CpuBackend::scale(MatrixView<float> x, float factor) {
  for_each_row(x.rows, [&](std::int64_t t) {
    float* row = x.row(t);
    for (std::int64_t i = 0; i < x.cols; ++i) row[i] *= factor;
  });
}

}  // namespace bitnet::backend
