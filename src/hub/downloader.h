#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "hub/blob_assembly.h"
#include "hub/cache.h"
#include "hub/hub_server.h"

namespace bitnet::hub {

/// Sleeps in slices. Returns false when `stop` ended it early.
[[nodiscard]] bool sleep_unless(const std::function<bool()>& stop, std::chrono::milliseconds time);

/// Downloads files of one commit into blobs of the cache. Several connections work at once, on pieces of the same file
/// as well as on different ones. One run() in its life.
class Downloader {
 public:
  /// All must outlive it. `cache` is open for writing.
  Downloader(const HubOptions& options, const Plumbing& plumbing, const HubServer& server, const Cache& cache,
             std::string commit);

  /// Returns the files with the etags of their blobs, which are there and verified. Calls options.on_progress and
  /// options.log from this thread. Throws Error; what arrived stays in ETAG.incomplete.
  std::vector<RepoFile> run(std::span<const RepoFile> files);

 private:
  enum class State {
    waiting,
    opening,   // a worker asks where the content is
    opened,    // the first piece can be taken
    probing,   // its answer will tell whether the server knows ranges
    parallel,  // it does
    serial,    // it does not: one worker gets all
    done,
  };
  struct Task {
    RepoFile file;
    State state = State::waiting;
    FileSource source;
    UniqueFd lock;
    std::unique_ptr<BlobAssembly> assembly;
    std::int64_t next = 0;  // first byte that nobody fetches or has
    bool repeated = false;
  };
  struct Job {
    Task* task;
    FileSource source;
    std::optional<Segment> segment;  // none: open the task
    bool probes;
  };

  [[nodiscard]] std::optional<Job> take(std::int64_t segment_bytes);
  Segment new_segment(std::int64_t begin, std::int64_t end);
  void work();
  void fetch(Job job, net::HttpClient& client);
  void open(Task& task, net::HttpClient& client);
  void await_lock(Task& task);
  void deliver(Task& task, Segment segment);
  void complete(Task& task);
  void set_state(Task& task, State state);
  void stop_with(std::exception_ptr error);
  void log(std::string message);
  void report();

  const HubOptions& options_;
  Plumbing plumbing_;
  const HubServer& server_;
  const Cache& cache_;
  std::string commit_;

  std::mutex mutex_;  // of all below
  std::condition_variable changed_;
  std::deque<Task> tasks_;
  std::vector<std::unique_ptr<std::byte[]>> spare_;  // memory of segments, each for the largest
  int segments_ = 0;                                 // in use
  std::exception_ptr error_;
  std::vector<std::string> messages_;
  std::atomic<bool> stop_{false};
  std::atomic<std::int64_t> bytes_{0};
  std::atomic<std::int64_t> total_{0};
};

}  // namespace bitnet::hub
