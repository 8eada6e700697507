#pragma once
/// The ternary product of one token by input, for inputs that are mostly zero: only the columns of the others are read.
/// Four columns at a time: their bytes are interleaved, so that a product of four bytes adds four inputs to an output.
///
/// An instruction set gives
///   QuadCodes, QuadSums: registers of kCodeBytes codes and of kCodeBytes / 4 sums; load_codes, load_sums, store_sums;
///   interleave<V>(x, y): from the bytes of four columns, y[i] of kQuadsTogether registers with four bytes each of
///     which the first comes from x[0] and the last from x[3]: in each 16 bytes, the bytes 4 · (V + i) to + 3;
///   QuadInputs, spread_inputs: four int8 inputs, again and again; add_quads: sum += Σ of four codes · four inputs;
///   two_bit_slice<S>(two_bits): a code of two bits from each byte.

#include "kernels/kernel_table.h"
#include "kernels/lanes16/vectors.h"
#include "pack/ternary_layout.h"

namespace bitnet::kernels {
namespace {

// As many inputs are looked through at once; what is left of them lies on the stack.
constexpr std::int64_t kInputsAtOnce = 4096;
// So many bytes of a column are read one after another: their sums stay in the first-level cache.
constexpr std::int64_t kLinesAtOnce = 8;
// Columns that are added line by line. With each line so many of the next ones are asked for: with eight lines each
// column twice, because some requests get lost.
constexpr std::int64_t kColumnsAtOnce = 16;
constexpr std::int64_t kColumnsAsked = 4;
constexpr std::int64_t kMostSlices = 5;

/// QuadInputs that are not zero, up to three more of value 0 after them so that their number is a multiple of four.
struct Nonzeros {
  alignas(64) std::uint16_t index[kInputsAtOnce + 4];
  alignas(64) std::int8_t value[kInputsAtOnce + 4];
  std::int64_t count;
};

inline void find_nonzeros(const std::int8_t* x, std::int64_t n, Nonzeros& found) {
  std::int64_t count = 0;
  for (std::int64_t k = 0; k < n; ++k) {
    found.index[count] = static_cast<std::uint16_t>(k);
    found.value[count] = x[k];
    count += x[k] != 0 ? 1 : 0;
  }
  for (; count % 4 != 0; ++count) {
    found.index[count] = found.index[count - 1];
    found.value[count] = 0;
  }
  found.count = count;
}

/// Lines of two bits a weight: what each byte of the codes holds.
struct TwoBitLines {
  static constexpr pack::TernaryCoding kCoding = pack::TernaryCoding::two_bits;
  static constexpr int kSlices = 4;
  [[gnu::always_inline]] static void unpack(QuadCodes bytes, QuadCodes (&slices)[kSlices]) {
    slices[0] = two_bit_slice<0>(bytes);
    slices[1] = two_bit_slice<1>(bytes);
    slices[2] = two_bit_slice<2>(bytes);
    slices[3] = two_bit_slice<3>(bytes);
  }
  /// The same for blocks that do not fill a group.
  using Rest = TwoBitLines;
};

/// Adds kQuadsTogether registers of each slice to sums: [kQuadsTogether][slices][kCodeBytes / 4].
template <typename Lines, int V>
[[gnu::always_inline]] inline void add_registers(const std::uint8_t* line, std::int64_t apart,
                                                 const std::uint16_t* index, const std::int8_t* value,
                                                 std::int64_t count, std::int32_t* sums) {
  constexpr int kEach = kCodeBytes / 4;
  QuadSums sum[kQuadsTogether][Lines::kSlices];
#pragma GCC unroll 8
  for (int i = 0; i < kQuadsTogether; ++i) {
#pragma GCC unroll 8
    for (int s = 0; s < Lines::kSlices; ++s) sum[i][s] = load_sums(sums + (i * Lines::kSlices + s) * kEach);
  }
  for (std::int64_t at = 0; at < count; at += 4) {
    QuadCodes x[4];
#pragma GCC unroll 8
    for (int i = 0; i < 4; ++i) x[i] = load_codes(line + index[at + i] * apart);
    QuadCodes quads[kQuadsTogether];
    interleave<V>(x, quads);
    std::int32_t four;
    __builtin_memcpy(&four, value + at, sizeof four);
    const QuadInputs inputs = spread_inputs(four);
#pragma GCC unroll 8
    for (int i = 0; i < kQuadsTogether; ++i) {
      QuadCodes slices[Lines::kSlices];
      Lines::unpack(quads[i], slices);
#pragma GCC unroll 8
      for (int s = 0; s < Lines::kSlices; ++s) sum[i][s] = add_quads(sum[i][s], slices[s], inputs);
    }
  }
#pragma GCC unroll 8
  for (int i = 0; i < kQuadsTogether; ++i) {
#pragma GCC unroll 8
    for (int s = 0; s < Lines::kSlices; ++s) store_sums(sums + (i * Lines::kSlices + s) * kEach, sum[i][s]);
  }
}

/// One line of some columns into its sums: [64 / kCodeBytes][4][slices][kCodeBytes / 4].
template <typename Lines>
void add_line(const std::uint8_t* line, std::int64_t apart, const std::uint16_t* index, const std::int8_t* value,
              std::int64_t count, std::int32_t* sums) {
  constexpr int kStep = kQuadsTogether * Lines::kSlices * kCodeBytes / 4;
  for (std::int64_t at = 0; at < pack::kBlockBytes; at += kCodeBytes) {
    add_registers<Lines, 0>(line + at, apart, index, value, count, sums);
    sums += kStep;
    if constexpr (kQuadsTogether == 2) {
      add_registers<Lines, 2>(line + at, apart, index, value, count, sums);
      sums += kStep;
    }
  }
}

/// What add_line has summed, in the order of the outputs, less `offset`.
inline void add_in_order(const std::int32_t* line, int slices, const pack::RowLine& place, std::int32_t offset,
                         std::int32_t* sums) {
  for (int at = 0; at < pack::kBlockBytes; at += kCodeBytes) {
    for (int v = 0; v < 4; ++v) {
      for (int s = 0; s < slices; ++s) {
        std::int32_t* to = sums + (s < 4 ? place.first + s * pack::kSliceWeights : place.fifth) + at + v * 4;
        for (int lane = 0; lane < kCodeBytes / 16; ++lane, line += 4) {
          for (int i = 0; i < 4; ++i) to[lane * 16 + i] += line[i] - offset;
        }
      }
    }
  }
}

template <typename Lines>
void add_columns(const TernaryMatrix& columns, const Nonzeros& inputs, std::int64_t first_line, std::int64_t lines,
                 std::int32_t (&line_sums)[kLinesAtOnce][kMostSlices * pack::kSliceWeights]) {
  const std::uint8_t* begin = columns.codes + first_line * pack::kBlockBytes;
  // g++ 12 leaves out calls of a function that only asks for memory.
  const auto ask_for = [&](std::int64_t from, std::int64_t to) __attribute__((always_inline)) {
    for (std::int64_t i = from; i < smaller(to, inputs.count); ++i) {
      const std::uint8_t* column = begin + inputs.index[i] * columns.row_bytes;
      for (std::int64_t line = 0; line < lines; ++line) __builtin_prefetch(column + line * pack::kBlockBytes);
    }
  };
  ask_for(0, kColumnsAtOnce);
  for (std::int64_t at = 0; at < inputs.count; at += kColumnsAtOnce) {
    const std::int64_t count = smaller(kColumnsAtOnce, inputs.count - at);
    for (std::int64_t line = 0; line < lines; ++line) {
      const std::int64_t next = at + kColumnsAtOnce + line * kColumnsAsked;
      ask_for(next, next + kColumnsAsked);
      const std::uint8_t* codes = begin + line * pack::kBlockBytes;
      const bool whole = pack::row_line(columns.blocks, Lines::kCoding, first_line + line).fifth >= 0;
      if (whole) {
        add_line<Lines>(codes, columns.row_bytes, inputs.index + at, inputs.value + at, count, line_sums[line]);
      } else {
        add_line<typename Lines::Rest>(codes, columns.row_bytes, inputs.index + at, inputs.value + at, count,
                                       line_sums[line]);
      }
    }
  }
}

template <typename Lines>
void ternary_columns(const TernaryMatrix& columns, const std::int8_t* x, std::int32_t* sums) {
  const std::int64_t all_lines = columns.row_bytes / pack::kBlockBytes;
  for (std::int64_t first = 0; first < columns.rows; first += kInputsAtOnce) {
    const std::int64_t count = smaller(kInputsAtOnce, columns.rows - first);
    Nonzeros inputs;
    find_nonzeros(x + first, count, inputs);
    std::int32_t offset = 0;
    for (std::int64_t k = 0; k < inputs.count; ++k) offset += inputs.value[k];
    const TernaryMatrix now{columns.codes + first * columns.row_bytes, count, columns.blocks, columns.row_bytes};
    for (std::int64_t line = 0; line < all_lines; line += kLinesAtOnce) {
      const std::int64_t lines = smaller(kLinesAtOnce, all_lines - line);
      alignas(64) std::int32_t line_sums[kLinesAtOnce][kMostSlices * pack::kSliceWeights] = {};
      add_columns<Lines>(now, inputs, line, lines, line_sums);
      for (std::int64_t i = 0; i < lines; ++i) {
        const pack::RowLine place = pack::row_line(columns.blocks, Lines::kCoding, line + i);
        add_in_order(line_sums[i], place.fifth < 0 ? 4 : kMostSlices, place, offset, sums);
      }
    }
  }
}

}  // namespace
}  // namespace bitnet::kernels
