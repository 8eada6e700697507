#pragma once

#include "kernels/kernel_table.h"
#include "kernels/lanes16/vectors.h"

namespace bitnet::kernels {
namespace {

/// Asks for the line of next[at], once for each 64 bytes that a loop over whole vectors passes.
template <typename Element>
inline void prefetch_line(const Element* next, std::int64_t at) {
  if (at * static_cast<std::int64_t>(sizeof(Element)) % 64 == 0) __builtin_prefetch(next + at);
}

template <int I>
struct Index {
  constexpr operator int() const { return I; }  // NOLINT(google-explicit-constructor)
};
/// Calls f for 0 to N - 1, as constants: sums in an array that a loop runs over would not stay in registers (GCC 12).
template <int N, typename F>
[[gnu::always_inline]] inline void repeat(const F& f) {
  if constexpr (N > 0) {
    repeat<N - 1>(f);
    f(Index<N - 1>{});
  }
}

/// How many heads to take at once when fewer than H are left.
template <int H>
constexpr int kFewerHeads = H > 4 ? 4 : H - 1;

template <typename Element>
void store_key(const float* key, std::int64_t head_dim, std::int64_t slot, void* block) {
  auto* keys = static_cast<Element*>(block) + slot;
  for_vectors(head_dim, [&](std::int64_t i, auto part) {
    Element column[kLanes];
    store(column, load(key + i, part));
    const std::int64_t count = head_dim - i < kLanes ? head_dim - i : kLanes;
    for (std::int64_t j = 0; j < count; ++j) keys[(i + j) * kKvBlockTokens] = column[j];
  });
}

template <typename Element>
void store_value(const float* value, std::int64_t head_dim, std::int64_t slot, std::int64_t value_stride, void* block) {
  auto* values = static_cast<Element*>(block) + slot * value_stride;
  for_vectors(head_dim, [&](std::int64_t i, auto part) { store(values + i, load(value + i, part), part); });
}

// The tiles are functions of their own: GCC 12 would keep what the loops around them need in registers that the sums
// and products of a tile lack.

template <typename Element, int H>
[[gnu::noinline]] void scores_tile(const float* q, std::int64_t q_stride, const Element* keys, const Element* next,
                                   std::int64_t head_dim, float scale, float* scores, std::int64_t scores_stride) {
  Lanes sum[H][kTileVectors];
  repeat<H>([&](auto h) { repeat<kTileVectors>([&](auto v) { sum[h][v] = splat(0.0F); }); });
  for (std::int64_t d = 0; d < head_dim; ++d) {
    Lanes key[kTileVectors];
    repeat<kTileVectors>([&](auto v) {
      const std::int64_t at = d * kKvBlockTokens + v * kLanes;
      key[v] = load(keys + at);
      prefetch_line(next, at);
    });
    repeat<H>([&](auto h) {
      const Lanes query = splat(q[h * q_stride + d]);
      repeat<kTileVectors>([&](auto v) { sum[h][v] = fma(query, key[v], sum[h][v]); });
    });
  }
  repeat<H>([&](auto h) {
    repeat<kTileVectors>([&](auto v) { store(scores + h * scores_stride + v * kLanes, mul(splat(scale), sum[h][v])); });
  });
}

/// All tokens of the block for `heads` heads, H at a time and then fewer, so that a loaded key serves H heads.
template <typename Element, int H>
void scores_of_heads(const float* q, std::int64_t heads, std::int64_t q_stride, const Element* keys,
                     const Element* next, std::int64_t head_dim, float scale, float* scores,
                     std::int64_t scores_stride) {
  for (; heads >= H; heads -= H, q += H * q_stride, scores += H * scores_stride) {
    for (std::int64_t j = 0; j < kKvBlockTokens; j += kTileVectors * kLanes) {
      const std::int64_t at = head_dim == 0 ? 0 : j;  // without dimensions the block may be null
      scores_tile<Element, H>(q, q_stride, keys + at, next + at, head_dim, scale, scores + j, scores_stride);
    }
  }
  if constexpr (H > 1) {
    if (heads > 0) {
      scores_of_heads<Element, kFewerHeads<H>>(q, heads, q_stride, keys, next, head_dim, scale, scores, scores_stride);
    }
  }
}

template <typename Element>
void attention_scores(const float* q, std::int64_t heads, std::int64_t q_stride, const void* block, const void* next,
                      std::int64_t head_dim, float scale, float* scores, std::int64_t scores_stride) {
  scores_of_heads<Element, kTileHeads>(q, heads, q_stride, static_cast<const Element*>(block),
                                       static_cast<const Element*>(next), head_dim, scale, scores, scores_stride);
}

template <typename Element, int H, int V, typename Width>
[[gnu::noinline]] void values_tile(const float* p, std::int64_t p_stride, const Element* values, const Element* next,
                                   std::int64_t value_stride, std::int64_t tokens, float* out, std::int64_t out_stride,
                                   Width part) {
  Lanes sum[H][V];
  repeat<H>([&](auto h) { repeat<V>([&](auto v) { sum[h][v] = load(out + h * out_stride + v * kLanes, part); }); });
  for (std::int64_t j = 0; j < tokens; ++j) {
    Lanes value[V];
    repeat<V>([&](auto v) {
      const std::int64_t at = j * value_stride + v * kLanes;
      value[v] = load(values + at, part);
      prefetch_line(next, at);
    });
    repeat<H>([&](auto h) {
      const Lanes weight = splat(p[h * p_stride + j]);
      repeat<V>([&](auto v) { sum[h][v] = fma(weight, value[v], sum[h][v]); });
    });
  }
  repeat<H>([&](auto h) { repeat<V>([&](auto v) { store(out + h * out_stride + v * kLanes, sum[h][v], part); }); });
}

template <typename Element, int H>
void values_of_heads(const float* p, std::int64_t heads, std::int64_t p_stride, const Element* values,
                     const Element* next, std::int64_t value_stride, std::int64_t tokens, std::int64_t head_dim,
                     float* out, std::int64_t out_stride) {
  constexpr int kVectors = H > 4 ? kTileVectors : kTileVectors * (kTileHeads / 4);  // as many sums with fewer heads
  constexpr std::int64_t kStep = kVectors * kLanes;
  for (; heads >= H; heads -= H, p += H * p_stride, out += H * out_stride) {
    std::int64_t d = 0;
    for (; d + kStep <= head_dim; d += kStep) {
      values_tile<Element, H, kVectors>(p, p_stride, values + d, next + d, value_stride, tokens, out + d, out_stride,
                                        Whole{});
    }
    for_vectors(head_dim - d, [&](std::int64_t i, auto part) {
      values_tile<Element, H, 1>(p, p_stride, values + d + i, next + d + i, value_stride, tokens, out + d + i,
                                 out_stride, part);
    });
  }
  if constexpr (H > 1) {
    if (heads > 0) {
      values_of_heads<Element, kFewerHeads<H>>(p, heads, p_stride, values, next, value_stride, tokens, head_dim, out,
                                               out_stride);
    }
  }
}

template <typename Element>
void attention_values(const float* p, std::int64_t heads, std::int64_t p_stride, const void* block, const void* next,
                      std::int64_t value_stride, std::int64_t tokens, std::int64_t head_dim, float* out,
                      std::int64_t out_stride) {
  if (tokens == 0) return;  // `block` may be null then
  values_of_heads<Element, kTileHeads>(p, heads, p_stride, static_cast<const Element*>(block),
                                       static_cast<const Element*>(next), value_stride, tokens, head_dim, out,
                                       out_stride);
}

}  // namespace
}  // namespace bitnet::kernels
