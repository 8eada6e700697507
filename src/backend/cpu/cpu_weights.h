#pragma once

#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "backend/weights.h"
#include "base/aligned_buffer.h"
#include "kernels/kernel_table.h"
#include "pack/nibble_rows.h"
#include "pack/quant_blocks.h"
#include "pack/ternary_layout.h"

namespace bitnet::backend {

/// Ternary weights in a layout of pack/ternary_layout.h.
class CpuTernary final : public TernaryWeights {
 public:
  /// codes: [out, row_bytes(in, coding)].
  CpuTernary(std::shared_ptr<std::uint8_t> codes, std::int64_t out, std::int64_t in, pack::TernaryCoding coding)
      : codes(std::move(codes)), out_(out), in_(in), coding_(coding) {}
  [[nodiscard]] std::int64_t out() const override { return out_; }
  [[nodiscard]] std::int64_t in() const override { return in_; }
  [[nodiscard]] std::int64_t bytes() const override { return token_bytes() + (columns ? columns->bytes() : 0); }
  [[nodiscard]] std::int64_t token_bytes() const override {
    return out_ * row_bytes() +
           static_cast<std::int64_t>((weight_scales.values.size() + weight_scales.bias.size()) * 4);
  }
  [[nodiscard]] const WeightScales& scales() const override { return weight_scales; }
  void read_row(std::int64_t row, std::int8_t* weights) const override;
  [[nodiscard]] pack::TernaryCoding coding() const { return coding_; }

  /// Row `r` in two bits: where it lies, or unpacked into `scratch`, [row_bytes(in)].
  [[nodiscard]] const std::uint8_t* two_bits(std::int64_t r, std::uint8_t* scratch) const;
  /// Sets the rows [row, row + rows) from two_bits: [rows, row_bytes(in)].
  void store_rows(std::int64_t row, std::int64_t rows, const std::uint8_t* two_bits);
  [[nodiscard]] kernels::TernaryMatrix matrix() const {
    return {codes.get(), out_, pack::block_count(in_), row_bytes()};
  }

  std::shared_ptr<std::uint8_t> codes;
  WeightScales weight_scales;
  std::unique_ptr<CpuTernary> columns;  // the weights of each input as a row, made by prepare_columns()

 private:
  [[nodiscard]] std::int64_t row_bytes() const { return pack::row_bytes(in_, coding_); }
  [[nodiscard]] std::uint8_t* row(std::int64_t r) const { return codes.get() + r * row_bytes(); }

  std::int64_t out_;
  std::int64_t in_;
  pack::TernaryCoding coding_;
};

/// A four-bit copy of float rows with a bound for each, pack/nibble_rows.h.
struct CpuNibbleCopy {
  CpuNibbleCopy(std::int64_t rows, std::int64_t cols)
      : codes(static_cast<std::size_t>(rows * pack::nibble_blocks(cols) * pack::kNibbleBlockBytes)),
        scales(static_cast<std::size_t>(rows * pack::kNibbleScales)),
        errors(static_cast<std::size_t>(rows)),
        norms(static_cast<std::size_t>(rows)),
        blocks(pack::nibble_blocks(cols)) {}
  [[nodiscard]] std::uint8_t* codes_of(std::int64_t row) const {
    return codes.as<std::uint8_t>() + row * blocks * pack::kNibbleBlockBytes;
  }
  [[nodiscard]] std::uint16_t* scales_of(std::int64_t row) { return scales.data() + row * pack::kNibbleScales; }
  [[nodiscard]] kernels::NibbleMatrix matrix() const { return {codes_of(0), scales.data(), blocks}; }
  [[nodiscard]] std::int64_t bytes() const {
    return static_cast<std::int64_t>(codes.size() + scales.size() * 2 + errors.size() * 8);
  }

  AlignedBuffer codes;
  std::vector<std::uint16_t> scales;
  std::vector<float> errors;  // pack::NibbleBound of each row
  std::vector<float> norms;
  std::int64_t blocks;
};

/// Rows of f32, f16, bf16 or blocks as they came, where they came from if that lives as long.
class CpuDense final : public DenseWeights {
 public:
  /// data: [rows, cols], aligned for the type, or rows of blocks; then `type` is what they are decoded to.
  CpuDense(std::shared_ptr<const std::byte> data, kernels::DenseType type, std::optional<pack::QuantBlocks> blocks,
           std::int64_t rows, std::int64_t cols, std::size_t row_bytes)
      : data(std::move(data)), type(type), blocks(blocks), rows_(rows), cols_(cols), row_bytes_(row_bytes) {}
  [[nodiscard]] std::int64_t rows() const override { return rows_; }
  [[nodiscard]] std::int64_t cols() const override { return cols_; }
  [[nodiscard]] std::int64_t bytes() const override { return own_bytes() + (copy ? copy->bytes() : 0); }
  [[nodiscard]] std::int64_t top_bytes() const override { return copy ? copy->bytes() : own_bytes(); }
  [[nodiscard]] const std::byte* row(std::int64_t r) const {
    return data.get() + static_cast<std::size_t>(r) * row_bytes_;
  }
  /// Row `r` of blocks as cols() floats.
  void decode_row(std::int64_t r, float* out) const {
    pack::dequantize_row(*blocks, reinterpret_cast<const std::uint8_t*>(row(r)), cols_, out);
  }

  std::shared_ptr<const std::byte> data;
  kernels::DenseType type;
  std::optional<pack::QuantBlocks> blocks;
  std::unique_ptr<CpuNibbleCopy> copy;  // made by prepare_top()

 private:
  [[nodiscard]] std::int64_t own_bytes() const { return rows_ * static_cast<std::int64_t>(row_bytes_); }

  std::int64_t rows_;
  std::int64_t cols_;
  std::size_t row_bytes_;
};

}  // namespace bitnet::backend
