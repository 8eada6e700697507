#pragma once
/// What GGUF's element types hold: floats, ternary weights, scales.

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "backend/weights.h"
#include "formats/gguf.h"
#include "loading/measured_scales.h"

namespace bitnet::loading {

[[nodiscard]] bool is_float(formats::GgufType type);

/// f32, f16 or bf16 from bytes of any alignment.
void floats_of(formats::GgufType type, const std::byte* bytes, std::span<float> out);

/// The scales of a ternary block type. Throws Error(corrupt) naming `source` for one that is not finite or below 0.
[[nodiscard]] MeasuredScales block_scales(formats::GgufType type, std::span<const std::byte> bytes, std::int64_t rows,
                                          std::int64_t cols, const std::string& source);

/// The type that a file would have for a source as it is.
[[nodiscard]] formats::GgufType type_of(const backend::DenseSource& source);

/// Row `row` of a source as floats.
void read_dense_row(const backend::DenseSource& source, std::int64_t row, std::span<float> out);

/// Writes the rows of a source as another type, or as they are, some at a time.
void write_dense(const backend::DenseSource& source, formats::GgufType type,
                 const std::function<void(std::span<const std::byte>)>& write);

/// A matrix in full precision, or in blocks of q8_0, q6_k, q4_0.
[[nodiscard]] backend::DenseSource dense_source(const formats::GgufTensor& tensor, std::string name, std::int64_t rows,
                                                std::int64_t cols, std::shared_ptr<const void> owner);

/// Ternary rows of a tensor, of a block type or of floats that are ternary as they stand. For any thread.
class BlockReader {
 public:
  BlockReader(const formats::GgufFile& file, const formats::GgufTensor& tensor, std::int64_t cols)
      : file_(file), tensor_(tensor), cols_(cols) {}
  /// weights: [rows, cols]. Throws Error(corrupt) naming row and column of a code that is no weight.
  void rows(std::int64_t row, std::int64_t rows, std::int8_t* weights) const;

 private:
  const formats::GgufFile& file_;
  const formats::GgufTensor& tensor_;
  std::int64_t cols_;
};

/// Makes the bytes of a ternary tensor, row by row. Rows of i2_s need not end where a block does.
class TernaryEncoder {
 public:
  TernaryEncoder(formats::GgufType type, std::int64_t cols) : type_(type), cols_(cols) {}
  /// The blocks that the next row completes; valid until the next call. factor_of(column) is what weights from this
  /// column on are multiplied with.
  [[nodiscard]] std::span<const std::byte> row(std::span<const std::int8_t> weights,
                                               const std::function<float(std::int64_t column)>& factor_of);
  /// What follows the last row; may be empty.
  [[nodiscard]] std::span<const std::byte> tail();

 private:
  formats::GgufType type_;
  std::int64_t cols_;
  float factor_ = 1.0F;
  std::vector<std::int8_t> pending_;  // i2_s: weights of a block that is not complete
  std::vector<std::byte> bytes_;
};

}  // namespace bitnet::loading
