#pragma once
/// The contract between the CPU backend and an instruction set: a table of functions over raw pointers.
///
/// kernels/scalar defines the right answer of every entry, bit for bit; each other table must give the same bits.
/// Reductions over floats have one order everywhere, written beside each entry. "16 lanes" means: lane l adds the
/// elements l, l + 16, l + 32 … one after the other with fused multiply-add, starting from +0, the input being padded
/// with +0 to a multiple of 16; then the lanes fold in halves: l += l + 8, l += l + 4, l += l + 2, l += l + 1.
/// "sequential" means element 0, 1, 2 … one after the other with fused multiply-add.
/// A NaN is a NaN: its sign and payload depend on the processor. Maxima pass over NaN.
///
/// No entry allocates, throws, locks or reads global state; some use up to 600 KiB of stack. All may run concurrently
/// on disjoint outputs. Pointers need no alignment beyond their type's, but 64 bytes is fastest. Sizes of 0 are allowed
/// everywhere.

#include <cstdint>

#include "base/cpu_features.h"
#include "pack/kv_block.h"
#include "pack/nibble_rows.h"
#include "pack/ternary_layout.h"

namespace bitnet::kernels {

/// One ternary matrix in a layout of pack/ternary_layout.h.
struct TernaryMatrix {
  const std::uint8_t* codes;  ///< [rows, row_bytes]
  std::int64_t rows;          ///< output features
  std::int64_t blocks;        ///< 256-weight blocks in a row
  std::int64_t row_bytes;     ///< pack::row_bytes
};

/// Rows of a matrix for one call: runs that lie `apart` rows from one another. A thread that reads several runs side by
/// side is served faster by memory than one that reads all rows in turn.
struct RowRuns {
  std::int64_t begin;      ///< first row of the first run
  std::int64_t count;      ///< rows of each run
  std::int64_t runs = 1;   ///< 1 or more
  std::int64_t apart = 0;  ///< rows from the begin of one run to that of the next, at least count
  [[nodiscard]] std::int64_t total() const noexcept { return count * runs; }
  /// Row number i < total(), one run after the other.
  [[nodiscard]] std::int64_t row(std::int64_t i) const noexcept { return begin + i / count * apart + i % count; }
};

/// In how many runs kernels like to read rows that come from memory.
inline constexpr std::int64_t kRowRuns = 4;

/// Quantized activations of a few tokens.
struct Int8Rows {
  const std::int8_t* data;         ///< [count, stride]; each row zero from its true length up to blocks * 256
  std::int64_t stride;             ///< bytes from row to row, at least blocks * 256
  const std::int32_t* slice_sums;  ///< [count, slice_stride]; sum of each 64 values of a row
  std::int64_t slice_stride;       ///< elements from row to row, at least blocks * 4
  std::int64_t count;              ///< tokens
};

/// Four-bit copies of float rows, pack/nibble_rows.h.
struct NibbleMatrix {
  const std::uint8_t* codes;    ///< [rows, blocks * 64]
  const std::uint16_t* scales;  ///< [rows, 16], half precision
  std::int64_t blocks;          ///< 128-weight blocks in a row
};

/// A few tokens' inputs as pack::quantize_nibble_input writes them.
struct NibbleInputs {
  const std::int8_t* q;              ///< [count, blocks * 128]
  const std::int32_t* lane_offsets;  ///< [count, 16]
  const float* scales;               ///< [count, 16]
  std::int64_t count;
};

/// How a head or embedding row is stored.
enum class DenseType : std::uint8_t { f32, f16, bf16 };
inline constexpr int kDenseTypes = 3;

/// How keys and values are stored, pack/kv_block.h.
using pack::kKvBlockTokens;
using pack::kKvTypes;
using pack::KvType;

/// Key blocks of one head that follow one another.
struct KeyBlocks {
  const void* const* blocks;  ///< [count]
  const void* const* next;    ///< [count]: the blocks that will be asked for next, or these again. A hint, so that they
                              ///< are on their way from memory by then
  std::int64_t count;
};

/// How many key blocks kernels like to read side by side.
inline constexpr std::int64_t kKeyBlocks = 3;

/// What a call uses of a value block.
struct ValuePart {
  std::int64_t stride;  ///< value_stride of the block
  std::int64_t first_token;
  std::int64_t tokens;     ///< first_token + tokens ≤ kKvBlockTokens
  std::int64_t first_dim;  ///< of q4 a multiple of 16
  std::int64_t dims;       ///< first_dim + dims ≤ the head_dim that was stored
};

enum class Activation : std::uint8_t { relu2, silu, gelu, gelu_tanh };
inline constexpr int kActivations = 4;

struct KernelTable {
  const char* name;      ///< as in BITNET_KERNELS: "scalar", "avx2", "avx512_vnni", "avx512_vbmi", "amx_int8", "neon"
  CpuFeatures required;  ///< every bit must be present
  pack::TernaryCoding coding;  ///< of what ternary_gemm reads; ternary_gemm_grouped reads two_bits

