#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <thread>
#include <type_traits>
#include <vector>

namespace bitnet {

/// A view of a callable `void(int part, int parts)`; does not own it.
class PartTask {
 public:
  template <typename F>
  requires(!std::is_same_v<std::remove_cvref_t<F>, PartTask>)
      PartTask(F&& f)  // NOLINT(google-explicit-constructor): lambdas are passed in place
      : object_(const_cast<void*>(static_cast<const void*>(std::addressof(f)))),
        call_([](void* object, int part, int parts) {
          (*static_cast<std::remove_reference_t<F>*>(object))(part, parts);
        }) {}
  void operator()(int part, int parts) const { call_(object_, part, parts); }

 private:
  void* object_;
  void (*call_)(void*, int, int);
};

/// A fixed set of threads that run one task at a time, together with the calling thread. Workers spin for some
/// microseconds between tasks, so that the many short ops of one token do not pay for waking up, and then sleep.
/// run() may be called from one thread at a time.
class ThreadPool {
 public:
  /// `threads` counts the calling thread: 1 starts no worker. Throws Error(invalid_argument) outside 1..1024,
  /// Error(limit) when the operating system refuses so many.
  explicit ThreadPool(int threads);
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;
  ~ThreadPool();

  /// Stops and starts workers so that size() is `threads`. Not while run() is running.
  void resize(int threads);

  [[nodiscard]] int size() const noexcept { return static_cast<int>(workers_.size()) + 1; }

  /// Calls task(part, size()) once for each part in 0..size()-1 and returns when all are done. The first exception
  /// of any part is rethrown here.
  void run(PartTask task);

 private:
  void work(int part, std::uint32_t seen);
  void stop_workers() noexcept;
  void call(const PartTask& task, int part) noexcept;

  std::vector<std::thread> workers_;
  const PartTask* task_ = nullptr;
  std::atomic<std::uint32_t> generation_{0};  // raised by one when task_ is new
  std::atomic<int> running_{0};               // workers that have not finished task_
  std::atomic<bool> stop_{false};
  int spins_ = 0;
  std::mutex failure_mutex_;
  std::exception_ptr failure_;
};

/// The contiguous range of 0..count that belongs to `part` of `parts`, in whole multiples of `grain` but for the end.
struct PartRange {
  std::int64_t begin;
  std::int64_t end;
};
[[nodiscard]] PartRange part_range(std::int64_t count, int part, int parts, std::int64_t grain = 1);

}  // namespace bitnet
