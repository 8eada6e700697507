#include "base/atomic_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "base/fail.h"

namespace bitnet {

// The address tells apart the threads of one process that write the same target at the same time.
AtomicFile::AtomicFile(const std::filesystem::path& target)
    : target_(target),
      temporary_(fmt::format("{}.tmp.{}.{}", target.string(), getpid(), fmt::ptr(static_cast<const void*>(this)))) {
  fd_ = open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd_ < 0) fail_write();
}

AtomicFile::~AtomicFile() {
  if (fd_ >= 0) close(fd_);
  if (!committed_) unlink(temporary_.c_str());
}

void AtomicFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd_, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail_write();
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
}

void AtomicFile::commit() {
  if (fsync(fd_) != 0) fail_write();
  if (const int fd = std::exchange(fd_, -1); close(fd) != 0) fail_write();
  if (rename(temporary_.c_str(), target_.c_str()) != 0) fail_write();
  committed_ = true;
}

void AtomicFile::fail_write() const {
  fail(ErrorKind::io, "cannot write {}: {}", target_.string(), std::strerror(errno));
}

}  // namespace bitnet
