#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>

namespace bitnet {

/// The sizes of a tensor's dimensions, slowest first. No dimension: a scalar, one element. A value, cheap to copy.
class Shape {
 public:
  static constexpr std::size_t kMaxRank = 8;

  Shape() = default;
  /// Throws Error(invalid_argument) for more than kMaxRank dimensions, a negative one, or more than 2^60 - 1 elements
  /// (so that a count of bytes never overflows).
  explicit Shape(std::span<const std::int64_t> dims);
  Shape(std::initializer_list<std::int64_t> dims) : Shape(std::span(dims.begin(), dims.size())) {}

  [[nodiscard]] std::size_t rank() const noexcept { return rank_; }
  [[nodiscard]] std::span<const std::int64_t> dims() const noexcept { return {dims_.data(), rank_}; }
  /// `i` < rank().
  [[nodiscard]] std::int64_t operator[](std::size_t i) const noexcept { return dims_[i]; }
  [[nodiscard]] std::int64_t element_count() const noexcept { return count_; }
  [[nodiscard]] bool operator==(const Shape&) const = default;

 private:
  std::array<std::int64_t, kMaxRank> dims_{};
  std::size_t rank_ = 0;
  std::int64_t count_ = 1;
};

/// "[2, 24]"; "[]" for a scalar.
[[nodiscard]] std::string to_string(const Shape& shape);

}  // namespace bitnet
