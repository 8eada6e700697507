#include <algorithm>

#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/cpu_weights.h"
#include "pack/columns.h"

namespace bitnet::backend {
namespace {

/// The rows that one line of the columns is made of, in two bits.
class LineRows {
 public:
  explicit LineRows(const CpuTernary& weights)
      : weights_(weights),
        row_bytes_(pack::row_bytes(weights.in())),
        scratch_(static_cast<std::size_t>(pack::kMostLineRows * row_bytes_)),
        rows_(static_cast<std::size_t>(pack::kMostLineRows)) {}

  const std::uint8_t* const* read(const pack::RowLine& place) {
    constexpr std::int64_t kFour = 4 * pack::kSliceWeights;
    for (std::int64_t i = 0; i < pack::kMostLineRows; ++i) {
      const std::int64_t row = i < kFour ? place.first + i : place.fifth + i - kFour;
      const bool there = row < weights_.out() && (i < kFour || place.fifth >= 0);
      rows_[static_cast<std::size_t>(i)] = there ? weights_.two_bits(row, scratch_.data() + i * row_bytes_) : nullptr;
    }
    return rows_.data();
  }

 private:
  const CpuTernary& weights_;
  std::int64_t row_bytes_;
  std::vector<std::uint8_t> scratch_;
  std::vector<const std::uint8_t*> rows_;
};

}  // namespace

void CpuBackend::prepare_columns(std::span<TernaryWeights* const> weights) {
  if (pool_.size() > kMostColumnThreads) return;
  std::vector<CpuTernary*> matrices;
  std::vector<TernaryShape> shapes;
  for (TernaryWeights* each : weights) {
    auto& matrix = static_cast<CpuTernary&>(*each);
    if (matrix.weight_scales.group != 0) continue;  // their sums are by group of inputs
    matrices.push_back(&matrix);
    shapes.push_back({matrix.in(), matrix.out()});
  }
  if (matrices.empty()) return;
  reserve_ternary(shapes);
  for (CpuTernary* matrix : matrices) {
    const std::int64_t column_bytes = pack::row_bytes(matrix->out(), matrix->coding());
    auto columns = std::make_unique<CpuTernary>(code_memory(static_cast<std::size_t>(matrix->in() * column_bytes)),
                                                matrix->in(), matrix->out(), matrix->coding());
    pool_.share(column_bytes / pack::kBlockBytes, 1, [&](int, PartRange lines) {
      LineRows rows(*matrix);
      for (std::int64_t line = lines.begin; line < lines.end; ++line) {
        const pack::RowLine place = pack::row_line(pack::block_count(matrix->out()), matrix->coding(), line);
        pack::make_column_lines(rows.read(place), place, matrix->in(), columns->codes.get() + line * pack::kBlockBytes,
                                column_bytes);
      }
    });
    matrix->columns = std::move(columns);
  }
}

}  // namespace bitnet::backend
