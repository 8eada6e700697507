#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/aligned_buffer.h"
#include "tensor/tensor_view.h"

namespace bitnet {

/// Owns a dense row-major tensor that starts zeroed and on a cache line. Move-only.
class Tensor {
 public:
  Tensor() = default;
  /// Throws Error(limit) when the memory cannot be had.
  Tensor(DType dtype, const Shape& shape)
      : dtype_(dtype), shape_(shape), buffer_(static_cast<std::size_t>(shape.element_count()) * size_of(dtype)) {}

  [[nodiscard]] DType dtype() const noexcept { return dtype_; }
  [[nodiscard]] const Shape& shape() const noexcept { return shape_; }
  [[nodiscard]] std::byte* data() const noexcept { return buffer_.data(); }
  [[nodiscard]] TensorView view() const noexcept { return {buffer_.data(), dtype_, shape_}; }

  /// All elements, to read and write. Throws Error(invalid_argument) when the dtype does not hold T.
  template <typename T>
  [[nodiscard]] std::span<T> as() const {
    const std::span<const T> values = view().as<T>();
    return {buffer_.as<T>(), values.size()};
  }

 private:
  DType dtype_ = DType::f32;
  Shape shape_ = {0};
  AlignedBuffer buffer_;
};

}  // namespace bitnet
