#pragma once
/// The ternary product of rows in base3: 410 instead of 512 bytes for 2048 weights, where memory is the limit.

#include "kernels/avx512_vnni/ternary_dot.h"
#include "kernels/lanes16/ternary_columns.h"
#include "kernels/lanes16/ternary_gemm.h"

namespace bitnet::kernels {
namespace {

/// [c] = the digits of c in base 3, two bits each, for c < 81.
struct Digits {
  alignas(64) std::uint8_t codes[128];
};
constexpr Digits make_digits() {
  Digits digits{};
  for (int c = 0; c < 81; ++c) {
    digits.codes[c] = static_cast<std::uint8_t>(c % 3 | c / 3 % 3 << 2 | c / 9 % 3 << 4 | c / 27 << 6);
  }
  return digits;
}
constexpr Digits kDigits = make_digits();

/// Bytes of base3 without their fifth code.
inline __m512i four_of(__m512i base3) {
  // Of the byte and what is left of it without 81 and 162, all but the right one wrap around or are larger.
  const __m512i without81 = _mm512_sub_epi8(base3, _mm512_set1_epi8(81));
  const __m512i without162 = _mm512_sub_epi8(base3, _mm512_set1_epi8(static_cast<char>(162)));
  return _mm512_min_epu8(base3, _mm512_min_epu8(without81, without162));
}

/// Their four codes in two bits each.
inline __m512i two_bits_of(__m512i four) {
  return _mm512_permutex2var_epi8(load64(kDigits.codes), four, load64(kDigits.codes + 64));
}

/// The fifth code: what four_of took away is 0, 81 or 162, whose last two bits are 0, 1 and 2.
inline __m512i fifth_of(__m512i base3, __m512i four) {
  return _mm512_and_si512(_mm512_sub_epi8(base3, four), _mm512_set1_epi8(3));
}

/// Bits 2 · S and 2 · S + 1 of each byte, by the matrix of bits whose rows pick bit 2 · S for bit 0 of the result, bit
/// 2 · S + 1 for bit 1 and nothing for the others: one operation instead of a shift and a mask.
template <int S>
inline __m512i slice_of(__m512i two_bits) {
  if constexpr (S == 0) return _mm512_and_si512(two_bits, _mm512_set1_epi8(3));
  constexpr std::int64_t kRows = (std::int64_t{1} << (56 + 2 * S)) | (std::int64_t{1} << (48 + 2 * S + 1));
  return _mm512_gf2p8affine_epi64_epi8(two_bits, _mm512_set1_epi64(kRows), 0);
}

/// Block `block` of up to N rows in two bits a code; zeros for the rows beyond `rows`. Where it lies is found once for
/// all of them. The loop stays a loop to keep the code small.
template <int N>
inline void load_block(const TernaryMatrix& w, std::int64_t row, std::int64_t rows, std::int64_t block,
                       __m512i (&two_bits)[N]) {
  const std::int64_t group = block / pack::kBase3Blocks;
  const std::int64_t place = block % pack::kBase3Blocks;
  const bool alone = group == w.blocks / pack::kBase3Blocks;
  const bool fifth = !alone && place == 4;
  const std::uint8_t* at = w.codes + row * w.row_bytes + (block - group - (fifth ? 4 : 0)) * pack::kBlockBytes;
  const auto four = [](const std::uint8_t* codes) { return four_of(load64(codes)); };
  const auto fifth_at = [&](const std::uint8_t* codes) { return fifth_of(load64(codes), four(codes)); };
#pragma GCC unroll 1
  for (std::int64_t i = 0; i < N; ++i, at += w.row_bytes) {
    if (i >= rows) {
      two_bits[i] = _mm512_setzero_si512();
    } else if (alone) {
      two_bits[i] = load64(at);
    } else if (!fifth) {
      two_bits[i] = two_bits_of(four(at));
    } else {
      const __m512i low = _mm512_or_si512(fifth_at(at), _mm512_slli_epi16(fifth_at(at + 64), 2));
      const __m512i high = _mm512_or_si512(fifth_at(at + 128), _mm512_slli_epi16(fifth_at(at + 192), 2));
      two_bits[i] = _mm512_or_si512(low, _mm512_slli_epi16(high, 4));
    }
  }
}

/// Rows are read from memory: they are asked for this far ahead in each run. Intel loses 5 % at 6 KiB; less
/// than 2 gained nothing certain (docs/performance.md).
constexpr std::int64_t kBase3Prefetch = 2048;

/// 64 bytes of a row that is read from memory.
inline __m512i load_ahead(const std::uint8_t* codes) {
  _mm_prefetch(reinterpret_cast<const char*>(codes + kBase3Prefetch), _MM_HINT_T0);
  return load_once(codes);
}

struct Base3 {
  static constexpr pack::TernaryCoding kCoding = pack::TernaryCoding::base3;

