#pragma once
/// Into the layout of ternary_layout.h, and back. Nothing here allocates; disjoint ranges may run concurrently.

#include <cstdint>
#include <optional>

namespace bitnet::pack {

/// A weight of a matrix.
struct Position {
  std::int64_t row;
  std::int64_t column;
};

/// weights: [rows, stride], `in` of each row used, values -1, 0, +1 → prepared: [rows, row_bytes(in)].
/// Returns the first weight that is none of the three; then `prepared` is unspecified.
[[nodiscard]] std::optional<Position> prepare_int8(const std::int8_t* weights, std::int64_t rows, std::int64_t in,
                                                   std::int64_t stride, std::uint8_t* prepared);

/// The way back; weights: [rows, stride].
void unprepare_int8(const std::uint8_t* prepared, std::int64_t rows, std::int64_t in, std::int64_t stride,
                    std::int8_t* weights);

/// From the Hugging Face packed layout, [packed_rows, in], byte (r, c) = Σ_i code[i · packed_rows + r, c] << 2i for
/// i = 0 to 3 → prepared: [4 · packed_rows, row_bytes(in)]. A few packed rows of a longer matrix are a matrix too;
/// their output rows are then less far apart. Returns a weight with the invalid code 3 (the first column of the first
/// such packed row, and there of the lowest output row); then the output is unspecified.
[[nodiscard]] std::optional<Position> prepare_hf(const std::uint8_t* packed, std::int64_t packed_rows, std::int64_t in,
                                                 std::uint8_t* prepared);

}  // namespace bitnet::pack
