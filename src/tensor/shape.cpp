#include "tensor/shape.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "base/fail.h"

namespace bitnet {
namespace {

constexpr std::int64_t kMaxElements = (std::int64_t{1} << 60) - 1;

}  // namespace

Shape::Shape(std::span<const std::int64_t> dims) : rank_(dims.size()) {
  if (dims.size() > kMaxRank) {
    fail(ErrorKind::invalid_argument, "the shape has {} dimensions; at most {} are supported", dims.size(), kMaxRank);
  }
  std::copy(dims.begin(), dims.end(), dims_.begin());
  for (const std::int64_t dim : dims) {
    if (dim < 0) fail(ErrorKind::invalid_argument, "the shape {} has a negative dimension", to_string(*this));
    if (dim != 0 && count_ > kMaxElements / dim) {
      fail(ErrorKind::invalid_argument, "the shape {} has more than 2^60 - 1 elements", to_string(*this));
    }
    count_ *= dim;
  }
}

std::string to_string(const Shape& shape) { return fmt::format("[{}]", fmt::join(shape.dims(), ", ")); }

}  // namespace bitnet
