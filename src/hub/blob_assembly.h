#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "hub/cache.h"
#include "hub/digest.h"

namespace bitnet::hub {

/// Consecutive bytes of a file on their way to the disk.
struct Segment {
  std::int64_t begin = 0;
  std::int64_t end = 0;
  std::int64_t have = 0;              ///< bytes that arrived, from `begin` on
  std::unique_ptr<std::byte[]> data;  ///< at least end - begin bytes

  [[nodiscard]] std::int64_t position() const { return begin + have; }
  [[nodiscard]] bool full() const { return position() == end; }
};

/// Makes a blob of segments that arrive in any order. Writing and hashing go by the file's order, each done by one
/// thread at a time, whichever delivers when there is something to do: so they overlap with each other and with
/// receiving, without threads of their own. Nothing has to be read again for its checksum, and the file never has a
/// hole.
class BlobAssembly {
 public:
  using Release = std::function<void(std::unique_ptr<std::byte[]> data)>;

  /// Hashes what `file` already holds. `release` gets the memory of segments that are done.
  BlobAssembly(IncompleteBlob file, std::string etag, std::int64_t size, Release release);

  /// The first byte that is missing, before anything was delivered.
  [[nodiscard]] std::int64_t resumed() const { return hashed_; }
  /// True for the one call with which the blob became complete. Thread-safe. After it threw, all is over.
  bool deliver(Segment segment);
  /// On the disk for good, and the checksum: whether it is the etag's. Only when complete.
  [[nodiscard]] bool finish();
  /// Back to an empty file.
  void restart();

 private:
  IncompleteBlob file_;
  std::string etag_;
  std::int64_t size_;
  Release release_;
  std::mutex mutex_;
  std::map<std::int64_t, Segment> arrived_;  // by begin
  Digest digest_;
  std::int64_t written_ = 0;
  std::int64_t hashed_ = 0;
  bool writing_ = false;
  bool hashing_ = false;
  bool complete_ = false;
};

}  // namespace bitnet::hub
