#pragma once

#include <algorithm>
#include <cstddef>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "backend/backend.h"
#include "base/aligned_buffer.h"

namespace bitnet::backend {

/// Memory of blocks that nobody needs any more, for the next ones. Beams make and drop blocks all the time, and having
/// fresh memory cleared costs more than copying a block does. Sequences may end on any thread.
class SpareMemory {
 public:
  /// What was written there before may still be there.
  [[nodiscard]] AlignedBuffer take(std::size_t bytes) {
    {
      const std::lock_guard lock(mutex_);
      const auto fits =
          std::find_if(spare_.begin(), spare_.end(), [&](const auto& one) { return one.size() == bytes; });
      if (fits != spare_.end()) {
        AlignedBuffer found = std::move(*fits);
        spare_.erase(fits);
        return found;
      }
    }
    return AlignedBuffer(bytes);
  }
  void give(AlignedBuffer memory) noexcept {
    const std::lock_guard lock(mutex_);
    if (spare_.size() < kMost) spare_.push_back(std::move(memory));
  }

 private:
  static constexpr std::size_t kMost = 8;  // as many as some beams drop in a step

  std::mutex mutex_;
  std::vector<AlignedBuffer> spare_ = make_room();

  static std::vector<AlignedBuffer> make_room() {
    std::vector<AlignedBuffer> room;
    room.reserve(kMost);  // give() must not throw
    return room;
  }
};

class CpuKvBlock final : public KvBlock {
 public:
  CpuKvBlock(std::shared_ptr<SpareMemory> spare, std::size_t bytes)
      : memory_(spare->take(bytes)), spare_(std::move(spare)) {}
  CpuKvBlock(const CpuKvBlock&) = delete;
  CpuKvBlock& operator=(const CpuKvBlock&) = delete;
  ~CpuKvBlock() override { spare_->give(std::move(memory_)); }

  [[nodiscard]] std::byte* bytes() const { return memory_.data(); }
  [[nodiscard]] std::size_t size() const { return memory_.size(); }

 private:
  AlignedBuffer memory_;
  std::shared_ptr<SpareMemory> spare_;
};

}  // namespace bitnet::backend
