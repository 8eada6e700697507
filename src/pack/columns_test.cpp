#include "pack/columns.h"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <vector>

#include "base/rng.h"
#include "pack/base3.h"
#include "pack/prepare.h"

namespace bitnet::pack {
namespace {

/// The rows of a line of `blocks` blocks, null beyond `out`.
std::vector<const std::uint8_t*> rows_of(const RowLine& place, const std::vector<std::uint8_t>& matrix,
                                         std::int64_t out, std::int64_t in) {
  std::vector<const std::uint8_t*> rows;
  for (std::int64_t i = 0; i < kMostLineRows; ++i) {
    const std::int64_t first = i / 64 < 4 ? place.first : place.fifth;
    const std::int64_t row = i / 64 < 4 ? first + i : first + i % 64;
    rows.push_back(first >= 0 && row < out ? matrix.data() + row * row_bytes(in) : nullptr);
  }
  return rows;
}

void expect_transposed(std::uint64_t seed, std::int64_t out, std::int64_t in, TernaryCoding coding) {
  Rng rng(seed);
  std::vector<std::int8_t> weights(static_cast<std::size_t>(out * in));
  std::vector<std::int8_t> turned(weights.size());
  for (std::int64_t r = 0; r < out; ++r) {
    for (std::int64_t k = 0; k < in; ++k) {
      const auto weight = static_cast<std::int8_t>(static_cast<int>(rng.next() % 3) - 1);
      weights[static_cast<std::size_t>(r * in + k)] = weight;
      turned[static_cast<std::size_t>(k * out + r)] = weight;
    }
  }
  std::vector<std::uint8_t> rows(static_cast<std::size_t>(out * row_bytes(in)));
  ASSERT_FALSE(prepare_int8(weights.data(), out, in, in, rows.data()));
  std::vector<std::uint8_t> want(static_cast<std::size_t>(in * row_bytes(out)));
  ASSERT_FALSE(prepare_int8(turned.data(), in, out, out, want.data()));
  const std::int64_t blocks = block_count(out);
  const std::int64_t column_bytes = row_bytes(out, coding);
  if (coding == TernaryCoding::base3) {
    std::vector<std::uint8_t> packed(static_cast<std::size_t>(in * column_bytes));
    for (std::int64_t k = 0; k < in; ++k) {
      pack_base3(want.data() + k * row_bytes(out), blocks, packed.data() + k * column_bytes);
    }
    want = packed;
  }
  std::vector<std::uint8_t> columns(want.size());
  for (std::int64_t line = 0; line < column_bytes / kBlockBytes; ++line) {
    const RowLine place = row_line(blocks, coding, line);
    make_column_lines(rows_of(place, rows, out, in).data(), place, in, columns.data() + line * kBlockBytes,
                      column_bytes);
  }
  EXPECT_EQ(columns, want) << out << " x " << in;
}

TEST(Columns, AreTheRowsOfTheTransposedMatrix) {
  EXPECT_TRUE(rc::check("columns = rows of the transposed", [] {
    const auto out = *rc::gen::inRange<std::int64_t>(1, 1700);
    const auto in = *rc::gen::inRange<std::int64_t>(1, 200);
    const auto coding = *rc::gen::element(TernaryCoding::two_bits, TernaryCoding::base3);
    expect_transposed(*rc::gen::arbitrary<std::uint64_t>(), out, in, coding);
  }));
}

TEST(Columns, WholeGroupsAndTheRest) {
  for (const std::int64_t out : {1280, 2560, 256, 1536, 1281}) {
    for (const TernaryCoding coding : {TernaryCoding::two_bits, TernaryCoding::base3}) {
      expect_transposed(3, out, 130, coding);
    }
  }
}

}  // namespace
}  // namespace bitnet::pack
