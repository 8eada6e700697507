#include "loading/gguf_blocks.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/fail.h"
#include "base/float16.h"
#include "pack/i2_s.h"
#include "pack/quant_blocks.h"
#include "pack/ternary_blocks.h"
#include "tensor/tensor_view.h"

namespace bitnet::loading {
namespace {

using formats::GgufType;

DType dtype_of(GgufType type) {
  return type == GgufType::f32 ? DType::f32 : type == GgufType::f16 ? DType::f16 : DType::bf16;
}

pack::TernaryBlocks ternary_form(GgufType type) {
  switch (type) {
    case GgufType::tq1_0:
      return pack::TernaryBlocks::tq1_0;
    case GgufType::tq2_0:
      return pack::TernaryBlocks::tq2_0;
    case GgufType::q2_0:
      return pack::TernaryBlocks::q2_0;
    default:
      return pack::TernaryBlocks::q2_0_128;
  }
}

pack::QuantBlocks quant_form(GgufType type) {
  return type == GgufType::q8_0   ? pack::QuantBlocks::q8_0
         : type == GgufType::q6_k ? pack::QuantBlocks::q6_k
                                  : pack::QuantBlocks::q4_0;
}

backend::DenseForm dense_form(GgufType type) {
  switch (type) {
    case GgufType::q8_0:
      return backend::DenseForm::q8_0;
    case GgufType::q6_k:
      return backend::DenseForm::q6_k;
    case GgufType::q4_0:
      return backend::DenseForm::q4_0;
    default:
      return backend::DenseForm::elements;
  }
}

const std::uint8_t* bytes_of(std::span<const std::byte> bytes) {
  return reinterpret_cast<const std::uint8_t*>(bytes.data());
}

[[noreturn]] void fail_code(const std::string& name, std::int64_t row, std::int64_t column) {
  fail(ErrorKind::corrupt,
       "{}: row {}, column {} holds no ternary weight (code 3); expected codes 0, 1, 2 for -1, 0, +1", name, row,
       column);
}

void from_floats(GgufType type, std::span<const float> row, std::vector<std::byte>& out) {
  out.resize(formats::gguf_bytes(type, 1, static_cast<std::int64_t>(row.size())));
  if (type == GgufType::f32) {
    std::memcpy(out.data(), row.data(), out.size());
  } else if (is_float(type)) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::uint16_t half = type == GgufType::f16 ? f32_to_f16(row[i]) : f32_to_bf16(row[i]);
      std::memcpy(out.data() + 2 * i, &half, 2);
    }
  } else {
    pack::quantize_row(quant_form(type), row.data(), static_cast<std::int64_t>(row.size()),
                       reinterpret_cast<std::uint8_t*>(out.data()));
  }
}

}  // namespace

bool is_float(GgufType type) { return type == GgufType::f32 || type == GgufType::f16 || type == GgufType::bf16; }

void floats_of(GgufType type, const std::byte* bytes, std::span<float> out) {
  const std::vector<float> values = to_f32({bytes, dtype_of(type), Shape{static_cast<std::int64_t>(out.size())}});
  std::copy(values.begin(), values.end(), out.begin());
}

MeasuredScales block_scales(GgufType type, std::span<const std::byte> bytes, std::int64_t rows, std::int64_t cols,
                            const std::string& source) {
  const auto check = [&](float scale, std::int64_t row, std::int64_t column) {
    if (std::isfinite(scale) && scale >= 0.0F) return;
    fail(ErrorKind::corrupt, "{}: the scale of row {}, column {} is {}; expected a finite number from 0", source, row,
         column, scale);
  };
  if (type == GgufType::i2_s) {
    const float scale = pack::i2_s_scale(bytes_of(bytes.last(pack::kI2sTailBytes)));
    check(scale, 0, 0);
    if (scale == 0.0F) fail(ErrorKind::corrupt, "{}: the scale is 0; expected more", source);
    return {{scale}, 1, rows * cols, rows * cols};
  }
  const pack::TernaryBlocks form = ternary_form(type);
  const pack::TernaryBlockShape shape = pack::shape_of(form);
  const std::int64_t in_row = cols / shape.weights;
  MeasuredScales out{std::vector<float>(static_cast<std::size_t>(rows * in_row)), rows, cols, shape.weights};
  pack::read_block_scales(form, bytes_of(bytes), rows * in_row, out.values.data());
  for (std::int64_t i = 0; i < rows * in_row; ++i) {
    check(out.values[static_cast<std::size_t>(i)], i / in_row, i % in_row * shape.weights);
  }
  return out;
}

