#pragma once

#include "kernels/kernel_table.h"
#include "kernels/lanes16/kv_types.h"

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

template <typename Kv>
inline void prefetch_scales(const void* next) {
  if constexpr (Kv::kScales) {
    for (int line = 0; line < pack::kKvScaleBytes; line += 64)
      __builtin_prefetch(static_cast<const char*>(next) + line);
  }
}

// The tiles are functions of their own: GCC 12 would keep what the loops around them need in registers that the sums
// and products of a tile lack.

/// Tokens from `first` on of B blocks side by side, kTileVectors vectors of each.
template <typename Kv, int H, int B>
[[gnu::noinline]] void scores_tile(const float* q, std::int64_t q_stride, const void* const* blocks,
                                   const void* const* next, std::int64_t first, std::int64_t head_dim, float scale,
                                   float* scores, std::int64_t scores_stride) {
  using Code = typename Kv::Code;
  constexpr int V = kTileVectors;
  const Code* keys[B];
  const Code* ahead[B];
  repeat<B>([&](auto b) {
    keys[b] = codes_of<Kv>(blocks[b]);
    ahead[b] = codes_of<Kv>(next[b]);
  });
  Lanes sum[H][B * V];
  repeat<H>([&](auto h) { repeat<B * V>([&](auto c) { sum[h][c] = splat(0.0F); }); });
  for (std::int64_t d = 0; d < head_dim; d += Kv::kKeyDims) {
    typename Kv::Keys loaded[B * V];
    repeat<B * V>([&](auto c) {
      const std::int64_t at = d / Kv::kKeyDims * kKvBlockTokens + first + c % V * kLanes;
      loaded[c] = Kv::load_keys(keys[c / V] + at);
      prefetch_line(ahead[c / V], at);
    });
    repeat<Kv::kKeyDims>([&](auto k) {
      if (Kv::kKeyDims > 1 && d + k >= head_dim) return;
      Lanes key[B * V];
      repeat<B * V>([&](auto c) { key[c] = Kv::template key<k>(loaded[c]); });
      repeat<H>([&](auto h) {
        const Lanes query = splat(q[h * q_stride + d + k]);
        repeat<B * V>([&](auto c) { sum[h][c] = fma(query, key[c], sum[h][c]); });
      });
    });
  }
  repeat<B * V>([&](auto c) {
    const std::int64_t token = first + c % V * kLanes;
    repeat<H>([&](auto h) {
      if constexpr (Kv::kScales) sum[h][c] = mul(load(static_cast<const float*>(blocks[c / V]) + token), sum[h][c]);
      store(scores + h * scores_stride + c / V * kKvBlockTokens + token, mul(splat(scale), sum[h][c]));
    });
  });
}

/// Blocks side by side for H heads: as many as there are registers for their sums.
template <int H>
constexpr int kTileBlocks = H* kTileVectors* kKeyBlocks <= kTileSums ? kKeyBlocks : 1;

/// All tokens of the blocks for `heads` heads, H at a time and then fewer, so that a loaded key serves H heads.
template <typename Kv, int H>
void scores_of_heads(const float* q, std::int64_t heads, std::int64_t q_stride, const KeyBlocks& keys,
                     std::int64_t head_dim, float scale, float* scores, std::int64_t scores_stride) {
  for (; heads >= H; heads -= H, q += H * q_stride, scores += H * scores_stride) {
    const auto tiles = [&](auto blocks, std::int64_t b) {
      for (std::int64_t j = 0; j < kKvBlockTokens; j += kTileVectors * kLanes) {
        scores_tile<Kv, H, blocks>(q, q_stride, keys.blocks + b, keys.next + b, j, head_dim, scale,
                                   scores + b * kKvBlockTokens, scores_stride);
      }
    };
    std::int64_t b = 0;
    for (; b + kTileBlocks<H> <= keys.count; b += kTileBlocks<H>) tiles(Index<kTileBlocks<H>>{}, b);
    for (; b < keys.count; ++b) tiles(Index<1>{}, b);
  }
  if constexpr (H > 1) {
    if (heads > 0) {
      scores_of_heads<Kv, kFewerHeads<H>>(q, heads, q_stride, keys, head_dim, scale, scores, scores_stride);
    }
  }
}

