#include "pack/prepare.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <mutex>
#include <optional>

#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/cpu_weights.h"
#include "base/fail.h"
#include "pack/absmean.h"

namespace bitnet::backend {
namespace {

kernels::DenseType dense_type(DType dtype, const std::string& name) {
  switch (dtype) {
    case DType::f32:
      return kernels::DenseType::f32;
    case DType::f16:
      return kernels::DenseType::f16;
    case DType::bf16:
      return kernels::DenseType::bf16;
    default:
      fail(ErrorKind::corrupt, "{} has dtype {}; expected F32, F16 or BF16", name, name_of(dtype));
  }
}

std::optional<pack::QuantBlocks> blocks_of(DenseForm form) {
  switch (form) {
    case DenseForm::elements:
      return std::nullopt;
    case DenseForm::q8_0:
      return pack::QuantBlocks::q8_0;
    case DenseForm::q4_0:
      return pack::QuantBlocks::q4_0;
    case DenseForm::q6_k:
      return pack::QuantBlocks::q6_k;
  }
  return std::nullopt;
}

constexpr std::int64_t kReadBytes = 128 << 10;

/// A multiple of a block: what follows in the same memory is aligned as well.
std::size_t code_bytes(const TernaryShape& shape) {
  return static_cast<std::size_t>(shape.out * pack::row_bytes(shape.in));
}

/// The first bad code that any thread met: the lowest row, so that the message does not depend on the threads.
class FirstBadCode {
 public:
  void report(pack::Position at) {
    const std::lock_guard lock(mutex_);
    if (!at_ || at.row < at_->row) at_ = at;
  }
  void throw_if_any(const TernarySource& source) const {
    if (!at_) return;
    fail(ErrorKind::corrupt,
         "{}: row {}, column {} holds no ternary weight (code 3); expected codes 0, 1, 2 for -1, 0, +1", source.name,
         at_->row, at_->column);
  }

