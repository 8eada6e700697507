#include "tensor/tensor_view.h"

#include <cstring>

#include "base/fail.h"
#include "base/float16.h"

namespace bitnet {
namespace {

template <typename Stored, typename Convert>
std::vector<float> convert(const TensorView& view, Convert to_float) {
  std::vector<float> values(static_cast<std::size_t>(view.element_count()));
  for (std::size_t i = 0; i < values.size(); ++i) {
    Stored stored;
    std::memcpy(&stored, view.data + i * sizeof(Stored), sizeof(Stored));
    values[i] = to_float(stored);
  }
  return values;
}

}  // namespace

void TensorView::check_access(bool held, std::size_t alignment) const {
  if (!held) {
    fail(ErrorKind::invalid_argument, "a tensor {} of {} was read as another type", to_string(shape), name_of(dtype));
  }
  if (reinterpret_cast<std::uintptr_t>(data) % alignment != 0) {
    fail(ErrorKind::invalid_argument, "a tensor {} of {} does not start at a multiple of {} bytes", to_string(shape),
         name_of(dtype), alignment);
  }
}

std::vector<float> to_f32(const TensorView& view) {
  switch (view.dtype) {
    case DType::f64:
      return convert<double>(view, [](double d) { return static_cast<float>(d); });
    case DType::f32:
      return convert<float>(view, [](float f) { return f; });
    case DType::f16:
      return convert<std::uint16_t>(view, f16_to_f32);
    case DType::bf16:
      return convert<std::uint16_t>(view, bf16_to_f32);
    default:
      fail(ErrorKind::invalid_argument, "a tensor {} of {} does not hold floating-point numbers", to_string(view.shape),
           name_of(view.dtype));
  }
}

}  // namespace bitnet
