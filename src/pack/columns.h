#pragma once
/// A ternary matrix by input: column k holds the weights of input k as a row of ternary_layout.h, so that the weights
/// of inputs that are zero need not be read. Nothing here allocates; disjoint lines may run concurrently.

#include <cstdint>

#include "pack/ternary_layout.h"

namespace bitnet::pack {

/// Rows that one line of a column is made of: slice s of the line is rows [64 · s, 64 · s + 64), of base3 five slices.
inline constexpr std::int64_t kMostLineRows = 5 * kSliceWeights;

/// Writes one line of all `in` columns, which lie column_bytes from one another. rows: [kMostLineRows], each in two
/// bits [row_bytes(in)], or null where the matrix has no such row: its weights are 0. `place` is that of the line.
void make_column_lines(const std::uint8_t* const* rows, const RowLine& place, std::int64_t in, std::uint8_t* line,
                       std::int64_t column_bytes);

}  // namespace bitnet::pack