  /// Whole rows: slices.begin is 0 and slices.end a multiple of 4.
  template <int R, int T>
  [[gnu::always_inline]] static void dot_rows(const std::uint8_t* codes, std::int64_t apart, const std::int8_t* x,
                                              std::int64_t x_stride, Slices slices, std::int32_t (&dots)[T][R]) {
    __m512i sum[T][R];
    clear_sums(sum);
    std::int64_t blocks = slices.end / 4;
    for (; blocks >= pack::kBase3Blocks; blocks -= pack::kBase3Blocks) {
      const std::int8_t* fifth_x = x + 4 * pack::kBlockWeights;
      for (int k = 0; k < 4; ++k, x += pack::kBlockWeights, fifth_x += pack::kSliceWeights) {
        __m512i two_bits[R];
        __m512i slice[R];
        for (int r = 0; r < R; ++r) {
          const __m512i bytes = load_ahead(codes + r * apart);
          const __m512i four = four_of(bytes);
          two_bits[r] = two_bits_of(four);
          slice[r] = fifth_of(bytes, four);
        }
        add_products<R, T>(slice, fifth_x, x_stride, sum);
        add_block(two_bits, x, x_stride, sum);
        codes += pack::kBlockBytes;
      }
      x += pack::kBlockWeights;
    }
    for (; blocks > 0; --blocks, codes += pack::kBlockBytes, x += pack::kBlockWeights) {
      __m512i two_bits[R];
      for (int r = 0; r < R; ++r) two_bits[r] = load_ahead(codes + r * apart);
      add_block(two_bits, x, x_stride, sum);
    }
    fold_dots(sum, dots);
  }

 private:
  template <int R, int T>
  [[gnu::always_inline]] static void add_block(const __m512i (&two_bits)[R], const std::int8_t* x,
                                               std::int64_t x_stride, __m512i (&sum)[T][R]) {
    add_slice<0>(two_bits, x, x_stride, sum);
    add_slice<1>(two_bits, x, x_stride, sum);
    add_slice<2>(two_bits, x, x_stride, sum);
    add_slice<3>(two_bits, x, x_stride, sum);
  }
  template <int S, int R, int T>
  [[gnu::always_inline]] static void add_slice(const __m512i (&two_bits)[R], const std::int8_t* x,
                                               std::int64_t x_stride, __m512i (&sum)[T][R]) {
    __m512i slice[R];
    for (int r = 0; r < R; ++r) slice[r] = slice_of<S>(two_bits[r]);
    add_products<R, T>(slice, x + S * pack::kSliceWeights, x_stride, sum);
  }
};

/// For ternary_columns.
struct Base3Lines {
  static constexpr pack::TernaryCoding kCoding = pack::TernaryCoding::base3;
  static constexpr int kSlices = 5;
  [[gnu::always_inline]] static void unpack(QuadCodes bytes, QuadCodes (&slices)[kSlices]) {
    const __m512i four = four_of(bytes);
    const __m512i two_bits = two_bits_of(four);
    slices[0] = slice_of<0>(two_bits);
    slices[1] = slice_of<1>(two_bits);
    slices[2] = slice_of<2>(two_bits);
    slices[3] = slice_of<3>(two_bits);
    slices[4] = fifth_of(bytes, four);
  }
  using Rest = TwoBitLines;
};

}  // namespace
}  // namespace bitnet::kernels
