#pragma once
/// The GGUF element types for embeddings and heads: blocks of integer codes with scales. Rows are made of whole blocks.
/// docs/formats/quant-blocks.md. Nothing here allocates; disjoint rows may run concurrently.

#include <cstdint>

namespace bitnet::pack {

enum class QuantBlocks { q8_0, q4_0, q6_k };

struct QuantBlockShape {
  std::int64_t weights;
  std::int64_t bytes;
};

[[nodiscard]] constexpr QuantBlockShape shape_of(QuantBlocks form) {
  switch (form) {
    case QuantBlocks::q8_0:
      return {32, 34};
    case QuantBlocks::q4_0:
      return {32, 18};
    case QuantBlocks::q6_k:
      return {256, 210};
  }
  return {};
}

/// row: blocks of n weights → n floats, the same on every machine: each product is rounded once. Any bytes are valid;
/// scales that are not finite give weights that are not.
void dequantize_row(QuantBlocks form, const std::uint8_t* row, std::int64_t n, float* weights);

/// The way back. q8_0 and q4_0 give the bytes of the format's own quantizers, q6_k an error about as small. Weights
/// that are not finite have no meaningful codes.
void quantize_row(QuantBlocks form, const float* weights, std::int64_t n, std::uint8_t* row);

}  // namespace bitnet::pack
