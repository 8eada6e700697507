#include "base/new_folder.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/fail.h"

namespace bitnet {
namespace {

namespace fs = std::filesystem;

/// "a/b/" and "a/b/." name the folder "a/b"; the temporary one stands beside it.
fs::path named(const fs::path& path) {
  const fs::path normal = path.lexically_normal();
  return normal.has_filename() ? normal : normal.parent_path();
}

}  // namespace

NewFolder::NewFolder(const fs::path& target) : target_(named(target)) {
  std::error_code error;
  if (fs::exists(target_, error) && !(fs::is_directory(target_, error) && fs::is_empty(target_, error))) {
    fail(ErrorKind::invalid_argument, "{} is there already and not an empty folder; remove it or name another one",
         target_.string());
  }
  temporary_ = target_;
  // The address tells apart the threads of one process that write the same target at the same time.
  temporary_ += fmt::format(".tmp.{}.{}", getpid(), fmt::ptr(static_cast<const void*>(this)));
  fs::remove_all(temporary_, error);
  if (!fs::create_directories(temporary_, error) || error) {
    fail(ErrorKind::io, "cannot make the folder {}: {}", temporary_.string(), error.message());
  }
}

NewFolder::~NewFolder() {
  std::error_code ignored;
  if (!committed_) fs::remove_all(temporary_, ignored);
}

void NewFolder::commit() {
  // The names in the folder are on disk before the folder has its own.
  const int fd = open(temporary_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const bool synced = fd >= 0 && fsync(fd) == 0;
  if (fd >= 0) close(fd);
  if (!synced || rename(temporary_.c_str(), target_.c_str()) != 0) {
    fail(ErrorKind::io, "cannot rename {} to {}: {}", temporary_.string(), target_.string(), std::strerror(errno));
  }
  committed_ = true;
}

}  // namespace bitnet
