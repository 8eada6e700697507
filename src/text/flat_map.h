#pragma once
/// A hash map from 64-bit keys to 64-bit values that is filled once and then only read: open addressing in one array,
/// because a tokenizer asks it several times per byte of text.

#include <bit>
#include <cstdint>
#include <utility>

#include "base/aligned_buffer.h"
#include "base/fail.h"

namespace bitnet::text {

[[nodiscard]] inline std::uint64_t mix64(std::uint64_t x) noexcept {
  x ^= x >> 32;
  x *= 0xD6E8FEB86659FD93ULL;
  x ^= x >> 32;
  return x;
}

/// A chain of occupied slots never grows this long by chance: somebody chose the keys to make the table slow.
inline constexpr std::size_t kMaxProbes = 4096;

/// Reading from many threads is safe once filling has ended. The key ~0 is reserved.
class FlatMap {
 public:
  explicit FlatMap(std::size_t expected = 0) { allocate(expected); }

  /// Inserts or overwrites. Throws Error(limit) for keys chosen to collide.
  void set(std::uint64_t key, std::uint64_t value) {
    if (used_ + 1 > count_ / 4 * 3) grow();
    const std::size_t index = index_of(key + 1);
    if (((index - mix64(key + 1)) & (count_ - 1)) > kMaxProbes) {
      fail(ErrorKind::limit, "more than {} keys fall on one place of a hash table", kMaxProbes);
    }
    used_ += slots()[index].tag == 0;
    slots()[index] = {key + 1, value};
  }

  /// Null when absent.
  [[nodiscard]] const std::uint64_t* find(std::uint64_t key) const noexcept {
    const Slot& slot = slots()[index_of(key + 1)];
    return slot.tag != 0 ? &slot.value : nullptr;
  }

 private:
  struct Slot {
    std::uint64_t tag;  // key + 1; 0: free, as the buffer comes
    std::uint64_t value;
  };

  [[nodiscard]] Slot* slots() const noexcept { return buffer_.as<Slot>(); }

  void allocate(std::size_t expected) {
    count_ = std::bit_ceil(expected + expected / 2 + 4);
    buffer_ = AlignedBuffer(count_ * sizeof(Slot));
  }

  [[nodiscard]] std::size_t index_of(std::uint64_t tag) const noexcept {
    const std::size_t mask = count_ - 1;
    std::size_t i = mix64(tag) & mask;
    while (slots()[i].tag != tag && slots()[i].tag != 0) i = (i + 1) & mask;
    return i;
  }

  void grow() {
    const AlignedBuffer old = std::move(buffer_);
    const std::size_t old_count = count_;
    allocate(old_count);
    for (std::size_t i = 0; i < old_count; ++i) {
      const Slot& slot = old.as<Slot>()[i];
      if (slot.tag != 0) slots()[index_of(slot.tag)] = slot;
    }
  }

  AlignedBuffer buffer_;
  std::size_t count_ = 0;  // a power of two
  std::size_t used_ = 0;
};

}  // namespace bitnet::text
