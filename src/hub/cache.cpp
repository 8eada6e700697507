#include "hub/cache.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <limits>

#include "base/fail.h"
#include "base/text_file.h"

namespace bitnet::hub {
namespace {

namespace fs = std::filesystem;

constexpr int kNoFollow = O_NOFOLLOW | O_CLOEXEC;
constexpr const char* kIncomplete = ".incomplete";

[[noreturn]] void fail_at(const fs::path& path, const char* what) {
  const int error = errno;
  if (error == ELOOP || error == ENOTDIR) {
    fail(ErrorKind::io, "cannot {} {}: a link or another thing that is no folder or ordinary file is in its place",
         what, path.string());
  }
  fail(ErrorKind::io, "cannot {} {}: {}", what, path.string(), std::strerror(error));
}

/// Makes the folder where it is missing. `path` is for messages.
UniqueFd open_folder(int parent, const std::string& name, const fs::path& path) {
  if (mkdirat(parent, name.c_str(), 0777) != 0 && errno != EEXIST) fail_at(path, "make the folder");
  UniqueFd folder(openat(parent, name.c_str(), O_RDONLY | O_DIRECTORY | kNoFollow));
  if (folder.get() < 0) fail_at(path, "open the folder");
  return folder;
}

/// The folder of the file `name` below `parent`, made where it is missing; `name` becomes the last component.
UniqueFd open_parent(int parent, std::string& name, fs::path path) {
  UniqueFd folder(fcntl(parent, F_DUPFD_CLOEXEC, 0));
  if (folder.get() < 0) fail_at(path, "open the folder");
  for (std::size_t slash = 0; (slash = name.find('/')) != std::string::npos; name.erase(0, slash + 1)) {
    path /= name.substr(0, slash);
    folder = open_folder(folder.get(), name.substr(0, slash), path);
  }
  return folder;
}

/// A file that is this cache's alone: not a link, not a device or pipe, and known by no other name.
UniqueFd open_own_file(int folder, const std::string& name, int flags, const fs::path& path) {
  UniqueFd file(openat(folder, name.c_str(), flags | O_NONBLOCK | kNoFollow, 0666));
  if (file.get() < 0) fail_at(path, "open");
  struct stat status {};
  if (fstat(file.get(), &status) != 0) fail_at(path, "open");
  if (!S_ISREG(status.st_mode) || status.st_nlink > 1) {
    fail(ErrorKind::io, "{} is no ordinary file of the cache's own; remove it", path.string());
  }
  return file;
}

/// A name for something that gets its own by renaming, which no other process and thread uses.
std::string temporary_name(const std::string& name) {
  static std::atomic<unsigned> number{0};
  return fmt::format(".{}.{}.{}", name.substr(0, 200), getpid(), number++);
}

std::optional<std::int64_t> size_of(const fs::path& path) {
  std::error_code error;
  if (!fs::is_regular_file(path, error)) return std::nullopt;
  const auto size = fs::file_size(path, error);
  if (error) return std::nullopt;
  return static_cast<std::int64_t>(size);
}

}  // namespace

std::int64_t IncompleteBlob::size() const {
  struct stat status {};
  if (fstat(file_.get(), &status) != 0) fail_io("read");
  return status.st_size;
}

std::size_t IncompleteBlob::read(std::int64_t offset, std::span<std::byte> bytes) const {
  ssize_t count = 0;
  do {
    count = pread(file_.get(), bytes.data(), bytes.size(), offset);
  } while (count < 0 && errno == EINTR);
  if (count < 0) fail_io("read");
  return static_cast<std::size_t>(count);
}

void IncompleteBlob::append(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t count = write(file_.get(), bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail_io("write");
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
  sync_file_range(file_.get(), 0, 0, SYNC_FILE_RANGE_WRITE);  // a hint: so that sync() finds little left to do
}

void IncompleteBlob::truncate(std::int64_t size) {
  if (ftruncate(file_.get(), size) != 0) fail_io("shorten");
}

void IncompleteBlob::sync() {
  if (fsync(file_.get()) != 0) fail_io("write");
}

void IncompleteBlob::fail_io(const char* what) const { fail_at(path_, what); }

Cache::Cache(fs::path folder, const ModelId& id) : root_(std::move(folder)), folder_(root_ / id.folder()) {}

fs::path Cache::snapshot(const std::string& commit) const { return folder_ / "snapshots" / commit; }

std::optional<std::string> Cache::read_ref(const std::string& revision) const {
  constexpr std::int64_t kMaxBytes = 64;
  const fs::path path = folder_ / "refs" / revision;
  if (size_of(path).value_or(kMaxBytes + 1) > kMaxBytes) return std::nullopt;
  std::string commit = read_text_file(path, kMaxBytes);
  commit.erase(commit.find_last_not_of(" \r\n") + 1);
  if (!is_commit(commit)) return std::nullopt;
  return commit;
}

std::vector<RepoFile> Cache::list(const std::string& commit) const {
  constexpr int kMaxDepth = 16;
  constexpr std::size_t kMaxFiles = 100'000;
  std::vector<RepoFile> files;
  const fs::path top = snapshot(commit);
  std::error_code error;
  for (fs::recursive_directory_iterator it(top, error), end; !error && it != end; it.increment(error)) {
    if (it.depth() >= kMaxDepth) it.disable_recursion_pending();
    const auto size = size_of(it->path());
    if (size) files.push_back({it->path().lexically_relative(top).string(), size, {}});
    if (files.size() > kMaxFiles) fail(ErrorKind::limit, "{} has more than {} files", top.string(), kMaxFiles);
  }
  std::sort(files.begin(), files.end(), [](const RepoFile& a, const RepoFile& b) { return a.name < b.name; });
  return files;
}

bool Cache::has(const std::string& commit, const RepoFile& file) const {
  const auto size = size_of(snapshot(commit) / file.name);
  return size && size == file.size.value_or(*size);
}

bool Cache::has_blob(const std::string& etag, std::int64_t size) const {
  return size_of(folder_ / "blobs" / etag) == size;
}

void Cache::open_for_writing() {
  std::error_code error;
  fs::create_directories(root_, error);
  if (error) fail(ErrorKind::io, "cannot make the folder {}: {}", root_.string(), error.message());
  const UniqueFd root(open(root_.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));  // its place is the user's choice
  if (root.get() < 0) fail_at(root_, "open the folder");
  const std::string name = folder_.filename().string();
  folder_fd_ = open_folder(root.get(), name, folder_);
  blobs_fd_ = open_folder(folder_fd_.get(), "blobs", folder_ / "blobs");
  const UniqueFd all_locks = open_folder(root.get(), ".locks", root_ / ".locks");
  locks_fd_ = open_folder(all_locks.get(), name, root_ / ".locks" / name);
}

std::int64_t Cache::free_bytes() const {
  struct statvfs status {};
  if (fstatvfs(folder_fd_.get(), &status) != 0) fail_at(folder_, "look at the disk of");
  const auto blocks = static_cast<std::int64_t>(status.f_bavail);
  const auto size = static_cast<std::int64_t>(status.f_frsize);
  return size > 0 && blocks > std::numeric_limits<std::int64_t>::max() / size ? std::numeric_limits<std::int64_t>::max()
                                                                              : blocks * size;
}

std::optional<UniqueFd> Cache::try_lock(const std::string& etag) const {
  const std::string name = etag + ".lock";
  const fs::path path = root_ / ".locks" / folder_.filename() / name;
  UniqueFd file = open_own_file(locks_fd_.get(), name, O_RDWR | O_CREAT, path);
  while (flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) return std::nullopt;
    if (errno != EINTR) fail_at(path, "lock");
  }
  return file;
}

IncompleteBlob Cache::open_incomplete(const std::string& etag) const {
  const std::string name = etag + kIncomplete;
  const fs::path path = folder_ / "blobs" / name;
  return {open_own_file(blobs_fd_.get(), name, O_RDWR | O_CREAT | O_APPEND, path), path};
}

void Cache::remove_incomplete(const std::string& etag) const {
  unlinkat(blobs_fd_.get(), (etag + kIncomplete).c_str(), 0);
}

void Cache::publish(const std::string& etag) const {
  const std::string from = etag + kIncomplete;
  if (renameat(blobs_fd_.get(), from.c_str(), blobs_fd_.get(), etag.c_str()) != 0 || fsync(blobs_fd_.get()) != 0) {
    fail_at(folder_ / "blobs" / etag, "write");
  }
}

void Cache::link(const std::string& commit, const std::string& name, const std::string& etag) const {
  std::string last = fmt::format("snapshots/{}/{}", commit, name);
  const fs::path path = folder_ / last;
  const UniqueFd folder = open_parent(folder_fd_.get(), last, folder_);
  std::string target = "../../";
  for (const char c : name) target += c == '/' ? "../" : "";
  target += "blobs/" + etag;
  const std::string temporary = temporary_name(last);
  unlinkat(folder.get(), temporary.c_str(), 0);
  if (symlinkat(target.c_str(), folder.get(), temporary.c_str()) != 0 ||
      renameat(folder.get(), temporary.c_str(), folder.get(), last.c_str()) != 0) {
    fail_at(path, "make the link");
  }
}

void Cache::write_ref(const std::string& revision, const std::string& commit) const {
  std::string last = "refs/" + revision;
  const fs::path path = folder_ / last;
  const UniqueFd folder = open_parent(folder_fd_.get(), last, folder_);
  const std::string temporary = temporary_name(last);
  unlinkat(folder.get(), temporary.c_str(), 0);
  IncompleteBlob file(open_own_file(folder.get(), temporary, O_WRONLY | O_CREAT | O_EXCL, path), path);
  file.append(std::as_bytes(std::span(commit)));
  file.sync();
  if (renameat(folder.get(), temporary.c_str(), folder.get(), last.c_str()) != 0) fail_at(path, "write");
}

}  // namespace bitnet::hub