void BlockReader::rows(std::int64_t row, std::int64_t rows, std::int8_t* weights) const {
  const GgufType type = tensor_.type;
  const bool flat = type == GgufType::i2_s;
  // i2_s: blocks of the flattened matrix that the rows touch; else whole rows.
  const std::int64_t first = flat ? row * cols_ / pack::kI2sBlockWeights : row;
  const std::int64_t end =
      flat ? ((row + rows) * cols_ + pack::kI2sBlockWeights - 1) / pack::kI2sBlockWeights : row + rows;
  const std::size_t unit = flat ? pack::kI2sBlockBytes : formats::gguf_bytes(type, 1, cols_);
  thread_local std::vector<std::byte> bytes;
  bytes.resize(static_cast<std::size_t>(end - first) * unit);
  file_.read(tensor_, static_cast<std::size_t>(first) * unit, bytes);
  const std::string name = tensor_.name;
  if (flat) {
    const std::int64_t begin = row * cols_;
    if (const auto at = pack::unpack_i2_s(bytes_of(bytes), begin, begin + rows * cols_, weights)) {
      fail_code(file_.path().string() + ": tensor " + name, *at / cols_, *at % cols_);
    }
    return;
  }
  for (std::int64_t r = 0; r < rows; ++r) {
    const std::byte* from = bytes.data() + static_cast<std::size_t>(r) * unit;
    std::int8_t* to = weights + r * cols_;
    if (is_float(type)) {
      for (const float w : to_f32({from, dtype_of(type), Shape{cols_}})) {
        *to++ = static_cast<std::int8_t>((w > 0.0F) - (w < 0.0F));
      }
      continue;
    }
    const pack::TernaryBlocks form = ternary_form(type);
    const std::int64_t block = pack::shape_of(form).weights;
    thread_local std::vector<float> scales;
    scales.resize(static_cast<std::size_t>(cols_ / block));
    const auto bad = pack::unpack_ternary_blocks(form, reinterpret_cast<const std::uint8_t*>(from), cols_ / block, to,
                                                 scales.data());
    if (bad)
      fail_code(file_.path().string() + ": tensor " + name, row + r, bad->block * block + bad->weight.value_or(0));
  }
}

backend::DenseSource dense_source(const formats::GgufTensor& tensor, std::string name, std::int64_t rows,
                                  std::int64_t cols, std::shared_ptr<const void> owner) {
  return {std::move(name),  dtype_of(tensor.type),  tensor.bytes.data(), rows, cols,
          std::move(owner), dense_form(tensor.type)};
}

GgufType type_of(const backend::DenseSource& source) {
  for (const GgufType type : {GgufType::q8_0, GgufType::q6_k, GgufType::q4_0}) {
    if (source.form == dense_form(type)) return type;
  }
  return source.dtype == DType::f32 ? GgufType::f32 : source.dtype == DType::f16 ? GgufType::f16 : GgufType::bf16;
}

void read_dense_row(const backend::DenseSource& source, std::int64_t row, std::span<float> out) {
  const GgufType type = type_of(source);
  const std::byte* bytes = source.data + static_cast<std::size_t>(row) * formats::gguf_bytes(type, 1, source.cols);
  if (is_float(type)) {
    floats_of(type, bytes, out);
  } else {
    pack::dequantize_row(quant_form(type), reinterpret_cast<const std::uint8_t*>(bytes), source.cols, out.data());
  }
}

void write_dense(const backend::DenseSource& source, GgufType type,
                 const std::function<void(std::span<const std::byte>)>& write) {
  const std::size_t row_bytes = formats::gguf_bytes(type, 1, source.cols);
  if (type == type_of(source)) {
    write({source.data, static_cast<std::size_t>(source.rows) * row_bytes});
    return;
  }
  std::vector<float> row(static_cast<std::size_t>(source.cols));
  std::vector<std::byte> bytes;
  for (std::int64_t r = 0; r < source.rows; ++r) {
    read_dense_row(source, r, row);
    from_floats(type, row, bytes);
    write(bytes);
  }
}

std::span<const std::byte> TernaryEncoder::row(std::span<const std::int8_t> weights,
                                               const std::function<float(std::int64_t column)>& factor_of) {
  if (type_ == GgufType::i2_s) {
    factor_ = factor_of(0);
    pending_.insert(pending_.end(), weights.begin(), weights.end());
    const std::size_t whole = pending_.size() / pack::kI2sBlockWeights * pack::kI2sBlockWeights;
    bytes_.resize(whole / 4);
    pack::pack_i2_s(pending_.data(), static_cast<std::int64_t>(whole), reinterpret_cast<std::uint8_t*>(bytes_.data()));
    pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(whole));
    return bytes_;
  }
  const pack::TernaryBlocks form = ternary_form(type_);
  const std::int64_t block = pack::shape_of(form).weights;
  std::vector<float> factors;
  for (std::int64_t column = 0; column < cols_; column += block) factors.push_back(factor_of(column));
  bytes_.resize(formats::gguf_bytes(type_, 1, cols_));
  pack::pack_ternary_blocks(form, weights.data(), factors.data(), cols_ / block,
                            reinterpret_cast<std::uint8_t*>(bytes_.data()));
  return bytes_;
}

std::span<const std::byte> TernaryEncoder::tail() {
  bytes_.assign(type_ == GgufType::i2_s ? pack::kI2sTailBytes : 0, std::byte{0});
  if (!bytes_.empty()) pack::write_i2_s_tail(factor_, reinterpret_cast<std::uint8_t*>(bytes_.data()));
  return bytes_;
}

}  // namespace bitnet::loading
