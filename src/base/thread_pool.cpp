#include "base/thread_pool.h"

#include <algorithm>
#include <cassert>
#include <system_error>

#include "base/fail.h"

namespace bitnet {
namespace {

// About 50 microseconds: longer than the gap between two ops of one token, shorter than a scheduler's time slice.
constexpr int kSpins = 4000;

inline void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

std::uint64_t packed(PartRange range) {
  return static_cast<std::uint64_t>(range.begin) << 32 | static_cast<std::uint64_t>(range.end);
}
PartRange unpacked(std::uint64_t range) {
  return {static_cast<std::int64_t>(range >> 32), static_cast<std::int64_t>(range & 0xffffffff)};
}

}  // namespace

ThreadPool::ThreadPool(int threads) : soon_(1) { resize(threads); }

ThreadPool::~ThreadPool() { stop_workers(); }

void ThreadPool::stop_workers() noexcept {
  stop_.store(true, std::memory_order_relaxed);
  generation_.fetch_add(1, std::memory_order_release);
  generation_.notify_all();
  for (std::thread& worker : workers_) worker.join();
  workers_.clear();
}

void ThreadPool::resize(int threads) {
  if (threads < 1 || threads > 1024) fail(ErrorKind::invalid_argument, "threads is {}; expected 1 to 1024", threads);
  if (threads == size()) return;
  stop_workers();
  stop_.store(false, std::memory_order_relaxed);
  // Spinning while another thread of ours waits for the same core only delays that thread.
  const bool own_cores = threads <= static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  spins_ = own_cores ? kSpins : 0;
  const std::uint32_t seen = generation_.load(std::memory_order_relaxed);
  soon_.assign(static_cast<std::size_t>(threads), {});
  workers_.reserve(static_cast<std::size_t>(threads - 1));
  try {
    for (int part = 1; part < threads; ++part) workers_.emplace_back([this, part, seen] { work(part, seen); });
  } catch (const std::system_error& error) {
    const int started = size();
    stop_workers();
    fail(ErrorKind::limit, "could start only {} of {} threads: {}", started, threads, error.what());
  }
}

void ThreadPool::run(PartTask task) {
  failure_ = nullptr;
  if (!workers_.empty()) {
    task_ = &task;
    running_.store(static_cast<int>(workers_.size()), std::memory_order_relaxed);
    generation_.fetch_add(1, std::memory_order_release);
    generation_.notify_all();
  }
  call(task, 0);
  for (int spin = 0;;) {
    const int left = running_.load(std::memory_order_acquire);
    if (left == 0) break;
    if (++spin < spins_) {
      wait_a_moment(0);
    } else {
      running_.wait(left, std::memory_order_acquire);
    }
  }
  if (failure_) std::rethrow_exception(failure_);
}

void ThreadPool::work(int part, std::uint32_t seen) {
  for (;;) {
    for (int spin = 0; generation_.load(std::memory_order_acquire) == seen;) {
      if (++spin < spins_) {
        wait_a_moment(part);
      } else {
        generation_.wait(seen, std::memory_order_acquire);
      }
    }
    ++seen;
    if (stop_.load(std::memory_order_relaxed)) return;
    call(*task_, part);
    if (running_.fetch_sub(1, std::memory_order_acq_rel) == 1) running_.notify_one();
  }
}

void ThreadPool::wait_a_moment(int part) {
  constexpr std::int64_t kLine = 64;
  SoonRead& soon = soon_[static_cast<std::size_t>(part)].memory;
  if (soon.bytes <= 0) {
    relax();
    return;
  }
  for (std::int64_t i = 0; i < soon.streams; ++i) __builtin_prefetch(soon.begin + i * soon.apart, 0, 2);
  soon.begin += kLine;
  soon.bytes -= kLine;
}

void ThreadPool::call(const PartTask& task, int part) noexcept {
  try {
    task(part, size());
  } catch (...) {
    const std::lock_guard lock(failure_mutex_);
    if (!failure_) failure_ = std::current_exception();
  }
}

PartRange part_range(std::int64_t count, int part, int parts, std::int64_t grain) {
  const std::int64_t grains = (count + grain - 1) / grain;
  const std::int64_t begin = grains * part / parts * grain;
  const std::int64_t end = grains * (part + 1) / parts * grain;
  return {std::min(begin, count), std::min(end, count)};
}

SharedRange::SharedRange(std::int64_t count, int parts, std::int64_t grain)
    : count_(count), grain_(grain), left_(static_cast<std::size_t>(parts)) {
  const std::int64_t grains = (count + grain - 1) / grain;
  assert(grains < std::int64_t{1} << 32);
  for (int part = 0; part < parts; ++part) {
    const PartRange own = part_range(grains, part, parts);
    left_[static_cast<std::size_t>(part)].grains.store(packed(own), std::memory_order_relaxed);
  }
}

PartRange SharedRange::take(int owner, bool from_end) noexcept {
  std::atomic<std::uint64_t>& grains = left_[static_cast<std::size_t>(owner)].grains;
  std::uint64_t seen = grains.load(std::memory_order_relaxed);
  for (;;) {
    const PartRange left = unpacked(seen);
    const std::int64_t n = left.end - left.begin;
    if (n <= 0) return {count_, count_};
    const std::int64_t taken = from_end ? (n + 1) / 2 : std::max<std::int64_t>(n * 2 / 3, 1);
    const std::int64_t middle = from_end ? left.end - taken : left.begin + taken;
    const PartRange front{left.begin, middle};
    const PartRange back{middle, left.end};
    if (grains.compare_exchange_weak(seen, packed(from_end ? front : back), std::memory_order_relaxed)) {
      const PartRange piece = from_end ? back : front;
      return {piece.begin * grain_, std::min(count_, piece.end * grain_)};
    }
  }
}

}  // namespace bitnet