  /// Up to so many tokens wait for memory and like their rows in kRowRuns runs. More wait for the processor and like
  /// their rows together.
  std::int64_t tokens_in_runs;

  /// sums[t * sums_stride + i] = Σ_k T[r, k] · x[t, k] with r = rows.row(i), i < rows.total().
  /// Exact. |T·x| ≤ 128 · in, so `in` up to 2^24 fits.
  void (*ternary_gemm)(const TernaryMatrix& w, const RowRuns& rows, const Int8Rows& x, std::int32_t* sums,
                       std::int64_t sums_stride);

  /// The same with one sum for each group of `group_slices` · 64 inputs (the last group of a row may be shorter):
  /// sums[(t * rows + (r - row_begin)) * groups + g], rows = row_end - row_begin, groups = ceil(blocks * 4 /
  /// group_slices).
  void (*ternary_gemm_grouped)(const TernaryMatrix& w, std::int64_t row_begin, std::int64_t row_end, const Int8Rows& x,
                               std::int64_t group_slices, std::int32_t* sums);

  /// Of a matrix by input, `columns`: [in, blocks * 256 outputs], its row k the weights of input k in `coding`:
  /// sums[r] += Σ_k T[k, r] · x[k] over the inputs k < columns.rows, for all r < blocks * 256. Exact. The weights of
  /// inputs that are 0 are not read.
  void (*ternary_columns)(const TernaryMatrix& columns, const std::int8_t* x, std::int32_t* sums);

  /// Sums → outputs: y[i] = float(sums[i]) / s_x · g[i · g_step], or with `divide` float(sums[i]) / (s_x · g[i ·
  /// g_step]). g_step is 0 or 1.
  void (*scale_sums)(const std::int32_t* sums, std::int64_t n, float s_x, const float* g, std::int64_t g_step,
                     bool divide, float* y);

  /// Per-token int8 quantization (BitNet b1.58, section 2; numerics.md): t = max(max|x|, 1e-5),
  /// s = (1 / t) · 127 in float32 (two roundings, as the reference), q = clamp(round_half_even(x · s), -128, 127).
  /// Writes q[0 .. padded) with zeros after n, sums of each 64, and returns s. padded is a multiple of 64.
  /// NaN quantizes to 0; a row that holds an infinity gets s = 0 and q = 0 (NaN · 0 included).
  float (*quantize_activations)(const float* x, std::int64_t n, std::int64_t padded, std::int8_t* q,
                                std::int32_t* slice_sums);

  /// y = (x / sqrt(Σ x² / n + eps)) · w, computed as x · (1 / sqrt(…)) and then · w; Σ in 16 lanes. w may be null
  /// (no weight). y may be x.
  void (*rms_norm)(const float* x, const float* w, float eps, std::int64_t n, float* y);

  /// y[i] = activation(x[i]); y may be x. relu2: max(x, 0)²; silu: x / (1 + exp(-x)) with exp of the scalar table;
  /// gelu_tanh: x / (1 + exp(-(x · fma(c, x · x, l)))) with c and l of exp_constants.h. NaN stays NaN.
  /// gelu may be the scalar function in every table.
  void (*activate[kActivations])(const float* x, std::int64_t n, float* y);
  /// y[i] = activation(gate[i]) · up[i]; y may be gate or up.
  void (*activate_gated[kActivations])(const float* gate, const float* up, std::int64_t n, float* y);

  /// Rotates the heads of one token in place: half rotation, pairs (i, i + head_dim / 2).
  /// x: [heads, head_dim]; cos, sin: [head_dim / 2]. x1' = x1 · c - x2 · s, x2' = x2 · c + x1 · s, each product
  /// rounded before the sum (no fusing, as the reference).
  void (*rope)(float* x, std::int64_t heads, std::int64_t head_dim, const float* cos, const float* sin);

