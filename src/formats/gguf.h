#pragma once
/// GGUF files, versions 2 and 3: named tensors and typed metadata, read in place and written back. docs/formats/gguf.md
/// draws the layout. Files are untrusted: every rule of the format is checked before a tensor can be seen.

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/mapped_file.h"
#include "tensor/shape.h"

namespace bitnet::formats {

/// Element types with their numbers in the file. Others are refused when the file is opened.
enum class GgufType : std::uint32_t {
  f32 = 0,
  f16 = 1,
  q4_0 = 2,
  q8_0 = 8,
  q6_k = 14,
  bf16 = 30,
  tq1_0 = 34,
  tq2_0 = 35,
  i2_s = 36,
  q2_0 = 42,        ///< 64 weights a scale
  q2_0_128 = 1042,  ///< 128 weights a scale; 42 in the file too, and told apart by the room that tensors have
};

[[nodiscard]] std::string_view name_of(GgufType type);
/// Bytes of a tensor of rows × cols (i2_s: with its tail). `cols` must be a multiple of the type's block.
[[nodiscard]] std::size_t gguf_bytes(GgufType type, std::int64_t rows, std::int64_t cols);
/// Weights in a block: 1, 32, 64, 128 or 256. For i2_s a tensor's whole size has to be a multiple, not its columns.
[[nodiscard]] std::int64_t gguf_block(GgufType type);

/// Arrays hold one type. Integers of all widths come as 64 bits, single floats as double, arrays of them as float32.
using GgufValue =
    std::variant<bool, std::uint64_t, std::int64_t, double, std::string_view, std::vector<std::uint64_t>,
                 std::vector<std::int64_t>, std::vector<float>, std::vector<bool>, std::vector<std::string_view>>;

struct GgufTensor {
  std::string name;
  GgufType type = GgufType::f32;
  /// Row-major, the file's order reversed: [rows, cols], or [n] where there is one row: the format's own writers leave
  /// out dimensions of 1 before it.
  Shape shape;
  std::span<const std::byte> bytes;  ///< in the mapped file; of no particular alignment
};

/// One open file. Move-only; reading concurrently is safe. Views live as long as the object.
class GgufFile {
 public:
  /// Throws Error(not_found / io) from mapping, Error(corrupt / unsupported) naming file, key or tensor, what was found
  /// and expected, and Error(limit) for a header of more than 100,000,000 bytes.
  explicit GgufFile(const std::filesystem::path& path);
  /// Reads bytes that the caller keeps alive; `name` stands for the path in messages.
  GgufFile(std::span<const std::byte> bytes, std::string name);

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
  /// Sorted by name (bytewise).
  [[nodiscard]] const std::vector<GgufTensor>& tensors() const noexcept { return tensors_; }
  [[nodiscard]] const GgufTensor* find(std::string_view name) const noexcept;

  struct Entry {
    std::string key;
    GgufValue value;
  };
  /// In the order of the file.
  [[nodiscard]] const std::vector<Entry>& metadata() const noexcept { return metadata_; }
  /// Null when there is no such key.
  [[nodiscard]] const GgufValue* value(std::string_view key) const noexcept;

  // Typed access for those who read a model's metadata. A value of another type is an Error(corrupt) naming the key.

  /// Null when the key is absent.
  [[nodiscard]] const std::string_view* text(std::string_view key) const;
  /// Any integer type, within [low, high]; `otherwise` when the key is absent.
  [[nodiscard]] std::int64_t integer_or(std::string_view key, std::int64_t otherwise, std::int64_t low,
                                        std::int64_t high) const;
  /// Any number, within [low, high].
  [[nodiscard]] double number_or(std::string_view key, double otherwise, double low, double high) const;
  [[nodiscard]] bool boolean_or(std::string_view key, bool otherwise) const;

  /// Copies bytes of a tensor from `offset` on without mapping their pages. Throws Error(io) for a shortened file.
  /// Only for a file that was opened by its path, as release().
  void read(const GgufTensor& tensor, std::size_t offset, std::span<std::byte> into) const;
  /// Drops a tensor's pages from this process; they come back when touched again.
  void release(const GgufTensor& tensor) const noexcept;

 private:
  void parse(std::span<const std::byte> bytes);
  void index_metadata();
  [[noreturn]] void bad_value(std::string_view key, const GgufValue& value, std::string_view expected) const;

  MappedFile file_;
  std::filesystem::path path_;
  std::vector<GgufTensor> tensors_;
  std::vector<Entry> metadata_;
  std::vector<std::size_t> by_key_;  // indices of metadata_, sorted by key
};

/// What a writer is told before the first byte of data.
struct GgufWriteTensor {
  std::string name;  ///< at most 63 bytes: other programs read no more
  GgufType type = GgufType::f32;
  Shape shape;  ///< [rows, cols] or [n]
  /// Writes the tensor's bytes, gguf_bytes() in all, piece by piece.
  std::function<void(const std::function<void(std::span<const std::byte>)>& write)> produce;
};

/// A value with the type that it has in the file.
using GgufWriteValue = std::variant<bool, std::uint32_t, std::int32_t, std::uint64_t, float, std::string,
                                    std::vector<std::string>, std::vector<float>, std::vector<std::int32_t>>;
struct GgufWriteEntry {
  std::string key;
  GgufWriteValue value;
};

/// Writes version 3 with alignment 32, entries and tensors in the order given: the same input gives the same bytes. The
/// file appears under its name only when it is complete. Holds one piece of one tensor at a time.
/// Throws Error(invalid_argument) for a name that is used twice or too long, a shape that is empty or does not fit its
/// type, a `produce` that wrote another number of bytes, the key general.alignment, and q2_0_128, whose number means
/// something else to most readers (q2_0 holds the same weights with each scale twice); Error(limit) for a header that
/// GgufFile would refuse; Error(io).
void write_gguf(const std::filesystem::path& path, std::span<const GgufWriteEntry> metadata,
                std::span<const GgufWriteTensor> tensors);

}  // namespace bitnet::formats
