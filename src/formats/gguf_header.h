#pragma once
/// What gguf.h's reader and writer share: the format's constants, and its header before the tensors are placed.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/gguf.h"

namespace bitnet::formats {

inline constexpr std::string_view kGgufMagic = "GGUF";
inline constexpr std::string_view kGgufAlignmentKey = "general.alignment";
inline constexpr std::uint32_t kGgufAlignment = 32;  ///< of tensors, where no key says otherwise
/// Metadata and tensor descriptions together. Real files have a few megabytes; in memory they take up to ten times as
/// much.
inline constexpr std::size_t kGgufMaxHeader = 100'000'000;

/// Types of metadata values.
enum class GgufValueType : std::uint32_t { u8, i8, u16, i16, u32, i32, f32, boolean, string, array, u64, i64, f64 };

/// Element types as files name them, with their blocks.
struct GgufTypeInfo {
  GgufType type;
  std::string_view name;
  std::int64_t block;        ///< weights
  std::int64_t block_bytes;  ///< bytes of so many weights
};
/// Null for a number that is not in GgufType or stands for a type in no file (q2_0_128).
[[nodiscard]] const GgufTypeInfo* find_gguf_type(std::uint32_t number);
/// "F32 (0), F16 (1), …"
[[nodiscard]] std::string supported_gguf_types();

/// What the file says about one tensor; q2_0 stands for both of its forms.
struct GgufDeclared {
  std::string name;
  GgufType type = GgufType::f32;
  Shape shape;
  std::uint64_t offset = 0;  ///< from the first byte of data
};

struct GgufHeader {
  std::vector<GgufFile::Entry> metadata;
  std::vector<GgufDeclared> tensors;
  std::size_t bytes = 0;  ///< up to the padding before the data
};

/// Reads the header of the file that is called `source` in messages. Throws Error(corrupt / unsupported / limit).
[[nodiscard]] GgufHeader read_gguf_header(std::span<const std::byte> file, const std::string& source);

}  // namespace bitnet::formats
