#pragma once

#include <cassert>
#include <cstdint>
#include <type_traits>

namespace bitnet {

/// Rows of T that belong to somebody else; `stride` elements from row to row.
template <typename T>
struct MatrixView {
  T* data = nullptr;
  std::int64_t rows = 0;
  std::int64_t cols = 0;
  std::int64_t stride = 0;

  MatrixView() = default;
  MatrixView(T* data, std::int64_t rows, std::int64_t cols) : MatrixView(data, rows, cols, cols) {}
  MatrixView(T* data, std::int64_t rows, std::int64_t cols, std::int64_t stride)
      : data(data), rows(rows), cols(cols), stride(stride) {}
  /// A view to read only.
  operator MatrixView<const T>() const  // NOLINT(google-explicit-constructor): as T* converts to const T*
      requires(!std::is_const_v<T>) {
    return {data, rows, cols, stride};
  }
  [[nodiscard]] T* row(std::int64_t i) const {
    assert(i >= 0 && i < rows);
    return data + i * stride;
  }
  [[nodiscard]] MatrixView first_rows(std::int64_t n) const {
    assert(n <= rows);
    return {data, n, cols, stride};
  }
};

}  // namespace bitnet
