#pragma once

#include <functional>
#include <memory>
#include <unordered_map>
#include <vector>

#include "backend/backend.h"
#include "backend/cpu/kv_blocks.h"
#include "base/aligned_buffer.h"
#include "base/thread_pool.h"
#include "kernels/kernel_table.h"

namespace bitnet::backend {

class CpuDense;
class CpuTernary;

/// Threads + partition + kernel table. Work is cut so that each output element is computed whole by one thread, or is a
/// sum of integers: the number of threads changes nothing but the time. Table and pool must outlive the backend.
class CpuBackend final : public Backend {
 public:
  CpuBackend(const kernels::KernelTable& table, ThreadPool& pool)
      : table_(table), pool_(pool), spare_blocks_(std::make_shared<SpareMemory>()) {}

  [[nodiscard]] std::string describe() const override;
  void reserve_ternary(std::span<const TernaryShape> shapes) override;
  [[nodiscard]] std::unique_ptr<TernaryWeights> prepare_ternary(const TernarySource& source,
                                                                WeightScales scales) override;
  [[nodiscard]] std::unique_ptr<DenseWeights> prepare_dense(const DenseSource& source) override;
  void prepare_top(DenseWeights& weights) override;
  void prepare_columns(std::span<TernaryWeights* const> weights) override;
  [[nodiscard]] std::int64_t bytes_left_out() const override { return bytes_left_out_; }

  [[nodiscard]] std::int64_t kv_block_tokens() const override { return kernels::kKvBlockTokens; }
  [[nodiscard]] std::int64_t kv_block_bytes(const KvShape& shape) const override;
  [[nodiscard]] std::unique_ptr<KvBlock> make_kv_block(const KvShape& shape) override;
  void copy_kv_block(const KvBlock& from, KvBlock& to) override;
  void read_kv(const KvBlock& block, const KvShape& shape, std::int64_t layer, std::int64_t slot, std::span<float> key,
               std::span<float> value) const override;

  void embed(const DenseWeights& table, std::span<const std::int32_t> ids, MatrixView<float> out) override;
  void rms_norm(MatrixView<const float> x, std::span<const float> weight, float eps, MatrixView<float> out) override;
  void bit_linear(MatrixView<const float> x, std::span<const TernaryWeights* const> weights,
                  std::span<const MatrixView<float>> out) override;
  void linear(MatrixView<const float> x, const DenseWeights& weights, std::span<const float> bias,
              MatrixView<float> out) override;
  std::int64_t linear_top(MatrixView<const float> x, const DenseWeights& weights, std::span<const TopRows> wanted,
                          MatrixView<float> out) override;
  void rope(MatrixView<float> x, std::int64_t head_dim, std::span<const KvCursor> tokens, const float* cos,
            const float* sin) override;
  void store_kv(const KvShape& shape, std::int64_t layer, MatrixView<const float> keys, MatrixView<const float> values,
                std::span<const KvCursor> tokens) override;
  void attention(const KvShape& shape, std::int64_t layer, MatrixView<const float> q, AttentionRule rule,
                 std::span<const KvCursor> tokens, MatrixView<float> out, MatrixView<float> probabilities) override;
  void activate(Activation act, MatrixView<const float> x, MatrixView<float> out) override;
  void activate_gated(Activation act, MatrixView<const float> gate, MatrixView<const float> up,
                      MatrixView<float> out) override;
  void add(MatrixView<float> x, MatrixView<const float> y) override;
  void scale(MatrixView<float> x, float factor) override;

 private:
  /// Calls fn(row) for each row; on all threads when there are several rows.
  template <typename Fn>
  void for_each_row(std::int64_t rows, const Fn& fn);

  /// Int8 activations of the current bit_linear call.
  struct Quantized {
    AlignedBuffer data;                    // int8 [tokens, padded]
    std::vector<std::int32_t> slice_sums;  // [tokens, padded / 64]
    std::vector<float> scales;             // [tokens], s_x
  };
  kernels::Int8Rows quantize(MatrixView<const float> x);
  /// More threads have so little to read each that waiting for one another costs more than reading less saves.
  static constexpr int kMostColumnThreads = 6;
  /// One token's product with the columns of inputs that are not zero, if that is worth it; else false.
  bool multiply_columns(const kernels::Int8Rows& x, const CpuTernary& w, MatrixView<float> out);
  /// What one call reads for one token, and the call that came after it the last time. Only good for a hint: the memory
  /// may be gone.
  struct Reads {
    std::vector<SoonRead> first;  // [threads], where each begins
    Reads* next = nullptr;
  };
  /// The reads of the call that begins now; `id` is the weights'.
  Reads& next_reads(const void* id);
  /// The beginning of `rows` of a matrix.
  static SoonRead soon(const std::uint8_t* matrix, std::int64_t row_bytes, const kernels::RowRuns& rows);
  /// Inside of its task, at the end of `part`: `first` is where it began, and what it will read in the next call is on
  /// its way from now on.
  void read_next(Reads& reads, int part, const SoonRead& first);

  /// Inputs of the current linear_top call.
  struct NibbleBatch {
    AlignedBuffer q;                         // int8 [tokens, blocks * 128]
    std::vector<std::int32_t> lane_offsets;  // [tokens, 16]
    std::vector<float> scales;               // [tokens, 16]
    std::vector<float> norms;                // [tokens], pack::NibbleInput
    std::vector<float> errors;               // [tokens]
  };
  /// Zeroed memory for the codes of one matrix, a multiple of a block, of what was reserved if enough is left.
  std::shared_ptr<std::uint8_t> code_memory(std::size_t bytes);

  /// Rows as the kernels read them, one after another: where they lie, or decoded into scratch of `part`.
  const void* read_rows(const CpuDense& weights, int part, PartRange rows);
  /// y[t, r - rows.begin] = x[t] · row r. Inside of a task; make_scratch() before it.
  void dense_gemm(const CpuDense& weights, int part, PartRange rows, MatrixView<const float> x, float* y,
                  std::int64_t y_stride);
  void make_scratch() { decoded_.resize(static_cast<std::size_t>(pool_.size())); }

  /// Fills nibble_batch_; false when a row of x or what is wanted of it needs the whole of `rows` rows.
  bool quantize_for_top(MatrixView<const float> x, std::span<const TopRows> wanted, std::int64_t rows);

  const kernels::KernelTable& table_;
  ThreadPool& pool_;
  std::shared_ptr<SpareMemory> spare_blocks_;      // blocks may outlive the backend
  std::shared_ptr<const AlignedBuffer> reserved_;  // shared with the weights that lie in it
  std::size_t reserved_used_ = 0;
  Quantized quantized_;
  Reads* previous_ = nullptr;
  std::unordered_map<const void*, Reads> reads_;
  std::int64_t bytes_left_out_ = 0;
  NibbleBatch nibble_batch_;
  std::vector<std::vector<std::int32_t>> sums_;  // scratch of each thread
  std::vector<std::vector<float>> scores_;       // scratch of each thread
  std::vector<std::vector<float>> decoded_;      // scratch of each thread
};

template <typename Fn>
void CpuBackend::for_each_row(std::int64_t rows, const Fn& fn) {
  if (rows == 1) {  // one token: waking the others costs more than the work
    fn(std::int64_t{0});
    return;
  }
  pool_.share(rows, 1, [&](int, PartRange piece) {
    for (std::int64_t row = piece.begin; row < piece.end; ++row) fn(row);
  });
}

}  // namespace bitnet::backend
