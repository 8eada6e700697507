#pragma once
/// What a backend is given at load, and the opaque things that it makes of it.

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tensor/dtype.h"

namespace bitnet::backend {

/// How keys and values are kept. q8 and q4: integers of so many bits, and one scale for each token, head and layer.
enum class KvType { f32, f16, q8, q4 };

/// How a ternary matrix lies in memory. T is [out, in]; docs/formats has a bit diagram of each.
enum class TernaryForm {
  huggingface_packed,  ///< uint8 [out / 4, in], four row blocks in a byte
  design_packed,       ///< uint32 [out, in / 16], lowest bits first
  int8_rows,           ///< int8 [out, in] of -1, 0, +1
  decoded,             ///< whatever `decode` makes of it
  master,              ///< float weights, ternary by absmean over the whole tensor; sets its own scale
};

/// Bytes need no alignment. They must stay valid during prepare_ternary only.
struct TernarySource {
  std::string name;  ///< for errors: file and tensor
  TernaryForm form = TernaryForm::huggingface_packed;
  DType dtype = DType::u8;  ///< of a master: f32, f16 or bf16
  const std::byte* data = nullptr;
  std::int64_t out = 0;
  std::int64_t in = 0;
  /// Writes rows [row, row + rows) as -1, 0, +1 to weights[rows, in], from any thread; throws Error(corrupt) for what
  /// is none of them. Only for TernaryForm::decoded, which needs no `data`.
  std::function<void(std::int64_t row, std::int64_t rows, std::int8_t* weights)> decode = nullptr;
  /// Copies a part of `data`, from any thread, where that is cheaper than to look at it there; empty where it is not.
  std::function<void(std::size_t offset, std::span<std::byte> into)> read = nullptr;
};

struct TernaryShape {
  std::int64_t out = 0;
  std::int64_t in = 0;
};

/// How integer sums become the output: with s_x the token's activation scale, g a weight scale, b the bias.
enum class ScaleRule {
  multiply,             ///< y = sums / s_x · g + b
  multiply_after_bias,  ///< y = (sums / s_x + b) · g
  divide,               ///< y = sums / (s_x · g) + b
};

struct WeightScales {
  std::vector<float> values;  ///< 1 (per tensor), [out] (per row) or [out, groups]; empty for a master
  std::int64_t group = 0;     ///< inputs that share one scale, a multiple of 64; 0: the whole row
  ScaleRule rule = ScaleRule::multiply;
  std::vector<float> bias = {};  ///< [out], or empty
};

class TernaryWeights {
 public:
  virtual ~TernaryWeights() = default;
  [[nodiscard]] virtual std::int64_t out() const = 0;
  [[nodiscard]] virtual std::int64_t in() const = 0;
  [[nodiscard]] virtual std::int64_t bytes() const = 0;        ///< resident memory
  [[nodiscard]] virtual std::int64_t token_bytes() const = 0;  ///< what a token reads of it at most
  [[nodiscard]] virtual const WeightScales& scales() const = 0;
  /// Row `row` as -1, 0, +1; `weights` has in() elements. For tests and tools.
  virtual void read_row(std::int64_t row, std::int8_t* weights) const = 0;
};

/// How full-precision weights lie in memory: elements of a dtype, or GGUF blocks of docs/formats/quant-blocks.md, which
/// stand for float32 values and give the results of those.
enum class DenseForm { elements, q8_0, q4_0, q6_k };

/// Full-precision weights [rows, cols]: embedding, head, linears that are not converted. Bytes need no alignment.
struct DenseSource {
  std::string name;
  DType dtype = DType::bf16;  ///< of elements: f32, f16 or bf16
  const std::byte* data = nullptr;
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  /// While this lives, `data` stays as it is: a backend need not copy it. Without one, the bytes must stay valid during
  /// prepare_dense only.
  std::shared_ptr<const void> owner = nullptr;
  DenseForm form = DenseForm::elements;  ///< others: rows of whole blocks
};

class DenseWeights {
 public:
  virtual ~DenseWeights() = default;
  [[nodiscard]] virtual std::int64_t rows() const = 0;
  [[nodiscard]] virtual std::int64_t cols() const = 0;
  [[nodiscard]] virtual std::int64_t bytes() const = 0;      ///< memory, the owner's included
  [[nodiscard]] virtual std::int64_t top_bytes() const = 0;  ///< what linear_top() reads of it at least
};

}  // namespace bitnet::backend
