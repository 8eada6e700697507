#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "hub/model_id.h"
#include "hub/repo_info.h"
#include "hub/unique_fd.h"

namespace bitnet::hub {

/// The part of a blob that is there: CACHE/models--…/blobs/ETAG.incomplete. It grows at its end only, so that all of
/// it was downloaded whenever writing stops.
class IncompleteBlob {
 public:
  IncompleteBlob(UniqueFd file, std::filesystem::path path) : file_(std::move(file)), path_(std::move(path)) {}

  [[nodiscard]] std::int64_t size() const;
  /// Bytes from `offset` on, as many as there are, up to bytes.size().
  [[nodiscard]] std::size_t read(std::int64_t offset, std::span<std::byte> bytes) const;
  /// At the end. When the disk is full, what was written stays.
  void append(std::span<const std::byte> bytes);
  void truncate(std::int64_t size);
  void sync();

 private:
  [[noreturn]] void fail_io(const char* what) const;

  UniqueFd file_;
  std::filesystem::path path_;
};

/// One model's folder in the cache. Reading follows links, as the layout is made of them. Writing follows none below
/// the cache's own folder: every folder is opened from its parent, without following a link in its place, and so is
/// every file; so nothing that was planted there leads a download elsewhere.
/// Functions throw Error(io). Const ones may be called from several threads at once.
class Cache {
 public:
  Cache(std::filesystem::path folder, const ModelId& id);

  [[nodiscard]] std::filesystem::path snapshot(const std::string& commit) const;
  /// The commit that a branch or tag was when it was last pulled.
  [[nodiscard]] std::optional<std::string> read_ref(const std::string& revision) const;
  /// The files of a snapshot that are there, with sizes; sorted by name.
  [[nodiscard]] std::vector<RepoFile> list(const std::string& commit) const;
  [[nodiscard]] bool has(const std::string& commit, const RepoFile& file) const;
  [[nodiscard]] bool has_blob(const std::string& etag, std::int64_t size) const;

  /// Makes the folders for what follows. First call.
  void open_for_writing();
  /// Bytes that may still be written here.
  [[nodiscard]] std::int64_t free_bytes() const;
  /// Nobody else downloads this blob while the result lives; null when somebody does now. The file is the one that
  /// Python's huggingface_hub locks.
  [[nodiscard]] std::optional<UniqueFd> try_lock(const std::string& etag) const;
  [[nodiscard]] IncompleteBlob open_incomplete(const std::string& etag) const;
  void remove_incomplete(const std::string& etag) const;
  /// ETAG.incomplete, written and synced, gets its name.
  void publish(const std::string& etag) const;
  /// snapshots/COMMIT/NAME → blobs/ETAG
  void link(const std::string& commit, const std::string& name, const std::string& etag) const;
  void write_ref(const std::string& revision, const std::string& commit) const;

 private:
  std::filesystem::path root_;
  std::filesystem::path folder_;
  UniqueFd folder_fd_;
  UniqueFd blobs_fd_;
  UniqueFd locks_fd_;
};

}  // namespace bitnet::hub
