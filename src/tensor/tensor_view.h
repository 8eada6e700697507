#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>
#include <vector>

#include "tensor/dtype.h"
#include "tensor/shape.h"

namespace bitnet {

/// Whether elements of `dtype` can be read as T. uint16_t also reads the bits of F16 and BF16 (base/float16.h converts
/// them), uint8_t also booleans.
template <typename T>
[[nodiscard]] constexpr bool holds(DType dtype) {
  using U = std::remove_cv_t<T>;
  if constexpr (std::is_same_v<U, double>) return dtype == DType::f64;
  if constexpr (std::is_same_v<U, float>) return dtype == DType::f32;
  if constexpr (std::is_same_v<U, std::int64_t>) return dtype == DType::i64;
  if constexpr (std::is_same_v<U, std::int32_t>) return dtype == DType::i32;
  if constexpr (std::is_same_v<U, std::int16_t>) return dtype == DType::i16;
  if constexpr (std::is_same_v<U, std::int8_t>) return dtype == DType::i8;
  if constexpr (std::is_same_v<U, std::uint64_t>) return dtype == DType::u64;
  if constexpr (std::is_same_v<U, std::uint32_t>) return dtype == DType::u32;
  if constexpr (std::is_same_v<U, std::uint16_t>) {
    return dtype == DType::u16 || dtype == DType::f16 || dtype == DType::bf16;
  }
  if constexpr (std::is_same_v<U, std::uint8_t>) return dtype == DType::u8 || dtype == DType::boolean;
  return false;
}

/// A dense row-major tensor in memory that somebody else keeps alive. Reading concurrently is safe.
struct TensorView {
  const std::byte* data = nullptr;
  DType dtype = DType::f32;
  Shape shape = {0};

  [[nodiscard]] std::int64_t element_count() const noexcept { return shape.element_count(); }
  [[nodiscard]] std::size_t size_bytes() const noexcept {
    return static_cast<std::size_t>(element_count()) * size_of(dtype);
  }
  [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return {data, size_bytes()}; }

  /// All elements. Throws Error(invalid_argument) when the dtype does not hold T or the data is not aligned for T.
  template <typename T>
  [[nodiscard]] std::span<const T> as() const {
    check_access(holds<T>(dtype), alignof(T));
    return {reinterpret_cast<const T*>(data), static_cast<std::size_t>(element_count())};
  }

 private:
  void check_access(bool held, std::size_t alignment) const;
};

/// The elements of a floating-point tensor as float32; F64 is rounded to nearest. The data may have any alignment.
/// Throws Error(invalid_argument) for other dtypes.
[[nodiscard]] std::vector<float> to_f32(const TensorView& view);

}  // namespace bitnet
