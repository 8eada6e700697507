#pragma once
/// safetensors files: named tensors and a string map, read in place and written back. docs/formats/safetensors.md
/// draws the layout. Files are untrusted: every rule of the format is checked before a tensor can be seen.

#include <cstddef>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/mapped_file.h"
#include "tensor/tensor_view.h"

namespace bitnet::formats {

/// Bytes of names and metadata that are read, as by the reference implementation.
inline constexpr std::uint64_t kSafetensorsMaxHeader = 100'000'000;

struct SafetensorsEntry {
  std::string name;
  TensorView view;         ///< aligned for its dtype; lives as long as the file object
  std::size_t offset = 0;  ///< of the first data byte, from the start of the file
};

using SafetensorsMetadata = std::map<std::string, std::string>;

/// One open file. Tensors are views of the mapped file; only where the file places a tensor at an address that is not
/// aligned for its dtype (the format permits that) the view is of a copy. Move-only; reading concurrently is safe.
class SafetensorsFile {
 public:
  /// Throws Error(not_found / io) from mapping, and Error(corrupt) naming file, tensor, what was found and expected.
  explicit SafetensorsFile(const std::filesystem::path& path);
  /// Reads bytes that the caller keeps alive; `name` stands for the path in messages.
  SafetensorsFile(std::span<const std::byte> bytes, std::string name);

  /// Sorted by name (bytewise).
  [[nodiscard]] const std::vector<SafetensorsEntry>& entries() const noexcept { return entries_; }
  /// Null when there is no such tensor.
  [[nodiscard]] const SafetensorsEntry* find(std::string_view name) const noexcept;
  [[nodiscard]] const SafetensorsMetadata& metadata() const noexcept { return metadata_; }
  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
  /// Copies bytes of `view` (a tensor of this file) from `offset` on without mapping their pages, which is cheaper for
  /// what is read once. Throws Error(io) when the file has been shortened.
  void read(const TensorView& view, std::size_t offset, std::span<std::byte> into) const;
  /// Drops the pages that lie wholly in `view` (a tensor of this file, or a part of one) from this process; they come
  /// back when touched again.
  void release(const TensorView& view) const noexcept;

 private:
  void parse(std::span<const std::byte> bytes);
  /// Where a view begins in the mapped file; none for a copy or for bytes of the caller.
  [[nodiscard]] std::optional<std::size_t> mapped_offset(const TensorView& view) const noexcept;

  MappedFile file_;
  std::filesystem::path path_;
  std::vector<SafetensorsEntry> entries_;
  SafetensorsMetadata metadata_;
  std::vector<AlignedBuffer> copies_;
};

struct CheckpointTensor {
  std::string name;
  TensorView view;
  std::shared_ptr<const SafetensorsFile> file;  ///< where it lies; keeps the view alive
};

/// The tensors of a model, which lie in one file or in the shards that an index names. Copies share the files.
class SafetensorsCheckpoint {
 public:
  /// `path` is a .safetensors file, or a folder with model.safetensors or, when that is absent,
  /// model.safetensors.index.json and its shards. Throws as SafetensorsFile; Error(not_found) when the folder holds
  /// neither or a shard is missing; Error(corrupt) when index and shards disagree.
  [[nodiscard]] static SafetensorsCheckpoint open(const std::filesystem::path& path);

  /// Sorted by name (bytewise).
  [[nodiscard]] const std::vector<CheckpointTensor>& tensors() const noexcept { return tensors_; }
  /// Null when there is no such tensor.
  [[nodiscard]] const CheckpointTensor* find(std::string_view name) const noexcept;
  /// In the order of their names.
  [[nodiscard]] const std::vector<std::shared_ptr<const SafetensorsFile>>& files() const noexcept { return files_; }

 private:
  void add(const std::filesystem::path& path);

  std::vector<std::shared_ptr<const SafetensorsFile>> files_;
  std::vector<CheckpointTensor> tensors_;
};

struct NamedTensor {
  std::string name;
  TensorView view;
};

/// A tensor whose bytes come piece by piece.
struct StreamedTensor {
  std::string name;
  DType dtype = DType::u8;
  Shape shape;
  /// Writes all bytes of the tensor.
  std::function<void(const std::function<void(std::span<const std::byte>)>& write)> produce;
};

/// Writes a file that appears under its name only when it is complete. The same tensors give the same bytes in any
/// order of `tensors`, and the bytes that the reference library writes: by element type, largest elements first, then
/// by name. Throws Error(invalid_argument) for a name that is used twice, is "__metadata__" or not UTF-8; Error(io);
/// and, from stream_safetensors, Error(invalid_argument) for a `produce` that wrote another number of bytes.
void stream_safetensors(const std::filesystem::path& path, std::span<const StreamedTensor> tensors,
                        const SafetensorsMetadata& metadata = {});
void write_safetensors(const std::filesystem::path& path, std::span<const NamedTensor> tensors,
                       const SafetensorsMetadata& metadata = {});

}  // namespace bitnet::formats
