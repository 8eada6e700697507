#pragma once
/// The ternary product of many tokens. Rows are unpacked once, a byte a weight, and pass over all tokens. Where the
/// ports that unpack are those that multiply, as on Intel, that leaves them to the products.

#include "kernels/avx512_vnni/ternary_dot.h"
#include "kernels/lanes16/ternary_gemm.h"

namespace bitnet::kernels {
namespace {

/// Fewer tokens are faster from the packed weights, on AMD by far.
constexpr std::int64_t kFewestUnpackedTokens = 192;

constexpr int kUnpackedRows = 4;    // rows × tokens at once: 24 sums, four codes
constexpr int kUnpackedTokens = 6;  // and an input
/// Of a row at once, whole groups of base3: the inputs of six tokens for them stay in the first-level cache.
constexpr std::int64_t kUnpackedBlocks = 3 * pack::kBase3Blocks;
/// Unpacked rows stay in the second-level cache. On the stack.
constexpr std::int64_t kUnpackedBytes = 512 * 1024;

inline void unpack_two_bits(__m512i two_bits, std::uint8_t* codes) {
  const __m512i three = _mm512_set1_epi8(3);
  _mm512_store_si512(codes, _mm512_and_si512(two_bits, three));
  _mm512_store_si512(codes + 64, _mm512_and_si512(_mm512_srli_epi16(two_bits, 2), three));
  _mm512_store_si512(codes + 128, _mm512_and_si512(_mm512_srli_epi16(two_bits, 4), three));
  _mm512_store_si512(codes + 192, _mm512_and_si512(_mm512_srli_epi16(two_bits, 6), three));
}

struct UnpackTwoBits {
  using Codes = TwoBits;
  /// `blocks` blocks of a row from `begin` on.
  static void row(const std::uint8_t* packed, std::int64_t begin, std::int64_t blocks, std::uint8_t* codes) {
    packed += begin * pack::kBlockBytes;
    for (std::int64_t b = 0; b < blocks; ++b) {
      _mm_prefetch(reinterpret_cast<const char*>(packed + b * pack::kBlockBytes + kPrefetchBytes), _MM_HINT_T0);
      unpack_two_bits(load64(packed + b * pack::kBlockBytes), codes + b * pack::kBlockWeights);
    }
  }
};

/// Unpacked rows, a multiple of kUnpackedRows, for one range of slices.
struct UnpackedRows {
  const std::uint8_t* codes;  // [rows, slices]
  std::int64_t rows;
  Slices slices;
  std::int64_t all_slices;  // of a row of the matrix
};

/// T tokens from `token`. The sums go on from what they are or, with the first slice, start with what the codes are too
/// large by.
template <int T>
inline void unpacked_tiles(const UnpackedRows& w, const Int8Rows& x, std::int64_t token, std::int32_t* sums,
                           std::int64_t sums_stride) {
  std::int32_t offset[T];
  for (int t = 0; t < T; ++t) offset[t] = sum_of(x, token + t, {0, w.all_slices});
  const std::int64_t bytes = (w.slices.end - w.slices.begin) * pack::kSliceWeights;
  const std::int8_t* inputs = x.data + token * x.stride + w.slices.begin * pack::kSliceWeights;
  const std::uint8_t* codes = w.codes;
  for (std::int64_t r = 0; r < w.rows; r += kUnpackedRows, codes += kUnpackedRows * bytes) {
    __m512i sum[T][kUnpackedRows];
    clear_sums(sum);
    for (std::int64_t k = 0; k < bytes; k += pack::kSliceWeights) {
      __m512i slice[kUnpackedRows];
      for (int i = 0; i < kUnpackedRows; ++i) slice[i] = load64(codes + i * bytes + k);
      add_products<kUnpackedRows, T>(slice, inputs + k, x.stride, sum);
    }
#pragma GCC unroll 8
    for (int t = 0; t < T; ++t) {
      auto* to = reinterpret_cast<__m128i*>(sums + t * sums_stride + r);
      const __m128i before = w.slices.begin == 0 ? _mm_set1_epi32(-offset[t]) : _mm_loadu_si128(to);
      _mm_storeu_si128(to, _mm_add_epi32(before, fold4(sum[t][0], sum[t][1], sum[t][2], sum[t][3])));
    }
  }
}

/// All tokens from `token` on, T at a time and then fewer.
template <int T>
inline void unpacked_tokens(const UnpackedRows& w, const Int8Rows& x, std::int64_t token, std::int32_t* sums,
                            std::int64_t sums_stride) {
  for (; token + T <= x.count; token += T) unpacked_tiles<T>(w, x, token, sums + token * sums_stride, sums_stride);
  if constexpr (T > 1) {
    if (token < x.count) unpacked_tokens<T - 1>(w, x, token, sums, sums_stride);
  }
}

template <typename Unpack>
void unpacked_gemm(const TernaryMatrix& w, const RowRuns& rows, const Int8Rows& x, std::int32_t* sums,
                   std::int64_t sums_stride) {
  using Codes = typename Unpack::Codes;
  if (x.count < kFewestUnpackedTokens || w.blocks == 0) {
    ternary_gemm<Codes>(w, rows, x, sums, sums_stride);
    return;
  }
  alignas(64) std::uint8_t codes[kUnpackedBytes];
  const std::int64_t most_blocks = smaller(w.blocks, kUnpackedBlocks);
  const std::int64_t panel = kUnpackedBytes / (most_blocks * pack::kBlockWeights) / kUnpackedRows * kUnpackedRows;
  for_each_run(rows, sums, [&](std::int64_t row, std::int64_t end, std::int32_t* to) {
    std::int64_t n = 0;
    for (; row + kUnpackedRows <= end; row += n, to += n) {
      n = smaller(panel, (end - row) / kUnpackedRows * kUnpackedRows);
      for (std::int64_t b = 0; b < w.blocks; b += most_blocks) {
        const std::int64_t blocks = smaller(most_blocks, w.blocks - b);
        for (std::int64_t r = 0; r < n; ++r) {
          Unpack::row(w.codes + (row + r) * w.row_bytes, b, blocks, codes + r * blocks * pack::kBlockWeights);
        }
        unpacked_tokens<kUnpackedTokens>({codes, n, {b * 4, (b + blocks) * 4}, w.blocks * 4}, x, 0, to, sums_stride);
      }
    }
    ternary_tokens<Codes>(w, row, end - row, x, {0, w.blocks * 4}, {to, sums_stride, 1});
  });
}

}  // namespace
}  // namespace bitnet::kernels
