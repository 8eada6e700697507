#pragma once
/// The ternary product of many tokens. Three rows are unpacked into the first-level cache, a byte a weight, and pass
/// over as many tokens as the second-level cache holds: unpacking once instead of for every few tokens is worth more
/// here than elsewhere, because sixteen registers hold the sums of a tile, its codes and nothing else.

#include "kernels/lanes16/ternary_gemm.h"

namespace bitnet::kernels {
namespace {

/// Fewer tokens are faster from the packed weights.
constexpr std::int64_t kFewestUnpackedTokens = 3;

constexpr int kUnpackedRows = 3;    // rows × tokens at once: nine sums, three codes
constexpr int kUnpackedTokens = 3;  // and an input of sixteen registers
constexpr std::int64_t kCachedTokens = 48;
constexpr std::int64_t kChunkBlocks = 28;  // of a row, unpacked: 7 KiB
constexpr std::int64_t kChunkWeights = kChunkBlocks * pack::kBlockWeights;

/// sum + the products of pairs, in 16 bits. In assembly, because g++ 12 would compute all products of a tile before it
/// adds any, and run out of registers.
inline __m256i add_product(__m256i sum, __m256i codes, __m256i x) {
  __m256i product;
  asm("vpmaddubsw %3, %2, %1\n\tvpaddw %1, %0, %0" : "+x"(sum), "=&x"(product) : "x"(codes), "x"(x));
  return sum;
}

inline void unpack_block(const std::uint8_t* packed, std::uint8_t* codes) {
  const __m256i three = _mm256_set1_epi8(3);
  const auto put = [&](std::uint8_t* to, __m256i shifted) {
    _mm256_store_si256(reinterpret_cast<__m256i*>(to), _mm256_and_si256(shifted, three));
  };
  for (int half = 0; half < 64; half += 32) {
    const __m256i bytes = load32(packed + half);
    put(codes + half, bytes);
    put(codes + 64 + half, _mm256_srli_epi16(bytes, 2));
    put(codes + 128 + half, _mm256_srli_epi16(bytes, 4));
    put(codes + 192 + half, _mm256_srli_epi16(bytes, 6));
  }
}

/// Σ code · x of R rows, kChunkWeights apart, and T tokens over `slices` slices.
template <int R, int T>
inline void unpacked_dot(const std::uint8_t* codes, const std::int8_t* x, std::int64_t x_stride, std::int64_t slices,
                         std::int32_t (&dots)[T][R]) {
  const __m256i ones = _mm256_set1_epi16(1);
  __m256i wide[T][R];
  for (auto& row : wide) {
    for (auto& lanes : row) lanes = _mm256_setzero_si256();
  }
  for (std::int64_t s = 0; s < slices; s += kSlicesPer16Bits) {
    const std::int64_t end = smaller(slices, s + kSlicesPer16Bits) * pack::kSliceWeights;
    __m256i narrow[T][R];
    for (auto& row : narrow) {
      for (auto& lanes : row) lanes = _mm256_setzero_si256();
    }
    for (std::int64_t k = s * pack::kSliceWeights; k < end; k += 32) {
      __m256i row_codes[R];
      for (int r = 0; r < R; ++r) row_codes[r] = load32(codes + r * kChunkWeights + k);
      for (int t = 0; t < T; ++t) {
        const __m256i v = load32(x + t * x_stride + k);
        for (int r = 0; r < R; ++r) narrow[t][r] = add_product(narrow[t][r], row_codes[r], v);
      }
    }
    for (int t = 0; t < T; ++t) {
      for (int r = 0; r < R; ++r) wide[t][r] = _mm256_add_epi32(wide[t][r], _mm256_madd_epi16(narrow[t][r], ones));
    }
  }
  for (int t = 0; t < T; ++t) {
    for (int r = 0; r < R; ++r) dots[t][r] = fold_sum(wide[t][r]);
  }
}

/// Tokens [token, end) with R unpacked rows, T at a time and then fewer. `codes` are those of the inputs of `slices`;
/// the sums start with the first of them.
template <int R, int T>
inline void multiply_unpacked(const std::uint8_t* codes, const Int8Rows& x, std::int64_t token, std::int64_t end,
                              Slices slices, Sums sums) {
  for (; token + T <= end; token += T) {
    std::int32_t dots[T][R];
    unpacked_dot<R, T>(codes, x.data + token * x.stride + slices.begin * pack::kSliceWeights, x.stride,
                       slices.end - slices.begin, dots);
    for (int t = 0; t < T; ++t) {
      const std::int32_t offset = sum_of(x, token + t, slices);
      for (int r = 0; r < R; ++r) {
        std::int32_t& sum = sums.data[(token + t) * sums.token_step + r * sums.row_step];
        sum = (slices.begin == 0 ? 0 : sum) + dots[t][r] - offset;
      }
    }
  }
  if constexpr (T > 1) {
    if (token < end) multiply_unpacked<R, T - 1>(codes, x, token, end, slices, sums);
  }
}

template <int R>
inline void multiply_rows(const TernaryMatrix& w, std::int64_t row, const Int8Rows& x, std::int64_t token,
                          std::int64_t end, Sums sums) {
  alignas(64) std::uint8_t codes[R * kChunkWeights];
  for (std::int64_t block = 0; block < w.blocks; block += kChunkBlocks) {
    const std::int64_t blocks = smaller(kChunkBlocks, w.blocks - block);
    for (int r = 0; r < R; ++r) {
      const std::uint8_t* packed = w.codes + (row + r) * w.row_bytes + block * pack::kBlockBytes;
      for (std::int64_t b = 0; b < blocks; ++b) {
        _mm_prefetch(reinterpret_cast<const char*>(packed + b * pack::kBlockBytes + kPrefetchBytes), _MM_HINT_T0);
        unpack_block(packed + b * pack::kBlockBytes, codes + r * kChunkWeights + b * pack::kBlockWeights);
      }
    }
    multiply_unpacked<R, kUnpackedTokens>(codes, x, token, end, {block * 4, (block + blocks) * 4}, sums);
  }
}

void unpacked_ternary_gemm(const TernaryMatrix& w, const RowRuns& rows, const Int8Rows& x, std::int32_t* sums,
                           std::int64_t sums_stride) {
  if (x.count < kFewestUnpackedTokens || w.blocks == 0) {
    ternary_gemm<TwoBits>(w, rows, x, sums, sums_stride);
    return;
  }
  for (std::int64_t token = 0; token < x.count; token += kCachedTokens) {
    const std::int64_t last = smaller(x.count, token + kCachedTokens);
    for_each_run(rows, sums, [&](std::int64_t row, std::int64_t end, std::int32_t* to) {
      for (; row + kUnpackedRows <= end; row += kUnpackedRows, to += kUnpackedRows) {
        multiply_rows<kUnpackedRows>(w, row, x, token, last, {to, sums_stride, 1});
      }
      for (; row < end; ++row, ++to) multiply_rows<1>(w, row, x, token, last, {to, sums_stride, 1});
    });
  }
}

}  // namespace
}  // namespace bitnet::kernels
