// MappedFile, AtomicFile and the text file functions.

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>
#include <iterator>
#include <utility>
#include <vector>

#include "base/atomic_file.h"
#include "base/mapped_file.h"
#include "base/text_file.h"
#include "support/expect_error.h"
#include "support/temporary_folder.h"

namespace bitnet {
namespace {

using testing_support::expect_error;
using testing_support::TemporaryFolder;

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

std::size_t files_in(const std::filesystem::path& folder) {
  const std::filesystem::directory_iterator files(folder);
  return static_cast<std::size_t>(std::distance(begin(files), end(files)));
}

TEST(MappedFile, ReadsMovesAndReleases) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "file";
  const std::string content(3 * 4096 + 17, 'x');
  write_file_atomically(path, bytes_of(content));
  MappedFile first(path);
  EXPECT_EQ(first.path(), path);
  EXPECT_TRUE(std::ranges::equal(first.bytes(), bytes_of(content)));
  first.release(1, content.size() - 1);
  first.release(content.size(), 100'000);  // beyond the end: nothing to drop
  EXPECT_TRUE(std::ranges::equal(first.bytes(), bytes_of(content)));
  MappedFile second(std::move(first));
  EXPECT_TRUE(first.bytes().empty());  // NOLINT(bugprone-use-after-move)
  MappedFile third;
  third = std::move(second);
  EXPECT_TRUE(std::ranges::equal(third.bytes(), bytes_of(content)));
}

TEST(MappedFile, ReadsPartsUntilTheFileIsShortened) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "file";
  write_file_atomically(path, bytes_of("0123456789"));
  const MappedFile file(path);
  std::vector<std::byte> part(4);
  file.read(3, part);
  EXPECT_TRUE(std::ranges::equal(part, bytes_of("3456")));
  std::filesystem::resize_file(path, 5);
  expect_error(ErrorKind::io, {"2 bytes at 5", path.string(), "ends before"}, [&] { file.read(3, part); });
}

TEST(MappedFile, AnEmptyFileHasNoBytes) {
  const TemporaryFolder folder;
  write_file_atomically(folder.path() / "empty", {});
  EXPECT_TRUE(MappedFile(folder.path() / "empty").bytes().empty());
}

TEST(MappedFile, SaysWhatIsWrong) {
  const TemporaryFolder folder;
  const auto& path = folder.path();
  expect_error(ErrorKind::not_found, {"missing"}, [&] { MappedFile(path / "missing"); });
  expect_error(ErrorKind::io, {path.string(), "not a regular file"}, [&] { MappedFile{path}; });
  write_file_atomically(path / "file", {});
  expect_error(ErrorKind::not_found, {"file/below"}, [&] { MappedFile(path / "file" / "below"); });
  ASSERT_EQ(mkfifo((path / "pipe").c_str(), 0600), 0);
  expect_error(ErrorKind::io, {"pipe", "not a regular file"}, [&] { MappedFile(path / "pipe"); });
}

TEST(TextFile, RefusesMoreThanItsBound) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "text";
  write_file_atomically(path, bytes_of("12345"));
  EXPECT_EQ(read_text_file(path, 5), "12345");
  expect_error(ErrorKind::limit, {"text", "5 bytes", "at most 4"}, [&] { (void)read_text_file(path, 4); });
  expect_error(ErrorKind::not_found, {"missing"}, [&] { (void)read_text_file(folder.path() / "missing", 4); });
}

TEST(AtomicFile, ReplacesOnlyOnCommit) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "file";
  write_file_atomically(path, bytes_of("old"));
  {
    AtomicFile file(path);
    file.write(bytes_of("half"));
    EXPECT_EQ(read_text_file(path, 100), "old");
  }
  EXPECT_EQ(read_text_file(path, 100), "old");
  {
    AtomicFile one(path);  // two writers at the same time do not mix
    AtomicFile two(path);
    one.write(bytes_of("one"));
    two.write(bytes_of("tw"));
    two.write(bytes_of("o"));
    two.commit();
    EXPECT_EQ(read_text_file(path, 100), "two");
    one.commit();
  }
  EXPECT_EQ(read_text_file(path, 100), "one");
  EXPECT_EQ(files_in(folder.path()), 1U);
}

TEST(AtomicFile, FailsWithoutATrace) {
  const TemporaryFolder folder;
  expect_error(ErrorKind::io, {"cannot write", "missing/file"},
               [&] { write_file_atomically(folder.path() / "missing" / "file", bytes_of("x")); });
  std::filesystem::create_directories(folder.path() / "taken" / "inside");
  expect_error(ErrorKind::io, {"cannot write", "taken"},
               [&] { write_file_atomically(folder.path() / "taken", bytes_of("x")); });
  EXPECT_EQ(files_in(folder.path()), 1U);
}

TEST(AtomicFile, AFullDiskLeavesTheOldFile) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "file";
  write_file_atomically(path, bytes_of("old"));
  // A limit on the size of files stands for the full disk.
  rlimit usual{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &usual), 0);
  const auto handler = signal(SIGXFSZ, SIG_IGN);
  const rlimit small{1000, usual.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  const std::vector<std::byte> content(5000);
  expect_error(ErrorKind::io, {"cannot write", path.string()}, [&] { write_file_atomically(path, content); });
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &usual), 0);
  signal(SIGXFSZ, handler);
  EXPECT_EQ(read_text_file(path, 100), "old");
  EXPECT_EQ(files_in(folder.path()), 1U);
}

}  // namespace
}  // namespace bitnet
