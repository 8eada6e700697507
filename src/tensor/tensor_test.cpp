#include "tensor/tensor.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <limits>
#include <vector>

#include "support/expect_error.h"

namespace bitnet {
namespace {

using testing_support::expect_error;

constexpr std::int64_t kMax = std::numeric_limits<std::int64_t>::max();

TEST(DType, NamesAndSizes) {
  for (std::size_t i = 0; i < std::size(kDTypes); ++i) {
    const auto dtype = static_cast<DType>(i);
    EXPECT_EQ(parse_dtype(name_of(dtype)), dtype);
  }
  EXPECT_EQ(name_of(DType::bf16), "BF16");
  EXPECT_EQ(name_of(DType::boolean), "BOOL");
  EXPECT_EQ(size_of(DType::f64), 8U);
  EXPECT_EQ(size_of(DType::u32), 4U);
  EXPECT_EQ(size_of(DType::f16), 2U);
  EXPECT_EQ(size_of(DType::boolean), 1U);
  for (const char* unknown : {"", "f32", "F8_E4M3", "F32 "}) EXPECT_EQ(parse_dtype(unknown), std::nullopt);
}

TEST(Shape, CountsAndPrints) {
  EXPECT_EQ(Shape().element_count(), 1);
  EXPECT_EQ(to_string(Shape()), "[]");
  const Shape shape = {2, 24};
  EXPECT_EQ(shape.rank(), 2U);
  EXPECT_EQ(shape[1], 24);
  EXPECT_EQ(shape.element_count(), 48);
  EXPECT_EQ(to_string(shape), "[2, 24]");
  EXPECT_EQ((Shape{3, 0, 7}).element_count(), 0);
  EXPECT_EQ((Shape{1, 1, 1, 1, 1, 1, 1, 5}).element_count(), 5);
  EXPECT_EQ(shape, (Shape{2, 24}));
  EXPECT_NE(shape, (Shape{24, 2}));
  EXPECT_NE(shape, (Shape{2, 24, 1}));
}

TEST(Shape, RefusesWhatCannotBe) {
  expect_error(ErrorKind::invalid_argument, {"9 dimensions", "at most 8"}, [] { Shape{1, 1, 1, 1, 1, 1, 1, 1, 1}; });
  expect_error(ErrorKind::invalid_argument, {"[2, -1]", "negative"}, [] { Shape{2, -1}; });
  const std::int64_t largest = (std::int64_t{1} << 60) - 1;
  EXPECT_EQ(Shape{largest}.element_count(), largest);
  expect_error(ErrorKind::invalid_argument, {"2^60"}, [&] { Shape{largest + 1}; });
  expect_error(ErrorKind::invalid_argument, {"2^60"}, [] { Shape{kMax, kMax, kMax}; });
  expect_error(ErrorKind::invalid_argument, {"2^60"}, [] { Shape{std::int64_t{1} << 32, std::int64_t{1} << 32}; });
  EXPECT_EQ((Shape{0, kMax, kMax}).element_count(), 0);
}

TEST(TensorView, GivesTypedAccessToItsOwnTypeOnly) {
  Tensor tensor(DType::i32, {2, 3});
  std::ranges::fill(tensor.as<std::int32_t>(), 7);
  const TensorView view = tensor.view();
  EXPECT_EQ(view.size_bytes(), 24U);
  EXPECT_EQ(view.as<std::int32_t>().size(), 6U);
  EXPECT_EQ(view.as<std::int32_t>()[5], 7);
  expect_error(ErrorKind::invalid_argument, {"[2, 3]", "I32"}, [&] { (void)view.as<float>(); });
  expect_error(ErrorKind::invalid_argument, {"[2, 3]", "I32"}, [&] { (void)tensor.as<std::uint32_t>(); });
}

TEST(TensorView, SixteenAndEightBitCodesReadTheirBits) {
  for (const DType dtype : {DType::f16, DType::bf16, DType::u16}) {
    EXPECT_EQ(Tensor(dtype, {4}).view().as<std::uint16_t>().size(), 4U);
  }
  EXPECT_EQ(Tensor(DType::boolean, {4}).view().as<std::uint8_t>().size(), 4U);
  expect_error(ErrorKind::invalid_argument, {"BF16"}, [] { (void)Tensor(DType::bf16, {4}).view().as<std::int16_t>(); });
}

TEST(TensorView, RefusesMisalignedAccess) {
  const Tensor tensor(DType::u8, {16});
  const TensorView view{tensor.data() + 1, DType::f32, {3}};
  expect_error(ErrorKind::invalid_argument, {"[3]", "F32", "multiple of 4"}, [&] { (void)view.as<float>(); });
}

TEST(TensorView, DefaultIsEmpty) {
  EXPECT_TRUE(TensorView().as<float>().empty());
  EXPECT_TRUE(Tensor().view().as<float>().empty());
}

template <typename T>
void put(std::vector<std::byte>& bytes, std::initializer_list<T> values) {
  bytes.resize(1 + values.size() * sizeof(T));  // one byte of shift: the data is not aligned
  std::memcpy(bytes.data() + 1, std::data(values), values.size() * sizeof(T));
}

TEST(ToF32, ConvertsEveryFloatingType) {
  const std::vector<float> expected = {1.0F, -2.5F, 0.0F};
  std::vector<std::byte> bytes;
  put<double>(bytes, {1.0, -2.5, 0.0});
  EXPECT_EQ(to_f32({bytes.data() + 1, DType::f64, {3}}), expected);
  put<float>(bytes, {1.0F, -2.5F, 0.0F});
  EXPECT_EQ(to_f32({bytes.data() + 1, DType::f32, {3}}), expected);
  put<std::uint16_t>(bytes, {0x3c00, 0xc100, 0});
  EXPECT_EQ(to_f32({bytes.data() + 1, DType::f16, {3}}), expected);
  put<std::uint16_t>(bytes, {0x3f80, 0xc020, 0});
  EXPECT_EQ(to_f32({bytes.data() + 1, DType::bf16, {3}}), expected);
  expect_error(ErrorKind::invalid_argument, {"[3]", "U8", "floating-point"}, [&] {
    (void)to_f32({bytes.data(), DType::u8, {3}});
  });
}

}  // namespace
}  // namespace bitnet
