#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

namespace bitnet {

/// Writes a file piece by piece under a temporary name beside `target`. commit() fsyncs and renames it, so that a
/// reader sees the old file or the whole new one; without commit() the temporary file is removed and `target` is
/// untouched.
class AtomicFile {
 public:
  /// Throws Error(io), as do the other functions.
  explicit AtomicFile(const std::filesystem::path& target);
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  ~AtomicFile();

  void write(std::span<const std::byte> bytes);
  /// Last call.
  void commit();

 private:
  [[noreturn]] void fail_write() const;

  std::filesystem::path target_;
  std::filesystem::path temporary_;
  int fd_ = -1;
  bool committed_ = false;
};

}  // namespace bitnet
