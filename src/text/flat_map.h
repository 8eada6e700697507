#pragma once
/// A hash map from 64-bit keys to 64-bit values that is filled once and then only read: open addressing in one array,
/// because a tokenizer asks it several times per byte of text.

#include <bit>
#include <cstdint>
#include <vector>

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
    if (size_ + 1 > slots_.size() / 4 * 3) grow();
    const std::size_t index = index_of(key);
    if (((index - mix64(key)) & (slots_.size() - 1)) > kMaxProbes) {
      fail(ErrorKind::limit, "more than {} keys fall on one place of a hash table", kMaxProbes);
    }
    Slot& slot = slots_[index];
    if (slot.key == kFree) ++size_;
    slot = {key, value};
  }

  /// Null when absent.
  [[nodiscard]] const std::uint64_t* find(std::uint64_t key) const noexcept {
    const Slot& slot = slots_[index_of(key)];
    return slot.key == key ? &slot.value : nullptr;
  }

 private:
  static constexpr std::uint64_t kFree = ~std::uint64_t{0};
  struct Slot {
    std::uint64_t key = kFree;
    std::uint64_t value = 0;
  };

  void allocate(std::size_t expected) { slots_.assign(std::bit_ceil(expected + expected / 2 + 4), Slot{}); }

  [[nodiscard]] std::size_t index_of(std::uint64_t key) const noexcept {
    const std::size_t mask = slots_.size() - 1;
    std::size_t i = mix64(key) & mask;
    while (slots_[i].key != key && slots_[i].key != kFree) i = (i + 1) & mask;
    return i;
  }

  void grow() {
    const std::vector<Slot> old = std::move(slots_);
    allocate(old.size());
    for (const Slot& slot : old) {
      if (slot.key != kFree) slots_[index_of(slot.key)] = slot;
    }
  }

  std::vector<Slot> slots_;
  std::size_t size_ = 0;
};

}  // namespace bitnet::text
