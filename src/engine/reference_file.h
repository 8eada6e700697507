#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/safetensors.h"

namespace bitnet {

/// A float tensor of a reference file, cut into rows of its last dimension.
struct ReferenceTensor {
  std::string name;
  std::vector<std::int64_t> dims;
  std::vector<float> values;

  /// Row `i` of all rows, in memory order.
  [[nodiscard]] std::span<const float> row(std::int64_t i) const {
    const auto width = static_cast<std::size_t>(dims.back());
    return std::span(values).subspan(static_cast<std::size_t>(i) * width, width);
  }
};

/// Typed, shape-checked access to a safetensors file that is not trusted. Each accessor throws Error(not_found /
/// corrupt) naming file, tensor, what was found and expected.
class ReferenceFile {
 public:
  explicit ReferenceFile(const std::filesystem::path& path) : file_(path) {}

  [[nodiscard]] bool has(std::string_view name) const { return file_.find(name) != nullptr; }
  [[nodiscard]] std::vector<std::string> names() const;
  [[nodiscard]] std::string path() const { return file_.path().string(); }

  /// -1 in `dims` stands for any size.
  [[nodiscard]] ReferenceTensor floats(const std::string& name, std::span<const std::int64_t> dims) const;
  [[nodiscard]] ReferenceTensor floats(const std::string& name, std::initializer_list<std::int64_t> dims) const {
    return floats(name, std::span(dims.begin(), dims.size()));
  }
  /// An integer matrix (a vector counts as one row) with values that fit 32 bits.
  [[nodiscard]] std::vector<std::vector<std::int32_t>> integers(const std::string& name) const;
  /// The rows of an int8 matrix [rows, cols].
  [[nodiscard]] std::span<const std::int8_t> int8s(const std::string& name, std::int64_t rows, std::int64_t cols) const;

 private:
  [[nodiscard]] const formats::SafetensorsEntry& find(const std::string& name) const;

  formats::SafetensorsFile file_;
};

}  // namespace bitnet
