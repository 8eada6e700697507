#pragma once

#include <algorithm>
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

/// The contiguous range of 0..count that belongs to `part` of `parts`, in whole multiples of `grain` but for the end.
struct PartRange {
  std::int64_t begin;
  std::int64_t end;
};
[[nodiscard]] PartRange part_range(std::int64_t count, int part, int parts, std::int64_t grain = 1);

/// 0..count for threads that take pieces of it until nothing is left. The first piece of each is fixed: two thirds of
/// its fair share. The rest is taken in turn, two thirds of a fair share of what is left each time, so smaller and
/// smaller pieces towards the end. Threads that somebody else keeps from running take less.
class SharedRange {
 public:
  /// Pieces are whole multiples of `grain` but for the end.
  SharedRange(std::int64_t count, int parts, std::int64_t grain)
      : count_(count), parts_(parts), grain_(grain), next_(std::min(count, piece(count) * parts)) {}
  /// The piece with which `part` begins; may be empty.
  [[nodiscard]] PartRange first(int part) const noexcept {
    const std::int64_t begin = std::min(count_, piece(count_) * part);
    return {begin, std::min(count_, begin + piece(count_))};
  }
  /// The next piece; an empty one when all is taken.
  [[nodiscard]] PartRange take() noexcept {
    std::int64_t begin = next_.load(std::memory_order_relaxed);
    for (;;) {
      if (begin >= count_) return {count_, count_};
      const std::int64_t end = std::min(count_, begin + piece(count_ - begin));
      if (next_.compare_exchange_weak(begin, end, std::memory_order_relaxed)) return {begin, end};
    }
  }
  /// Calls fn(piece) for the pieces that `part` gets.
  template <typename Fn>
  void for_pieces(int part, const Fn& fn) {
    for (PartRange range = first(part); range.begin != range.end; range = take()) fn(range);
  }

 private:
  [[nodiscard]] std::int64_t piece(std::int64_t left) const noexcept {
    return std::max<std::int64_t>(2 * left / (3 * parts_ * grain_), 1) * grain_;
  }

  std::int64_t count_;
  std::int64_t parts_;
  std::int64_t grain_;
  std::atomic<std::int64_t> next_;
};

/// Memory that a thread will read after its next wait: `streams` streams of `bytes`, `apart` from one another. A hint.
struct SoonRead {
  const std::byte* begin = nullptr;
  std::int64_t apart = 0;
  std::int64_t streams = 0;
  std::int64_t bytes = 0;
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

  /// Called inside a task, by `part` for itself: while it waits for other threads and for the next tasks, it brings
  /// this memory into its cache.
  void read_soon(int part, const SoonRead& memory) { soon_[static_cast<std::size_t>(part)].memory = memory; }

  /// Calls fn(part, piece) for pieces of 0..count (see SharedRange) on all threads until all are done.
  template <typename Fn>
  void share(std::int64_t count, std::int64_t grain, const Fn& fn) {
    SharedRange left(count, size(), grain);
    run([&](int part, int) { left.for_pieces(part, [&](PartRange piece) { fn(part, piece); }); });
  }

 private:
  struct alignas(64) Soon {  // each thread's own
    SoonRead memory;
  };

  void work(int part, std::uint32_t seen);
  void wait_a_moment(int part);
  void stop_workers() noexcept;
  void call(const PartTask& task, int part) noexcept;

  std::vector<std::thread> workers_;
  const PartTask* task_ = nullptr;
  std::atomic<std::uint32_t> generation_{0};  // raised by one when task_ is new
  std::atomic<int> running_{0};               // workers that have not finished task_
  std::atomic<bool> stop_{false};
  int spins_ = 0;
  std::vector<Soon> soon_;  // [size()]
  std::mutex failure_mutex_;
  std::exception_ptr failure_;
};

}  // namespace bitnet