  /// Writes one token's key head into a block, pack/kv_block.h. f16 rounds to nearest even. q8 and q4 quantize the row,
  /// with steps = 127 (q8) or 7 (q4) and m = max |x| over its head_dim values:
  ///   scale = m / steps, inverse = steps / m, code = round_half_even(x · inverse), each rounded once.
  /// Then |code| ≤ steps without a clamp, and |x - code · scale| ≤ (1/2 + steps · 2^-22) · scale. m < 2^-100 gives a
  /// scale and codes of 0. A row that holds a NaN or an infinity gets codes of 0 and the scale NaN (0x7fc00000): what
  /// sees it is NaN.
  void (*store_key[kKvTypes])(const float* key, std::int64_t head_dim, std::int64_t slot, void* block);
  /// Writes one token's value head likewise.
  void (*store_value[kKvTypes])(const float* value, std::int64_t head_dim, std::int64_t slot, std::int64_t value_stride,
                                void* block);

  /// scores[h * scores_stride + b * kKvBlockTokens + j] = scale · Σ_d q[h, d] · K[b, d, j] for all kKvBlockTokens j of
  /// each key block; sequential over d. q: [heads, q_stride]. Of q8 and q4, K is the code as a float, and the scale of
  /// the key is applied once: scale · (key_scale[b, j] · Σ_d …), the inner product first.
  void (*attention_scores[kKvTypes])(const float* q, std::int64_t heads, std::int64_t q_stride, const KeyBlocks& keys,
                                     std::int64_t head_dim, float scale, float* scores, std::int64_t scores_stride);
  /// In place: x[i] = exp(x[i] - max) / Σ exp; Σ in 16 lanes. n ≥ 1.
  void (*softmax)(float* x, std::int64_t n);
  /// out[h, d] += Σ_j p[h * p_stride + j] · V[first_token + j, first_dim + d] over one part of a value block;
  /// sequential over j, going on from what `out` holds. out: [heads, out_stride]. Of q8 and q4, V is the code as a
  /// float, and p[h, j] · value_scale[first_token + j], rounded, takes the place of p.
  /// `next` is the block that will be asked for next, or this one again: a hint.
  void (*attention_values[kKvTypes])(const float* p, std::int64_t heads, std::int64_t p_stride, const void* block,
                                     const void* next, const ValuePart& part, float* out, std::int64_t out_stride);

  /// y[t * y_stride + (r - row_begin)] = Σ_k w[r, k] · x[t, k] in 16 lanes, for row_begin ≤ r < row_end.
  /// w: [rows, in] of the DenseType, row after row; x: [tokens, x_stride].
  void (*dense_gemm[kDenseTypes])(const void* w, std::int64_t in, std::int64_t row_begin, std::int64_t row_end,
                                  const float* x, std::int64_t x_stride, std::int64_t tokens, float* y,
                                  std::int64_t y_stride);
  /// The same product with four-bit copies of the rows, near enough to choose rows by:
  /// y[t * y_stride + (r - rows.begin)] = fold over lanes l of float(2 · S - lane_offsets[t, l]) · w.scales[r, l] ·
  /// x.scales[t, l], from left to right, with S = Σ code · q over the lane's weights, an exact integer, for the rows r
  /// of all runs; what lies between the runs is left as it is. blocks * 128 ≤ 32768.
  void (*nibble_scores)(const NibbleMatrix& w, const RowRuns& rows, const NibbleInputs& x, float* y,
                        std::int64_t y_stride);
  /// The four-bit copy of one row of n ≤ 32768 weights w, as pack/nibble_rows.h lays it out: nibble_blocks(n) * 64
  /// codes and 16 scales in half precision. For each lane, over its weights:
  ///   scale = f16(min(max|w| / 15, 65504)), inverse = scale > 0 ? 0.5 / scale : 0,
  ///   code = int(clamp(w · inverse + 8, 0, 15)), each step rounded; int cuts off, NaN becomes 0,
  /// the last vector padded with +0 and the rest of its block with codes of 0. Returns Σ (w - (2 · code - 15) · scale)²
  /// and Σ w² over the n weights in 16 lanes; not finite when some weight is not.
  pack::NibbleSums (*nibble_row[kDenseTypes])(const void* row, std::int64_t n, std::uint8_t* codes,
                                              std::uint16_t* scales);
  /// y[i] = float(row[i]): an embedding row.
  void (*to_float[kDenseTypes])(const void* row, std::int64_t n, float* y);
};

}  // namespace bitnet::kernels
