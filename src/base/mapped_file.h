#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>

namespace bitnet {

/// A whole file, read-only, mapped into memory. Move-only. Reading concurrently is safe.
/// A file that another program shortens while it is mapped raises SIGBUS, as with every memory map.
class MappedFile {
 public:
  MappedFile() = default;
  /// Throws Error(not_found) or Error(io), naming the path.
  explicit MappedFile(const std::filesystem::path& path);
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();

  [[nodiscard]] std::span<const std::byte> bytes() const noexcept { return {data_, size_}; }
  [[nodiscard]] const std::filesystem::path& path() const noexcept { return path_; }
  /// Copies bytes from `offset` on without mapping their pages, which is cheaper for what is read once. Throws
  /// Error(io) when the file has become too short, where reading bytes() would raise SIGBUS.
  void read(std::size_t offset, std::span<std::byte> into) const;
  /// Drops the pages of a range from this process; they come back from the page cache when touched again.
  void release(std::size_t offset, std::size_t length) const noexcept;

 private:
  std::filesystem::path path_;
  const std::byte* data_ = nullptr;
  std::size_t size_ = 0;
  int fd_ = -1;
};

}  // namespace bitnet