 private:
  std::mutex mutex_;
  std::optional<pack::Position> at_;
};

void prepare_huggingface(const TernarySource& source, CpuTernary& weights, ThreadPool& pool) {
  const std::int64_t packed_rows = (source.out + 3) / 4;
  const auto* packed = reinterpret_cast<const std::uint8_t*>(source.data);
  // Row counts that 4 does not divide leave unused rows at the end of the last row block.
  AlignedBuffer wide;
  if (packed_rows * 4 != source.out) {
    wide = AlignedBuffer(static_cast<std::size_t>(packed_rows * 4 * pack::row_bytes(source.in)));
  }
  std::uint8_t* target = wide.size() != 0 ? wide.as<std::uint8_t>() : weights.row(0);
  FirstBadCode bad;
  // What is read is still in the cache when it is repacked.
  const std::int64_t rows_at_once = std::max<std::int64_t>(1, kReadBytes / std::max<std::int64_t>(1, source.in));
  pool.share(packed_rows, rows_at_once, [&](int, PartRange rows) {
    std::vector<std::byte> buffer;
    for (std::int64_t r = rows.begin; r < rows.end; r += rows_at_once) {
      const std::int64_t end = std::min(rows.end, r + rows_at_once);
      const std::uint8_t* from = packed + r * source.in;
      if (source.read) {
        buffer.resize(static_cast<std::size_t>((end - r) * source.in));
        source.read(static_cast<std::size_t>(r * source.in), buffer);
        from = reinterpret_cast<const std::uint8_t*>(buffer.data());
      }
      if (const auto at = pack::prepare_hf(from, packed_rows, source.in, r, end, target)) {
        bad.report(*at);
        return;
      }
    }
  });
  bad.throw_if_any(source);
  if (wide.size() != 0) std::copy_n(target, source.out * pack::row_bytes(source.in), weights.row(0));
}

void prepare_design(const TernarySource& source, CpuTernary& weights, ThreadPool& pool) {
  const std::int64_t words = source.in / 16;
  FirstBadCode bad;
  pool.run([&](int part, int parts) {
    std::vector<std::int8_t> row(static_cast<std::size_t>(source.in));
    const PartRange rows = part_range(source.out, part, parts);
    for (std::int64_t r = rows.begin; r < rows.end; ++r) {
      for (std::int64_t i = 0; i < words; ++i) {
        std::uint32_t word = 0;
        std::memcpy(&word, source.data + (r * words + i) * 4, sizeof word);
        for (std::int64_t k = 0; k < 16; ++k) {
          row[static_cast<std::size_t>(i * 16 + k)] = static_cast<std::int8_t>((word >> (2 * k) & 3) - 1);
        }
      }
      if (const auto at = pack::prepare_int8(row.data(), 1, source.in, source.in, weights.row(r))) {
        bad.report({r, at->column});
        return;
      }
    }
  });
  bad.throw_if_any(source);
}

void prepare_rows(const TernarySource& source, CpuTernary& weights, ThreadPool& pool) {
  const auto* rows = reinterpret_cast<const std::int8_t*>(source.data);
  FirstBadCode bad;
  pool.run([&](int part, int parts) {
    const PartRange range = part_range(source.out, part, parts);
    const std::int64_t begin = range.begin;
    if (const auto at =
            pack::prepare_int8(rows + begin * source.in, range.end - begin, source.in, source.in, weights.row(begin))) {
      bad.report({begin + at->row, at->column});
    }
  });
  bad.throw_if_any(source);
}

void prepare_decoded(const TernarySource& source, CpuTernary& weights, ThreadPool& pool) {
  // As many rows at a time as stay in the cache between the two steps.
  const std::int64_t together =
      std::clamp<std::int64_t>(kReadBytes / std::max<std::int64_t>(source.in, 1), 1, source.out);
  FirstBadCode bad;
  pool.run([&](int part, int parts) {
    std::vector<std::int8_t> rows(static_cast<std::size_t>(together * source.in));
    const PartRange range = part_range(source.out, part, parts);
    for (std::int64_t r = range.begin; r < range.end; r += together) {
      const std::int64_t count = std::min(together, range.end - r);
      source.decode(r, count, rows.data());
      if (const auto at = pack::prepare_int8(rows.data(), count, source.in, source.in, weights.row(r))) {
        bad.report({r + at->row, at->column});
        return;
      }
    }
  });
  bad.throw_if_any(source);
}

/// Returns the weight scale γ.
float prepare_master(const TernarySource& source, CpuTernary& weights, const kernels::KernelTable& table,
                     ThreadPool& pool) {
  const auto to_float = table.to_float[static_cast<int>(dense_type(source.dtype, source.name))];
  const auto row_bytes = source.in * static_cast<std::int64_t>(size_of(source.dtype));
  std::vector<double> sums(static_cast<std::size_t>(source.out));
  pool.run([&](int part, int parts) {
    std::vector<float> row(static_cast<std::size_t>(source.in));
    const PartRange rows = part_range(source.out, part, parts);
    for (std::int64_t r = rows.begin; r < rows.end; ++r) {
      to_float(source.data + r * row_bytes, source.in, row.data());
      double sum = 0.0;
      for (const float w : row) sum += std::fabs(w);
      sums[static_cast<std::size_t>(r)] = sum;
    }
  });
  double total = 0.0;  // in the order of the rows, whoever summed them
  for (const double sum : sums) total += sum;
  if (!std::isfinite(total)) fail(ErrorKind::corrupt, "{} holds NaN or infinity; expected finite weights", source.name);
  const float s = pack::absmean_scale(total, source.out * source.in);
  pool.run([&](int part, int parts) {
    std::vector<float> row(static_cast<std::size_t>(source.in));
    std::vector<std::int8_t> ternary(row.size());
    const PartRange rows = part_range(source.out, part, parts);
    for (std::int64_t r = rows.begin; r < rows.end; ++r) {
      to_float(source.data + r * row_bytes, source.in, row.data());
      std::transform(row.begin(), row.end(), ternary.begin(), [&](float w) { return pack::ternary_weight(w, s); });
      // Values come from ternary_weight(), so that the check inside cannot fail.
      (void)pack::prepare_int8(ternary.data(), 1, source.in, source.in, weights.row(r));
    }
  });
  return 1.0F / s;
}

}  // namespace

void CpuTernary::read_row(std::int64_t r, std::int8_t* weights) const {
  pack::unprepare_int8(row(r), 1, in_, in_, weights);
}

void CpuBackend::reserve_ternary(std::span<const TernaryShape> shapes) {
  std::size_t bytes = 0;
  for (const TernaryShape& shape : shapes) bytes += code_bytes(shape);
  const auto memory = std::make_shared<AlignedBuffer>(bytes);
  // Fresh pages cost more than the weights that are written there. Each thread touches huge pages of its own: two that
  // meet in one would both clear one, and one of the two is then thrown away.
  constexpr std::int64_t kHugePage = std::int64_t{2} << 20;
  constexpr std::int64_t kPage = 4096;
  pool_.share(static_cast<std::int64_t>(bytes), kHugePage, [&](int, PartRange piece) {
    volatile auto* at = memory->as<std::uint8_t>();
    for (std::int64_t i = piece.begin; i < piece.end; i += kPage) at[i] = 0;
  });
  reserved_ = memory;
  reserved_used_ = 0;
}

std::shared_ptr<std::uint8_t> CpuBackend::code_memory(const TernaryShape& shape) {
  const std::size_t bytes = code_bytes(shape);
  if (!reserved_ || bytes > reserved_->size() - reserved_used_) {
    const auto own = std::make_shared<AlignedBuffer>(bytes);
    return {own, own->as<std::uint8_t>()};
  }
  std::shared_ptr<std::uint8_t> memory(reserved_, reserved_->as<std::uint8_t>() + reserved_used_);
  reserved_used_ += bytes;
  if (reserved_used_ == reserved_->size()) reserved_.reset();
  return memory;
}

std::unique_ptr<TernaryWeights> CpuBackend::prepare_ternary(const TernarySource& source, WeightScales scales) {
  auto weights = std::make_unique<CpuTernary>(code_memory({source.out, source.in}), source.out, source.in);
  switch (source.form) {
    case TernaryForm::huggingface_packed:
      prepare_huggingface(source, *weights, pool_);
      break;
    case TernaryForm::design_packed:
      prepare_design(source, *weights, pool_);
      break;
    case TernaryForm::int8_rows:
      prepare_rows(source, *weights, pool_);
      break;
    case TernaryForm::decoded:
      prepare_decoded(source, *weights, pool_);
      break;
    case TernaryForm::master:
      scales.values = {prepare_master(source, *weights, table_, pool_)};
      break;
  }
  weights->weight_scales = std::move(scales);
  return weights;
}

std::unique_ptr<DenseWeights> CpuBackend::prepare_dense(const DenseSource& source) {
  const std::optional<pack::QuantBlocks> blocks = blocks_of(source.form);
  const kernels::DenseType type = blocks ? kernels::DenseType::f32 : dense_type(source.dtype, source.name);
  const pack::QuantBlockShape element =
      blocks ? pack::shape_of(*blocks) : pack::QuantBlockShape{1, static_cast<std::int64_t>(size_of(source.dtype))};
  if (source.cols % element.weights != 0) {
    fail(ErrorKind::corrupt, "{} has {} columns; expected a multiple of its block of {}", source.name, source.cols,
         element.weights);
  }
  const auto row_bytes = static_cast<std::size_t>(source.cols / element.weights * element.bytes);
  const bool aligned = blocks || reinterpret_cast<std::uintptr_t>(source.data) % size_of(source.dtype) == 0;
  std::shared_ptr<const std::byte> data(source.owner, source.data);
  if (!source.owner || !aligned) {
    auto own = std::make_shared<AlignedBuffer>(static_cast<std::size_t>(source.rows) * row_bytes);
    pool_.run([&](int part, int parts) {
      const PartRange rows = part_range(source.rows, part, parts);
      const std::size_t begin = static_cast<std::size_t>(rows.begin) * row_bytes;
      std::memcpy(own->data() + begin, source.data + begin,
                  static_cast<std::size_t>(rows.end - rows.begin) * row_bytes);
    });
    data = {own, own->data()};
  }
  return std::make_unique<CpuDense>(std::move(data), type, blocks, source.rows, source.cols, row_bytes);
}

}  // namespace bitnet::backend
