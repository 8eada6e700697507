#pragma once

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string_view>

namespace bitnet {

/// How one element is stored, little-endian. Booleans take one byte.
enum class DType : std::uint8_t { f64, f32, f16, bf16, i64, i32, i16, i8, u64, u32, u16, u8, boolean };

struct DTypeInfo {
  std::string_view name;  ///< as safetensors spells it
  std::size_t size;       ///< bytes of one element; also its alignment
};

/// In the order of DType.
inline constexpr DTypeInfo kDTypes[] = {{"F64", 8}, {"F32", 4}, {"F16", 2}, {"BF16", 2}, {"I64", 8},
                                        {"I32", 4}, {"I16", 2}, {"I8", 1},  {"U64", 8},  {"U32", 4},
                                        {"U16", 2}, {"U8", 1},  {"BOOL", 1}};

[[nodiscard]] constexpr std::size_t size_of(DType dtype) { return kDTypes[static_cast<std::size_t>(dtype)].size; }
[[nodiscard]] constexpr std::string_view name_of(DType dtype) { return kDTypes[static_cast<std::size_t>(dtype)].name; }

/// "BF16" → DType::bf16; nothing for a name that is not in kDTypes.
[[nodiscard]] constexpr std::optional<DType> parse_dtype(std::string_view name) {
  for (std::size_t i = 0; i < std::size(kDTypes); ++i) {
    if (kDTypes[i].name == name) return static_cast<DType>(i);
  }
  return std::nullopt;
}

}  // namespace bitnet
