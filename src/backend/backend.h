#pragma once
/// The dozen coarse operations that a transformer needs, without saying where they run. One copy of the transformer
/// (model/) serves every backend; docs/ARCHITECTURE.md names the order of rounding that all CPU tables share.

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "backend/top_rows.h"
#include "backend/weights.h"
#include "tensor/matrix_view.h"

namespace bitnet::backend {

enum class Activation { relu2, silu, gelu, gelu_tanh };

/// Shape of a KV cache: what one token keeps, times the layers.
struct KvShape {
  std::int64_t layers = 0;
  std::int64_t kv_heads = 0;
  std::int64_t head_dim = 0;
  KvType type = KvType::f32;
};

/// Keys and values of kv_block_tokens() consecutive positions of one sequence, for all layers. Opaque.
class KvBlock {
 public:
  virtual ~KvBlock() = default;
};

/// Where one token of a ragged batch stands: its sequence's blocks (position p lives in blocks[p / block tokens])
/// and its own position. It sees positions 0..position of those blocks.
struct KvCursor {
  KvBlock* const* blocks;
  std::int64_t position;
};

inline constexpr std::int64_t kAllKeys = std::int64_t{1} << 40;

/// How queries meet keys.
struct AttentionRule {
  float scale;
  std::int64_t window = kAllKeys;  ///< a token sees the last so many keys of its sequence, its own included
};

/// All methods but the const ones run one at a time. Matrices are row-major, one token a row. Outputs never overlap
/// inputs unless said. A row's result does not depend on the other rows, nor on the number of threads.
class Backend {
 public:
  virtual ~Backend() = default;
  /// For people: "cpu (avx512_vnni, 2 threads)".
  [[nodiscard]] virtual std::string describe() const = 0;

  // --- at load: may run for seconds, uses all threads. Throw Error(corrupt) naming source.name.
  /// Says which ternary weights are going to be prepared: their memory can then come in one piece, from all threads.
  /// Others may be prepared too, and these in another order or not at all.
  virtual void reserve_ternary(std::span<const TernaryShape> shapes) = 0;
  [[nodiscard]] virtual std::unique_ptr<TernaryWeights> prepare_ternary(const TernarySource& source,
                                                                        WeightScales scales) = 0;
  [[nodiscard]] virtual std::unique_ptr<DenseWeights> prepare_dense(const DenseSource& source) = 0;

  /// Gives weights that linear_top() will be asked for what it needs to read less than all of them.
  virtual void prepare_top(DenseWeights& weights) = 0;

  /// Gives linear layers whose inputs are mostly zero what bit_linear() needs to leave out the weights of those, for a
  /// token that comes alone: a copy of the weights by input. For those that gain by one; the results are the same.
  virtual void prepare_columns(std::span<TernaryWeights* const> weights) = 0;
  /// Bytes of weights that bit_linear() did not read for that reason, since the backend was made.
  [[nodiscard]] virtual std::int64_t bytes_left_out() const = 0;

  // --- cache
  [[nodiscard]] virtual std::int64_t kv_block_tokens() const = 0;
  [[nodiscard]] virtual std::int64_t kv_block_bytes(const KvShape& shape) const = 0;
  [[nodiscard]] virtual std::unique_ptr<KvBlock> make_kv_block(const KvShape& shape) = 0;
  virtual void copy_kv_block(const KvBlock& from, KvBlock& to) = 0;
  /// key, value: [kv_heads * head_dim] of one stored position; for tests and tools.
  virtual void read_kv(const KvBlock& block, const KvShape& shape, std::int64_t layer, std::int64_t slot,
                       std::span<float> key, std::span<float> value) const = 0;

  // --- ops
  /// out[t] = row ids[t] of the table.
  virtual void embed(const DenseWeights& table, std::span<const std::int32_t> ids, MatrixView<float> out) = 0;
  /// out = x / sqrt(mean(x²) + eps) · weight; an empty weight is all ones. Each weight.size() columns are normalized by
  /// themselves, so heads can have their norm. out may be x.
  virtual void rms_norm(MatrixView<const float> x, std::span<const float> weight, float eps, MatrixView<float> out) = 0;
  /// out[i] = BitLinear(x; weights[i]): int8 quantization of x per token, shared by all weights; exact integer sums;
  /// scales and bias as weights[i]'s WeightScales say.
  virtual void bit_linear(MatrixView<const float> x, std::span<const TernaryWeights* const> weights,
                          std::span<const MatrixView<float>> out) = 0;
  /// out = x · weightsᵀ + bias (empty: none), in float32.
  virtual void linear(MatrixView<const float> x, const DenseWeights& weights, std::span<const float> bias,
                      MatrixView<float> out) = 0;
  /// linear() for those who pick the largest outputs of a row: wanted[t] says which of row t are exact, equal to
  /// linear()'s bit for bit; the others are -inf. Returns how many outputs were computed from the real weights.
  virtual std::int64_t linear_top(MatrixView<const float> x, const DenseWeights& weights,
                                  std::span<const TopRows> wanted, MatrixView<float> out) = 0;
  /// Rotates the heads of each row in place. cos, sin: [positions, head_dim / 2]; row t uses positions[t].
  virtual void rope(MatrixView<float> x, std::int64_t head_dim, std::span<const KvCursor> tokens, const float* cos,
                    const float* sin) = 0;
  /// Stores row t of keys and values at tokens[t].
  virtual void store_kv(const KvShape& shape, std::int64_t layer, MatrixView<const float> keys,
                        MatrixView<const float> values, std::span<const KvCursor> tokens) = 0;
  /// Causal grouped-query attention of each row over its own sequence, or over a window of it:
  /// out[t, h] = softmax(scale · q[t, h] · Kᵀ) · V. When `probabilities` has data, its row t * heads + h receives the
  /// softmax at the keys that the token sees; the others are left as they are.
  virtual void attention(const KvShape& shape, std::int64_t layer, MatrixView<const float> q, AttentionRule rule,
                         std::span<const KvCursor> tokens, MatrixView<float> out, MatrixView<float> probabilities) = 0;
  /// out = act(x); out may be x.
  virtual void activate(Activation act, MatrixView<const float> x, MatrixView<float> out) = 0;
  /// out = act(gate) · up; out may be gate or up.
  virtual void activate_gated(Activation act, MatrixView<const float> gate, MatrixView<const float> up,
                              MatrixView<float> out) = 0;
  /// x += y.
  virtual void add(MatrixView<float> x, MatrixView<const float> y) = 0;
  /// x *= factor.
  virtual void scale(MatrixView<float> x, float factor) = 0;
};

}  // namespace bitnet::backend
