#pragma once
/// How the keys or values of one head lie in a block of the KV cache. docs/kv-cache.md measures what they cost.
///
/// A block holds kKvBlockTokens tokens of each of the two. f32 and f16 are as they are called. q8 and q4 are integer
/// codes with one float32 scale for each token, value = code · scale: a row (one token's head) is quantized by itself
/// (kernel_table.h, store_key), so that no token depends on another. Their blocks begin with the scales,
/// float [kKvBlockTokens]; float32, because a half would save 2 of a row's 132 or 68 bytes (head_dim 128) and overflow
/// or lose digits for rows that are far from 1.
///
/// Keys, transposed so that a vector holds one dimension of many tokens:
///   f32, f16, q8   [head_dim, kKvBlockTokens]
///   q4             uint32 [ceil(head_dim / 8), kKvBlockTokens]; dimension 8 · i + k is nibble k of word i
/// Values:
///   f32, f16, q8   [kKvBlockTokens, value_stride]
///   q4             uint32 [kKvBlockTokens, value_stride / 16, 2]; dimension 16 · i + 2 · k + w is nibble k of
///                  word w of pair i: a vector of sixteen lanes repeats a pair and shifts each lane by its own
///                  4 · k. value_stride is a multiple of 16.
/// Nibble k of a word is its bits 4 · k to 4 · k + 3, a two's complement from -7 to 7. Nibbles past head_dim, up to the
/// end of their word or pair, are 0. A word holds nothing of another token: tokens may be stored concurrently.

#include <cstdint>

namespace bitnet::pack {

enum class KvType : std::uint8_t { f32, f16, q8, q4 };
inline constexpr int kKvTypes = 4;
/// A multiple of 16, so that a token's lane does not depend on its block.
inline constexpr std::int64_t kKvBlockTokens = 32;

inline constexpr std::int64_t kKvScaleBytes = kKvBlockTokens * 4;  ///< before the codes of q8 and q4
inline constexpr std::int64_t kKvWordDims = 8;                     ///< of a q4 word
inline constexpr std::int64_t kKvPairDims = 16;                    ///< of two q4 words of a value

[[nodiscard]] constexpr bool has_scales(KvType type) { return type == KvType::q8 || type == KvType::q4; }

/// Bytes of one head's keys in a block, a multiple of 64.
[[nodiscard]] constexpr std::int64_t key_block_bytes(KvType type, std::int64_t head_dim) {
  switch (type) {
    case KvType::f32:
      return head_dim * kKvBlockTokens * 4;
    case KvType::f16:
      return head_dim * kKvBlockTokens * 2;
    case KvType::q8:
      return kKvScaleBytes + (head_dim + 1) / 2 * 2 * kKvBlockTokens;
    case KvType::q4:
      return kKvScaleBytes + (head_dim + kKvWordDims - 1) / kKvWordDims * kKvBlockTokens * 4;
  }
  return 0;
}

/// Bytes of one head's values in a block, a multiple of 64 when value_stride is one of 16.
[[nodiscard]] constexpr std::int64_t value_block_bytes(KvType type, std::int64_t value_stride) {
  switch (type) {
    case KvType::f32:
      return value_stride * kKvBlockTokens * 4;
    case KvType::f16:
      return value_stride * kKvBlockTokens * 2;
    case KvType::q8:
      return kKvScaleBytes + value_stride * kKvBlockTokens;
    case KvType::q4:
      return kKvScaleBytes + value_stride / 2 * kKvBlockTokens;
  }
  return 0;
}

/// key [head_dim] and value [head_dim] of one slot of a block, as stored. For tests and tools.
void read_key(KvType type, const void* block, std::int64_t head_dim, std::int64_t slot, float* key);
void read_value(KvType type, const void* block, std::int64_t value_stride, std::int64_t head_dim, std::int64_t slot,
                float* value);

}  // namespace bitnet::pack
