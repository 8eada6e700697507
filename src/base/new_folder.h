#pragma once

#include <filesystem>

namespace bitnet {

/// A folder that is filled under a temporary name beside `target`. commit() renames it; without commit() it is removed.
class NewFolder {
 public:
  /// Throws Error(invalid_argument) when `target` is there and not an empty folder; Error(io), as commit() does.
  explicit NewFolder(const std::filesystem::path& target);
  NewFolder(const NewFolder&) = delete;
  NewFolder& operator=(const NewFolder&) = delete;
  ~NewFolder();

  [[nodiscard]] const std::filesystem::path& path() const noexcept { return temporary_; }
  /// Last call.
  void commit();

 private:
  std::filesystem::path target_;
  std::filesystem::path temporary_;
  bool committed_ = false;
};

}  // namespace bitnet
