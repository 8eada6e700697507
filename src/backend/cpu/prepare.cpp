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
#include "pack/base3.h"

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

/// So many rows of `in` weights stay in the cache, a byte a weight, between two steps of the work.
std::int64_t rows_at_once(std::int64_t in) {
  return std::max<std::int64_t>(1, kReadBytes / std::max<std::int64_t>(1, in));
}

/// Rows in two bits a code on their way into a matrix. Each thread has its own.
class RowScratch {
 public:
  RowScratch(std::int64_t rows, std::int64_t in)
      : row_bytes_(pack::row_bytes(in)), codes_(static_cast<std::size_t>(rows * row_bytes_)) {}
  [[nodiscard]] std::uint8_t* row(std::int64_t r) { return codes_.data() + r * row_bytes_; }

  /// Packs `rows` rows of int8 [rows, in] and stores them from `first` on. False when some weight is bad.
  bool store_int8(const std::int8_t* weights, std::int64_t first, std::int64_t rows, CpuTernary& to,
                  FirstBadCode& bad) {
    if (const auto at = pack::prepare_int8(weights, rows, to.in(), to.in(), row(0))) {
      bad.report({first + at->row, at->column});
      return false;
    }
    to.store_rows(first, rows, row(0));
    return true;
  }

 private:
  std::int64_t row_bytes_;
  std::vector<std::uint8_t> codes_;
};

/// A packed row holds four rows that are far apart. The last packed rows may hold fewer.
void prepare_huggingface(const TernarySource& source, CpuTernary& weights, ThreadPool& pool) {
  const std::int64_t packed_rows = (source.out + 3) / 4;
  const auto* packed = reinterpret_cast<const std::uint8_t*>(source.data);
  FirstBadCode bad;
  const std::int64_t together = rows_at_once(source.in);
  pool.share(packed_rows, together, [&](int, PartRange rows) {
    std::vector<std::byte> buffer;
    RowScratch scratch(4 * std::min(together, rows.end - rows.begin), source.in);
    for (std::int64_t r = rows.begin; r < rows.end; r += together) {
      const std::int64_t count = std::min(together, rows.end - r);
      const std::uint8_t* from = packed + r * source.in;
      if (source.read) {
        buffer.resize(static_cast<std::size_t>(count * source.in));
        source.read(static_cast<std::size_t>(r * source.in), buffer);
        from = reinterpret_cast<const std::uint8_t*>(buffer.data());
      }
      if (const auto at = pack::prepare_hf(from, count, source.in, scratch.row(0))) {
        bad.report({at->row / count * packed_rows + r + at->row % count, at->column});
        return;
      }
      for (std::int64_t i = 0; i < 4; ++i) {
        const std::int64_t first = i * packed_rows + r;
        if (first < source.out) {
          weights.store_rows(first, std::min(count, source.out - first), scratch.row(i * count));
        }
      }
    }
  });
  bad.throw_if_any(source);
}

/// Rows that `read_rows` writes as int8 [rows, in].
template <typename ReadRows>
void prepare_each(const TernarySource& source, CpuTernary& weights, ThreadPool& pool, const ReadRows& read_rows) {
  const std::int64_t together = std::min(rows_at_once(source.in), source.out);
  FirstBadCode bad;
  pool.run([&](int part, int parts) {
    std::vector<std::int8_t> rows(static_cast<std::size_t>(together * source.in));
    RowScratch scratch(together, source.in);
    const PartRange range = part_range(source.out, part, parts);
    for (std::int64_t r = range.begin; r < range.end; r += together) {
      const std::int64_t count = std::min(together, range.end - r);
      read_rows(r, count, rows.data());
      if (!scratch.store_int8(rows.data(), r, count, weights, bad)) return;
    }
  });
  bad.throw_if_any(source);
}

void read_design(const TernarySource& source, std::int64_t first, std::int64_t rows, std::int8_t* weights) {
  const std::byte* words = source.data + first * source.in / 4;
  for (std::int64_t i = 0; i < rows * source.in / 16; ++i) {
    std::uint32_t word = 0;
    std::memcpy(&word, words + i * 4, sizeof word);
    for (int k = 0; k < 16; ++k) weights[i * 16 + k] = static_cast<std::int8_t>((word >> (2 * k) & 3) - 1);
  }
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
  FirstBadCode bad;
  pool.run([&](int part, int parts) {
    std::vector<float> row(static_cast<std::size_t>(source.in));
    std::vector<std::int8_t> ternary(row.size());
    RowScratch scratch(1, source.in);
    const PartRange rows = part_range(source.out, part, parts);
    for (std::int64_t r = rows.begin; r < rows.end; ++r) {
      to_float(source.data + r * row_bytes, source.in, row.data());
      std::transform(row.begin(), row.end(), ternary.begin(), [&](float w) { return pack::ternary_weight(w, s); });
      scratch.store_int8(ternary.data(), r, 1, weights, bad);
    }
  });
  bad.throw_if_any(source);  // never: the values come from ternary_weight()
  return 1.0F / s;
}

}  // namespace

void CpuTernary::read_row(std::int64_t r, std::int8_t* weights) const {
  std::vector<std::uint8_t> scratch(static_cast<std::size_t>(pack::row_bytes(in_)));
  pack::unprepare_int8(two_bits(r, scratch.data()), 1, in_, in_, weights);
}

const std::uint8_t* CpuTernary::two_bits(std::int64_t r, std::uint8_t* scratch) const {
  if (coding_ == pack::TernaryCoding::two_bits) return row(r);
  pack::unpack_base3(row(r), pack::block_count(in_), scratch);
  return scratch;
}

void CpuTernary::store_rows(std::int64_t first, std::int64_t rows, const std::uint8_t* two_bits) {
  const std::int64_t from_bytes = pack::row_bytes(in_);
  for (std::int64_t r = 0; r < rows; ++r) {
    if (coding_ == pack::TernaryCoding::two_bits) {
      std::copy_n(two_bits + r * from_bytes, from_bytes, row(first + r));
    } else {
      pack::pack_base3(two_bits + r * from_bytes, pack::block_count(in_), row(first + r));
    }
  }
}

void CpuBackend::reserve_ternary(std::span<const TernaryShape> shapes) {
  std::size_t bytes = 0;
  for (const TernaryShape& shape : shapes) {
    bytes += static_cast<std::size_t>(shape.out * pack::row_bytes(shape.in, table_.coding));
  }
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

std::shared_ptr<std::uint8_t> CpuBackend::code_memory(std::size_t bytes) {
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
  // Sums of groups are taken from two bits: a group would begin anywhere in base3.
  const pack::TernaryCoding coding = scales.group == 0 ? table_.coding : pack::TernaryCoding::two_bits;
  const auto bytes = static_cast<std::size_t>(source.out * pack::row_bytes(source.in, coding));
  auto weights = std::make_unique<CpuTernary>(code_memory(bytes), source.out, source.in, coding);
  switch (source.form) {
    case TernaryForm::huggingface_packed:
      prepare_huggingface(source, *weights, pool_);
      break;
    case TernaryForm::design_packed:
      prepare_each(source, *weights, pool_,
                   [&](std::int64_t r, std::int64_t rows, std::int8_t* to) { read_design(source, r, rows, to); });
      break;
    case TernaryForm::int8_rows:
      prepare_each(source, *weights, pool_, [&](std::int64_t r, std::int64_t rows, std::int8_t* to) {
        std::copy_n(reinterpret_cast<const std::int8_t*>(source.data) + r * source.in, rows * source.in, to);
      });
      break;
    case TernaryForm::decoded:
      prepare_each(source, *weights, pool_, source.decode);
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
