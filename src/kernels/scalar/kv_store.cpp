#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

#include "kernels/scalar/ops.h"
#include "pack/kv_codes.h"

namespace bitnet::kernels::scalar {
namespace {

/// How a row becomes codes: code = round(x · inverse).
struct RowScale {
  float scale;
  float inverse;
};

RowScale scale_of(const float* x, std::int64_t n, float steps) {
  float most = 0.0F;
  for (std::int64_t i = 0; i < n; ++i) {
    if (!std::isfinite(x[i])) return {std::numeric_limits<float>::quiet_NaN(), 0.0F};
    most = std::max(most, std::fabs(x[i]));
  }
  if (most < 0x1p-100F) return {0.0F, 0.0F};
  return {most / steps, steps / most};
}

std::int8_t code_of(float x, const RowScale& row) {
  const float code = std::nearbyint(x * row.inverse);
  return std::isnan(code) ? std::int8_t{0} : static_cast<std::int8_t>(code);
}

/// x[begin], x[begin + step] … as the nibbles of a word, with zeros after n.
std::uint32_t word_of(const float* x, std::int64_t n, std::int64_t begin, std::int64_t step, const RowScale& row) {
  std::uint32_t word = 0;
  for (std::int64_t k = 0; k < pack::kKvWordDims && begin + k * step < n; ++k) {
    word |= (std::bit_cast<std::uint8_t>(code_of(x[begin + k * step], row)) & 0xfU) << (4 * k);
  }
  return word;
}

/// Of the types with one element a dimension.
template <KvType kType>
auto element_of(float x, const RowScale& row) {
  if constexpr (kType == KvType::f32) return x;
  if constexpr (kType == KvType::f16) return f32_to_f16(x);
  if constexpr (kType == KvType::q8) return code_of(x, row);
}

/// Writes the row's scale, if the type has one.
template <KvType kType>
RowScale store_scale(const float* x, std::int64_t n, std::int64_t slot, void* block) {
  if constexpr (pack::has_scales(kType)) {
    const RowScale row = scale_of(x, n, kType == KvType::q8 ? 127.0F : 7.0F);
    static_cast<float*>(block)[slot] = row.scale;
    return row;
  }
  return {1.0F, 1.0F};
}

}  // namespace

template <KvType kType>
void store_key(const float* key, std::int64_t head_dim, std::int64_t slot, void* block) {
  const RowScale row = store_scale<kType>(key, head_dim, slot, block);
  auto* const codes = pack::codes<kType>(block);
  if constexpr (kType == KvType::q4) {
    for (std::int64_t i = 0; i * pack::kKvWordDims < head_dim; ++i) {
      codes[i * kKvBlockTokens + slot] = word_of(key, head_dim, i * pack::kKvWordDims, 1, row);
    }
  } else {
    for (std::int64_t d = 0; d < head_dim; ++d) codes[d * kKvBlockTokens + slot] = element_of<kType>(key[d], row);
  }
}

template <KvType kType>
void store_value(const float* value, std::int64_t head_dim, std::int64_t slot, std::int64_t value_stride, void* block) {
  const RowScale row = store_scale<kType>(value, head_dim, slot, block);
  auto* const codes = pack::codes<kType>(block);
  if constexpr (kType == KvType::q4) {
    auto* const words = codes + slot * (value_stride / pack::kKvWordDims);
    for (std::int64_t i = 0; i * pack::kKvPairDims < head_dim; ++i) {
      for (std::int64_t w = 0; w < 2; ++w) {
        words[2 * i + w] = word_of(value, head_dim, i * pack::kKvPairDims + w, 2, row);
      }
    }
  } else {
    for (std::int64_t d = 0; d < head_dim; ++d) codes[slot * value_stride + d] = element_of<kType>(value[d], row);
  }
}

template EntryFunction<decltype(KernelTable::store_key)> store_key<KvType::f32>;
template EntryFunction<decltype(KernelTable::store_key)> store_key<KvType::f16>;
template EntryFunction<decltype(KernelTable::store_key)> store_key<KvType::q8>;
template EntryFunction<decltype(KernelTable::store_key)> store_key<KvType::q4>;
template EntryFunction<decltype(KernelTable::store_value)> store_value<KvType::f32>;
template EntryFunction<decltype(KernelTable::store_value)> store_value<KvType::f16>;
template EntryFunction<decltype(KernelTable::store_value)> store_value<KvType::q8>;
template EntryFunction<decltype(KernelTable::store_value)> store_value<KvType::q4>;

}  // namespace bitnet::kernels::scalar
