#pragma once
/// How threads share the rows of matrices.

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "base/thread_pool.h"
#include "kernels/kernel_table.h"

namespace bitnet::backend {

/// The matrices of one call one after another, in steps: one row of each run. What a thread owns of the steps are runs
/// through its own part of each matrix, which it can read from one piece to the next without a break.
class RowSteps {
 public:
  [[nodiscard]] static std::int64_t runs_for(const kernels::KernelTable& table, std::int64_t tokens) noexcept {
    return tokens <= table.tokens_in_runs ? kernels::kRowRuns : 1;
  }

  /// `rows` of each matrix. Pieces are whole multiples of `grain` rows but for the ends.
  RowSteps(std::vector<std::int64_t> rows, std::int64_t runs, std::int64_t grain)
      : rows_(std::move(rows)), runs_(runs), grain_(grain / runs) {
    for (const std::int64_t n : rows_) count_ += steps_of(n);
  }

  [[nodiscard]] SharedRange share(int parts) const { return {count_, parts, grain_}; }
  [[nodiscard]] PartRange own(int part, int parts) const { return part_range(count_, part, parts, grain_); }

  /// Calls fn(number of the matrix, its rows) for the steps of `piece`, which lies in `own`, what one thread owns.
  template <typename Fn>
  void for_rows(PartRange own, PartRange piece, const Fn& fn) const {
    std::int64_t first = 0;
    for (std::size_t i = 0; i < rows_.size(); first += steps_of(rows_[i]), ++i) {
      const PartRange mine = common(own, {first, first + steps_of(rows_[i])});
      const PartRange now = common(mine, piece);
      if (now.begin == now.end) continue;
      const std::int64_t row = (mine.begin - first) * runs_;
      const std::int64_t rows = std::min(rows_[i] - row, (mine.end - mine.begin) * runs_);
      const std::int64_t length = rows / runs_;  // of a run; the rows that are left over are the last step
      const PartRange in_runs = common({now.begin - mine.begin, now.end - mine.begin}, {0, length});
      if (in_runs.begin < in_runs.end) {
        fn(i, kernels::RowRuns{row + in_runs.begin, in_runs.end - in_runs.begin, runs_, length});
      }
      if (now.end - mine.begin > length) fn(i, kernels::RowRuns{row + length * runs_, rows - length * runs_});
    }
  }

  /// What is read first of `own`; no rows when it is empty.
  struct First {
    std::size_t matrix;
    kernels::RowRuns rows;
  };
  [[nodiscard]] First first(PartRange own) const {
    First found{0, {0, 0}};
    for_rows(own, own, [&](std::size_t i, const kernels::RowRuns& rows) {
      if (found.rows.count == 0) found = {i, rows};
    });
    return found;
  }

 private:
  [[nodiscard]] std::int64_t steps_of(std::int64_t rows) const noexcept { return (rows + runs_ - 1) / runs_; }
  static PartRange common(PartRange a, PartRange b) noexcept {
    const std::int64_t begin = std::max(a.begin, b.begin);
    return {begin, std::max(begin, std::min(a.end, b.end))};
  }

  std::vector<std::int64_t> rows_;
  std::int64_t runs_;
  std::int64_t grain_;
  std::int64_t count_ = 0;
};

}  // namespace bitnet::backend
