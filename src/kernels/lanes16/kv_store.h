#pragma once

#include <cstring>

#include "kernels/kernel_table.h"
#include "kernels/lanes16/kv_types.h"

namespace bitnet::kernels {
namespace {

/// How a row becomes codes: code = round(x · inverse).
struct RowScale {
  float scale;
  float inverse;
};

inline RowScale scale_of(const float* x, std::int64_t n, float steps) {
  Lanes most = splat(0.0F);
  Lanes zeros = splat(0.0F);  // NaN where an element is NaN or infinite
  for_vectors(n, [&](std::int64_t i, auto part) {
    const Lanes a = load(x + i, part);
    most = greater(abs(a), most);
    zeros = fma(a, splat(0.0F), zeros);
  });
  if (fold_sum(zeros) != 0.0F) return {__builtin_nanf(""), 0.0F};
  const float largest = fold_greater(most);
  if (largest < 0x1p-100F) return {0.0F, 0.0F};
  return {largest / steps, steps / largest};
}

/// Calls f(begin, codes) for each 64 of n codes, the last ones followed by zeros.
template <typename F>
inline void for_codes(const float* x, std::int64_t n, float inverse, F f) {
  for (std::int64_t begin = 0; begin < n; begin += 4 * kLanes) {
    Lanes scaled[4];
    for (int v = 0; v < 4; ++v) {
      const std::int64_t i = begin + v * kLanes;
      const std::int64_t left = n - i;
      const Lanes a = left >= kLanes ? load(x + i) : left > 0 ? load_part(x + i, left) : splat(0.0F);
      scaled[v] = mul(a, splat(inverse));
    }
    std::int8_t codes[4 * kLanes];
    store_int8(scaled, codes);
    f(begin, codes);
  }
}

/// codes[0], codes[step] … as the nibbles of a word.
inline std::int32_t word_of(const std::int8_t* codes, int step) {
  std::uint32_t word = 0;
  for (int k = 0; k < pack::kKvWordDims; ++k) word |= (static_cast<std::uint32_t>(codes[k * step]) & 0xfU) << (4 * k);
  return static_cast<std::int32_t>(word);
}

template <typename Kv>
void store_key(const float* key, std::int64_t head_dim, std::int64_t slot, void* block) {
  auto* const codes = codes_of<Kv>(block);
  if constexpr (Kv::kScales) {
    const RowScale row = scale_of(key, head_dim, Kv::kSteps);
    static_cast<float*>(block)[slot] = row.scale;
    for_codes(key, head_dim, row.inverse, [&](std::int64_t begin, const std::int8_t* some) {
      const std::int64_t count = head_dim - begin < 4 * kLanes ? head_dim - begin : 4 * kLanes;
      for (std::int64_t i = 0; i < count; i += Kv::kKeyDims) {
        codes[(begin + i) / Kv::kKeyDims * kKvBlockTokens + slot] = Kv::kKeyDims == 1 ? some[i] : word_of(some + i, 1);
      }
    });
  } else {
    for_vectors(head_dim, [&](std::int64_t i, auto part) {
      typename Kv::Code column[kLanes];
      store(column, load(key + i, part));
      const std::int64_t count = head_dim - i < kLanes ? head_dim - i : kLanes;
      for (std::int64_t j = 0; j < count; ++j) codes[(i + j) * kKvBlockTokens + slot] = column[j];
    });
  }
}

template <typename Kv>
void store_value(const float* value, std::int64_t head_dim, std::int64_t slot, std::int64_t value_stride, void* block) {
  auto* const codes = codes_of<Kv>(block) + slot * codes_of_dims<Kv>(value_stride);
  if constexpr (Kv::kScales) {
    const RowScale row = scale_of(value, head_dim, Kv::kSteps);
    static_cast<float*>(block)[slot] = row.scale;
    for_codes(value, head_dim, row.inverse, [&](std::int64_t begin, const std::int8_t* some) {
      const std::int64_t count = head_dim - begin < 4 * kLanes ? head_dim - begin : 4 * kLanes;
      if constexpr (Kv::kVector == kLanes) {
        std::memcpy(codes + begin, some, static_cast<std::size_t>(count));
      } else {
        for (std::int64_t i = 0; i < count; i += kLanes) {
          for (int w = 0; w < 2; ++w) codes[(begin + i) / kLanes * 2 + w] = word_of(some + i + w, 2);
        }
      }
    });
  } else {
    for_vectors(head_dim, [&](std::int64_t i, auto part) { store(codes + i, load(value + i, part), part); });
  }
}

}  // namespace
}  // namespace bitnet::kernels
