#include "base/text_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/fail.h"
#include "base/mapped_file.h"

namespace bitnet {

std::string read_text_file(const std::filesystem::path& path, std::size_t max_bytes) {
  const MappedFile file(path);
  if (file.bytes().size() > max_bytes) {
    fail(ErrorKind::limit, "{} has {} bytes; at most {} are accepted", path.string(), file.bytes().size(), max_bytes);
  }
  return {reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()};
}

namespace {

/// Closes the descriptor and removes the temporary file unless commit() was reached.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::filesystem::path& target)
      : target_(target), path_(target.string() + ".tmp." + std::to_string(getpid())) {
    fd_ = open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd_ < 0) fail_write();
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  ~TemporaryFile() {
    if (fd_ >= 0) close(fd_);
    if (!committed_) unlink(path_.c_str());
  }
  void write(std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      const ssize_t n = ::write(fd_, bytes.data(), bytes.size());
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) fail_write();
      bytes = bytes.subspan(static_cast<std::size_t>(n));
    }
  }
  void commit() {
    if (fsync(fd_) != 0) fail_write();
    if (const int fd = std::exchange(fd_, -1); close(fd) != 0) fail_write();
    if (rename(path_.c_str(), target_.c_str()) != 0) fail_write();
    committed_ = true;
  }

 private:
  [[noreturn]] void fail_write() const {
    fail(ErrorKind::io, "cannot write {}: {}", target_.string(), std::strerror(errno));
  }
  std::filesystem::path target_;
  std::filesystem::path path_;
  int fd_ = -1;
  bool committed_ = false;
};

}  // namespace

void write_file_atomically(const std::filesystem::path& path, std::span<const std::byte> bytes) {
  TemporaryFile file(path);
  file.write(bytes);
  file.commit();
}

}  // namespace bitnet
