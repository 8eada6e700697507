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

/// 0..count for threads that take pieces of it until nothing is left. Each part owns a contiguous range, part_range(),
/// and takes two thirds of it, then two thirds of the rest and so on, from the front: its memory is read on where it
/// stopped. A part without anything left takes half of what another one still has, from the end, so threads that
/// somebody else keeps from running do less.
class SharedRange {
 public:
  /// Pieces are whole multiples of `grain` but for the end. count / grain is at most 2^32 - 1.
  SharedRange(std::int64_t count, int parts, std::int64_t grain);
  /// Calls fn(owner, piece) for the pieces that `part` gets; each lies in the range of `owner`.
  template <typename Fn>
  void for_pieces(int part, const Fn& fn) {
    const auto parts = static_cast<int>(left_.size());
    for (int i = 0; i < parts; ++i) {
      const int owner = (part + i) % parts;
      for (PartRange piece = take(owner, i > 0); piece.begin != piece.end; piece = take(owner, i > 0)) fn(owner, piece);
    }
  }

 private:
  /// A piece of what `owner` has left, from the end for somebody else; an empty one when nothing is left.
  PartRange take(int owner, bool from_end) noexcept;

  struct alignas(64) Left {
    std::atomic<std::uint64_t> grains;  // not taken yet: the first in the upper half, the one after the last below
  };
  std::int64_t count_;
  std::int64_t grain_;
  std::vector<Left> left_;  // [parts]
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
    run([&](int part, int) { left.for_pieces(part, [&](int, PartRange piece) { fn(part, piece); }); });
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
