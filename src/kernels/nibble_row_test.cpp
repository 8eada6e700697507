#include "kernels/table_test.h"
#include "pack/nibble_rows.h"

namespace bitnet::kernels {
namespace {

class NibbleRow : public TableTest {};
BITNET_FOR_EACH_TABLE(NibbleRow);

/// What an entry writes and returns.
struct Copy {
  Copy(const KernelTable& table, DenseType type, const std::vector<std::uint8_t>& row, std::int64_t n)
      : codes(pack::nibble_blocks(n) * pack::kNibbleBlockBytes), scales(pack::kNibbleScales), sums(2) {
    const pack::NibbleSums found = table.nibble_row[index(type)](row.data(), n, codes.data(), scales.data());
    sums[0] = found.errors;
    sums[1] = found.squares;
  }
  Guarded<std::uint8_t> codes;
  Guarded<std::uint16_t> scales;
  Guarded<float> sums;
};

TEST_P(NibbleRow, EqualsScalar) {
  EXPECT_TRUE(rc::check("table = scalar", [] {
    const auto type = *rc::gen::element(DenseType::f32, DenseType::f16, DenseType::bf16);
    const std::int64_t n = any_size(128, 9);
    const auto row = as_dense(type, random_floats(any_seed(), n, any_values()));
    const Copy expected(kScalarTable, type, row, n);
    const Copy copy(table(), type, row, n);
    RC_ASSERT(copy.codes.same_as(expected.codes));
    RC_ASSERT(copy.scales.same_as(expected.scales));
    RC_ASSERT(copy.sums.same_as(expected.sums));
  }));
}

/// Each code is one that is nearest to its weight, in the byte that pack/nibble_rows.h names, and the sums are those of
/// the weights and of what is left of them.
TEST_P(NibbleRow, HoldsTheNearestCodes) {
  const std::int64_t n = 300;
  const std::vector<float> w = random_floats(5, n, Values::ordinary);
  const Copy copy(table(), DenseType::f32, as_dense(DenseType::f32, w), n);
  std::vector<float> most(16);
  double errors = 0.0;
  double squares = 0.0;
  for (std::size_t i = 0; i < w.size(); ++i) most[i % 16] = std::max(most[i % 16], std::fabs(w[i]));
  for (std::int64_t i = 0; i < n; ++i) {
    const float scale = f16_to_f32(copy.scales.data()[i % 16]);
    EXPECT_NEAR(scale, most[static_cast<std::size_t>(i % 16)] / 15, scale * 0x1p-11F);
    const int code = copy.codes.data()[i / 128 * 64 + i % 16 * 4 + i / 16 % 4] >> (i % 128 / 64 * 4) & 15;
    const float weight = w[static_cast<std::size_t>(i)];
    const float error = std::fabs(weight - static_cast<float>(2 * code - 15) * scale);
    EXPECT_LE(error, scale * 1.01F) << i;
    errors += static_cast<double>(error) * static_cast<double>(error);
    squares += static_cast<double>(weight) * static_cast<double>(weight);
  }
  EXPECT_NEAR(copy.sums.data()[0], errors, errors * 1e-5);
  EXPECT_NEAR(copy.sums.data()[1], squares, squares * 1e-5);
}

}  // namespace
}  // namespace bitnet::kernels
