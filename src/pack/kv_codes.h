#pragma once
/// Single elements of the layouts of kv_block.h, plain and slow: for the scalar kernels and for reading back.

#include <cstddef>
#include <tuple>

#include "base/float16.h"
#include "pack/kv_block.h"

namespace bitnet::pack {

/// What the codes of a type are stored in.
template <KvType kType>
using KvCode =
    std::tuple_element_t<static_cast<std::size_t>(kType), std::tuple<float, std::uint16_t, std::int8_t, std::uint32_t>>;

template <KvType kType>
[[nodiscard]] const KvCode<kType>* codes(const void* block) {
  const std::int64_t scale_bytes = has_scales(kType) ? kKvScaleBytes : 0;
  return reinterpret_cast<const KvCode<kType>*>(static_cast<const std::byte*>(block) + scale_bytes);
}
template <KvType kType>
[[nodiscard]] KvCode<kType>* codes(void* block) {
  return const_cast<KvCode<kType>*>(codes<kType>(static_cast<const void*>(block)));
}

/// A key or value is its code times the scale of its row; f32 and f16 have a scale of 1.
template <KvType kType>
[[nodiscard]] float row_scale(const void* block, std::int64_t slot) {
  return has_scales(kType) ? static_cast<const float*>(block)[slot] : 1.0F;
}

/// Nibble `k` of a q4 word, or what another type's element is.
template <KvType kType>
[[nodiscard]] float code_value(KvCode<kType> code, [[maybe_unused]] std::int64_t k) {
  if constexpr (kType == KvType::f16) return f16_to_f32(code);
  if constexpr (kType == KvType::q4) return static_cast<float>(static_cast<std::int32_t>(code << (28 - 4 * k)) >> 28);
  return static_cast<float>(code);
}

template <KvType kType>
[[nodiscard]] float key_code(const void* block, std::int64_t d, std::int64_t slot) {
  constexpr std::int64_t kDims = kType == KvType::q4 ? kKvWordDims : 1;
  return code_value<kType>(codes<kType>(block)[d / kDims * kKvBlockTokens + slot], d % kDims);
}

template <KvType kType>
[[nodiscard]] float value_code(const void* block, std::int64_t value_stride, std::int64_t d, std::int64_t slot) {
  if constexpr (kType == KvType::q4) {
    const std::int64_t pair = slot * (value_stride / kKvPairDims) + d / kKvPairDims;
    return code_value<kType>(codes<kType>(block)[pair * 2 + d % 2], d % kKvPairDims / 2);
  } else {
    return code_value<kType>(codes<kType>(block)[slot * value_stride + d], 0);
  }
}

}  // namespace bitnet::pack
