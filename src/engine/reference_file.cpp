#include "engine/reference_file.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <limits>

#include "base/fail.h"

namespace bitnet {
namespace {

/// "[2, any, 64]"
std::string describe(std::span<const std::int64_t> dims) {
  std::vector<std::string> texts;
  for (const std::int64_t dim : dims) texts.push_back(dim < 0 ? "any" : std::to_string(dim));
  return fmt::format("[{}]", fmt::join(texts, ", "));
}

bool fits(std::span<const std::int64_t> dims, std::span<const std::int64_t> expected) {
  return std::equal(dims.begin(), dims.end(), expected.begin(), expected.end(),
                    [](std::int64_t dim, std::int64_t wanted) { return wanted < 0 || dim == wanted; });
}

}  // namespace

std::vector<std::string> ReferenceFile::names() const {
  std::vector<std::string> names;
  for (const formats::SafetensorsEntry& entry : file_.entries()) names.push_back(entry.name);
  return names;
}

const formats::SafetensorsEntry& ReferenceFile::find(const std::string& name) const {
  const formats::SafetensorsEntry* entry = file_.find(name);
  if (entry == nullptr) fail(ErrorKind::not_found, "{}: there is no tensor \"{}\"", path(), name);
  return *entry;
}

ReferenceTensor ReferenceFile::floats(const std::string& name, std::span<const std::int64_t> dims) const {
  const TensorView& view = find(name).view;
  const auto found = view.shape.dims();
  if (!fits(found, dims)) {
    fail(ErrorKind::corrupt, "{}: \"{}\" has the shape {}; this model needs {}", path(), name, describe(found),
         describe(dims));
  }
  return {name, {found.begin(), found.end()}, to_f32(view)};
}

std::vector<std::vector<std::int32_t>> ReferenceFile::integers(const std::string& name) const {
  const TensorView& view = find(name).view;
  const std::size_t rank = view.shape.rank();
  if (view.dtype != DType::i64 || rank == 0 || rank > 2 || view.element_count() == 0) {
    fail(ErrorKind::corrupt, "{}: \"{}\" is {} {}; expected an I64 vector or matrix that is not empty", path(), name,
         name_of(view.dtype), to_string(view.shape));
  }
  const auto width = static_cast<std::size_t>(view.shape[rank - 1]);
  std::vector<std::vector<std::int32_t>> rows;
  for (const std::int64_t value : view.as<std::int64_t>()) {
    if (value < 0 || value > std::numeric_limits<std::int32_t>::max()) {
      fail(ErrorKind::corrupt, "{}: \"{}\" holds {}; expected a token id, a position or a mask", path(), name, value);
    }
    if (rows.empty() || rows.back().size() == width) rows.emplace_back();
    rows.back().push_back(static_cast<std::int32_t>(value));
  }
  return rows;
}

std::span<const std::int8_t> ReferenceFile::int8s(const std::string& name, std::int64_t rows, std::int64_t cols) const {
  const TensorView& view = find(name).view;
  if (view.dtype != DType::i8 || view.shape != Shape{rows, cols}) {
    fail(ErrorKind::corrupt, "{}: \"{}\" is {} {}; expected I8 [{}, {}]", path(), name, name_of(view.dtype),
         to_string(view.shape), rows, cols);
  }
  return view.as<std::int8_t>();
}

}  // namespace bitnet
