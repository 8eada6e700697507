#include "kernels/table_test.h"

namespace bitnet::kernels {
namespace {

constexpr DenseType kDenseTypeList[] = {DenseType::f32, DenseType::f16, DenseType::bf16};

DenseType any_dense_type() { return kDenseTypeList[*rc::gen::inRange(0, kDenseTypes)]; }

class DenseGemm : public TableTest {};
BITNET_FOR_EACH_TABLE(DenseGemm);

TEST(ScalarDenseGemm, IsTheProduct) {
  EXPECT_TRUE(rc::check("scalar = naive", [] {
    const DenseType type = any_dense_type();
    const std::int64_t rows = any_size(4, 2);
    const std::int64_t in = any_size(16, 5);
    const std::int64_t tokens = any_size(4, 1);
    const auto w = random_floats(any_seed(), rows * in, Values::ordinary);
    const auto x = random_floats(any_seed(), tokens * in, Values::ordinary);
    Guarded<float> y(tokens * rows);
    kScalarTable.dense_gemm[index(type)](as_dense(type, w).data(), in, 0, rows, x.data(), in, tokens, y.data(), rows);
    for (std::int64_t t = 0; t < tokens; ++t) {
      for (std::int64_t r = 0; r < rows; ++r) {
        double exact = 0.0;
        double magnitude = 0.0;
        for (std::int64_t k = 0; k < in; ++k) {
          const double product = static_cast<double>(dense_value(type, w[static_cast<std::size_t>(r * in + k)])) *
                                 x[static_cast<std::size_t>(t * in + k)];
          exact += product;
          magnitude += std::fabs(product);
        }
        RC_ASSERT(std::fabs(y[t * rows + r] - exact) <= magnitude * 0x1p-24 * (static_cast<double>(in) / 16 + 6));
      }
    }
  }));
}

TEST_P(DenseGemm, EqualsScalar) {
  EXPECT_TRUE(rc::check("table = scalar", [] {
    const auto type = index(any_dense_type());
    const std::int64_t rows = any_size(8, 2);
    const std::int64_t in = any_size(16, 5);
    const std::int64_t tokens = any_size(4, 2);
    const std::int64_t x_stride = in + *rc::gen::inRange<std::int64_t>(0, 9);
    const auto begin = *rc::gen::inRange<std::int64_t>(0, rows + 1);
    const auto end = *rc::gen::inRange<std::int64_t>(begin, rows + 1);
    const std::int64_t y_stride = end - begin + *rc::gen::inRange<std::int64_t>(0, 9);
    const Values kind = any_values();
    const auto w = as_dense(kDenseTypeList[type], random_floats(any_seed(), rows * in, kind));
    const auto x = random_floats(any_seed(), tokens * x_stride, kind);
    Guarded<float> expected(tokens * y_stride);
    Guarded<float> y(tokens * y_stride);
    kScalarTable.dense_gemm[type](w.data(), in, begin, end, x.data(), x_stride, tokens, expected.data(), y_stride);
    table().dense_gemm[type](w.data(), in, begin, end, x.data(), x_stride, tokens, y.data(), y_stride);
    RC_ASSERT(y.same_as(expected));
  }));
}

// A sum that underflows to -0 becomes +0 where the padding is added, so the padding is part of the contract.
TEST_P(DenseGemm, PaddingIsAdded) {
  for (const std::int64_t in : {1, 16, 17}) {
    const std::vector<float> w(static_cast<std::size_t>(in), 1e-30F);
    const std::vector<float> x(static_cast<std::size_t>(in), -1e-30F);
    Guarded<float> expected(1);
    Guarded<float> y(1);
    kScalarTable.dense_gemm[0](w.data(), in, 0, 1, x.data(), in, 1, expected.data(), 1);
    table().dense_gemm[0](w.data(), in, 0, 1, x.data(), in, 1, y.data(), 1);
    EXPECT_TRUE(y.same_as(expected)) << in;
  }
}

TEST_P(DenseGemm, ToFloatKeepsEveryValueOfTheType) {
  std::vector<std::uint16_t> all(1 << 16);
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::uint16_t>(i);
  for (const DenseType type : {DenseType::f16, DenseType::bf16}) {
    Guarded<float> y(1 << 16);
    table().to_float[index(type)](all.data(), 1 << 16, y.data());
    for (std::size_t i = 0; i < all.size(); ++i) {
      const float expected = type == DenseType::f16 ? f16_to_f32(all[i]) : bf16_to_f32(all[i]);
      const float found = y[static_cast<std::int64_t>(i)];
      ASSERT_TRUE(std::bit_cast<std::uint32_t>(found) == std::bit_cast<std::uint32_t>(expected) ||
                  (std::isnan(found) && std::isnan(expected)))
          << "bits " << i;
    }
  }
}

TEST_P(DenseGemm, ToFloatEqualsScalar) {
  EXPECT_TRUE(rc::check("table = scalar", [] {
    const auto type = index(any_dense_type());
    const std::int64_t n = any_size(16);
    const auto row = as_dense(kDenseTypeList[type], random_floats(any_seed(), n, any_values()));
    Guarded<float> expected(n);
    Guarded<float> y(n);
    kScalarTable.to_float[type](row.data(), n, expected.data());
    table().to_float[type](row.data(), n, y.data());
    RC_ASSERT(y.same_as(expected));
  }));
}

}  // namespace
}  // namespace bitnet::kernels