template <typename Kv>
void attention_scores(const float* q, std::int64_t heads, std::int64_t q_stride, const KeyBlocks& keys,
                      std::int64_t head_dim, float scale, float* scores, std::int64_t scores_stride) {
  for (std::int64_t b = 0; b < keys.count; ++b) prefetch_scales<Kv>(keys.next[b]);
  scores_of_heads<Kv, kTileHeads>(q, heads, q_stride, keys, head_dim, scale, scores, scores_stride);
}

template <typename Kv, int H, int V, typename Width>
[[gnu::noinline]] void values_tile(const float* p, std::int64_t p_stride, const typename Kv::Code* values,
                                   const typename Kv::Code* next, std::int64_t row, std::int64_t tokens, float* out,
                                   std::int64_t out_stride, Width part) {
  Lanes sum[H][V];
  repeat<H>([&](auto h) { repeat<V>([&](auto v) { sum[h][v] = load(out + h * out_stride + v * kLanes, part); }); });
  for (std::int64_t j = 0; j < tokens; ++j) {
    Lanes value[V];
    repeat<V>([&](auto v) {
      const std::int64_t at = j * row + v * Kv::kVector;
      value[v] = Kv::value(values + at, part);
      prefetch_line(next, at);
    });
    repeat<H>([&](auto h) {
      const Lanes weight = splat(p[h * p_stride + j]);
      repeat<V>([&](auto v) { sum[h][v] = fma(weight, value[v], sum[h][v]); });
    });
  }
  repeat<H>([&](auto h) { repeat<V>([&](auto v) { store(out + h * out_stride + v * kLanes, sum[h][v], part); }); });
}

/// `values` and `next`: the part's first code. `scales`: of its tokens, if the type has any.
template <typename Kv, int H>
void values_of_heads(const float* p, std::int64_t heads, std::int64_t p_stride, const typename Kv::Code* values,
                     const typename Kv::Code* next, const float* scales, const ValuePart& part, float* out,
                     std::int64_t out_stride) {
  constexpr int kVectors = H > 4 ? kTileVectors : kTileVectors * (kTileHeads / 4);  // as many sums with fewer heads
  constexpr std::int64_t kStep = kVectors * kLanes;
  const std::int64_t row = codes_of_dims<Kv>(part.stride);
  for (; heads >= H; heads -= H, p += H * p_stride, out += H * out_stride) {
    const float* weights = p;
    std::int64_t weights_stride = p_stride;
    float scaled[Kv::kScales ? H * kKvBlockTokens : 1];
    if constexpr (Kv::kScales) {
      for (int h = 0; h < H; ++h) {
        for_vectors(part.tokens, [&](std::int64_t j, auto width) {
          store(scaled + h * kKvBlockTokens + j, mul(load(p + h * p_stride + j, width), load(scales + j, width)),
                width);
        });
      }
      weights = scaled;
      weights_stride = kKvBlockTokens;
    }
    const auto tile = [&](auto vectors, std::int64_t d, auto width) {
      values_tile<Kv, H, vectors>(weights, weights_stride, values + codes_of_dims<Kv>(d), next + codes_of_dims<Kv>(d),
                                  row, part.tokens, out + d, out_stride, width);
    };
    std::int64_t d = 0;
    for (; d + kStep <= part.dims; d += kStep) tile(Index<kVectors>{}, d, Whole{});
    for_vectors(part.dims - d, [&](std::int64_t i, auto width) { tile(Index<1>{}, d + i, width); });
  }
  if constexpr (H > 1) {
    if (heads > 0) {
      values_of_heads<Kv, kFewerHeads<H>>(p, heads, p_stride, values, next, scales, part, out, out_stride);
    }
  }
}

template <typename Kv>
void attention_values(const float* p, std::int64_t heads, std::int64_t p_stride, const void* block, const void* next,
                      const ValuePart& part, float* out, std::int64_t out_stride) {
  if (part.tokens == 0 || part.dims == 0) return;  // `block` may be null then
  prefetch_scales<Kv>(next);
  const std::int64_t at = part.first_token * codes_of_dims<Kv>(part.stride) + codes_of_dims<Kv>(part.first_dim);
  values_of_heads<Kv, kTileHeads>(p, heads, p_stride, codes_of<Kv>(block) + at, codes_of<Kv>(next) + at,
                                  static_cast<const float*>(block) + part.first_token, part, out, out_stride);
}

}  // namespace
}  // namespace bitnet::kernels
