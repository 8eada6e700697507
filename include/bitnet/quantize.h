#pragma once
/// Quantizing weights and activations, and the packed forms of ternary weights that other programs read and write.
/// Plain functions without state: all may run concurrently. Matrices are row-major [out, in] spans; a span whose
/// length is not out · in, and every other broken precondition, is an Error(invalid_argument).

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace bitnet {

/// Ternary weights and the factor that dequantizes them.
struct TernaryWeights {
  std::vector<std::int8_t> values;  ///< -1, 0 or +1
  float scale;                      ///< γ = max(mean|w|, 1e-5); w ≈ values · scale
};

/// BitNet b1.58's absmean quantization of one tensor: s = 1 / γ in float32, T = clamp(round(w · s), -1, 1), half to
/// even. The mean is summed in double and rounded once. `scale` is 1 / s. NaN becomes 0.
[[nodiscard]] TernaryWeights quantize_weights_absmean(std::span<const float> weights);

/// Activations of some tokens as int8, each token with its own scale.
struct Int8Activations {
  std::vector<std::int8_t> values;    ///< [tokens, features]
  std::vector<float> scales;          ///< [tokens]: what the activations were multiplied with, 127 / max(max|x|, 1e-5)
  std::vector<float> inverse_scales;  ///< [tokens]: 1 / scale, what dequantizes them
};

/// Per-token absmax quantization: values = clamp(round(x · scale), -128, 127), half to even. The scale is computed as
/// reciprocal · 127, two roundings, as the reference does. NaN becomes 0; a token that holds an infinity gets scale 0,
/// inverse scale infinity and zeros. x: [tokens, features]; its length must be a multiple of `features`.
[[nodiscard]] Int8Activations quantize_activations(std::span<const float> x, std::size_t features);

/// 16 weights in a u32, two bits each, the first weight lowest: -1 → 0, 0 → 1, +1 → 2. The length must be a multiple
/// of 16; a value other than -1, 0, +1 is an error that names its index.
[[nodiscard]] std::vector<std::uint32_t> pack_ternary_weights(std::span<const std::int8_t> weights);
/// The way back. Code 3 is an Error(corrupt) that names the weight's index.
[[nodiscard]] std::vector<std::int8_t> unpack_ternary_weights(std::span<const std::uint32_t> packed);

/// For each output channel the mean magnitude of its weights that are not zero, or 1.0 where all are zero.
/// weights: [out, in]; returns [out].
[[nodiscard]] std::vector<float> calculate_weight_scales(std::span<const float> weights, std::size_t out,
                                                         std::size_t in);

/// The interleaved layout of the official GPU kernel, code = weight + 2. weights: [out, in], out a multiple of 16 and
/// in a multiple of 32; returns out · in / 16 words.
///
/// The matrix is cut into blocks of 16 outputs × 32 inputs, those of the first 16 outputs first. Word t (0 to 31) of
/// a block holds 16 neighbouring inputs of one output: output (t / 16) · 8 + t % 8, inputs from 16 · (t / 8 % 2) on.
/// Within a word, lowest bits first, stand the inputs 0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15.
[[nodiscard]] std::vector<std::uint32_t> pack_ternary_weights_gpu(std::span<const std::int8_t> weights, std::size_t out,
                                                                  std::size_t in);
/// The way back. Code 0 is an Error(corrupt) that names row and column.
[[nodiscard]] std::vector<std::int8_t> unpack_ternary_weights_gpu(std::span<const std::uint32_t> packed,
                                                                  std::size_t out, std::size_t in);

}  // namespace bitnet
