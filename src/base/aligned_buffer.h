#pragma once

#include <cstddef>
#include <memory>
#include <utility>

namespace bitnet {

/// What a large buffer asks of the operating system. Ordinary pages are there to measure the difference.
enum class Pages { huge, ordinary };

/// Owns bytes that start on a cache line. Buffers of 2 MiB and more come straight from the operating system,
/// zeroed, aligned to 2 MiB and with huge pages asked for; their pages cost nothing until they are first touched.
/// Smaller ones are zeroed too and have the heap's pages. Move-only; a moved-from buffer is empty.
class AlignedBuffer {
 public:
  static constexpr std::size_t kAlignment = 64;

  AlignedBuffer() = default;
  /// Throws Error(limit) when the memory cannot be had.
  explicit AlignedBuffer(std::size_t bytes, Pages pages = Pages::huge);
  AlignedBuffer(AlignedBuffer&& other) noexcept : data_(std::move(other.data_)), size_(std::exchange(other.size_, 0)) {}
  AlignedBuffer& operator=(AlignedBuffer&& other) noexcept {
    data_ = std::move(other.data_);
    size_ = std::exchange(other.size_, 0);
    return *this;
  }

  [[nodiscard]] std::byte* data() const noexcept { return data_.get(); }
  [[nodiscard]] std::size_t size() const noexcept { return size_; }
  template <typename T>
  [[nodiscard]] T* as() const noexcept {
    return reinterpret_cast<T*>(data_.get());
  }

 private:
  struct Release {
    std::size_t mapped;  ///< bytes to unmap; 0: allocated on the heap
    Release() noexcept : mapped(0) {}
    explicit Release(std::size_t bytes) noexcept : mapped(bytes) {}
    void operator()(std::byte* data) const noexcept;
  };
  std::unique_ptr<std::byte, Release> data_;
  std::size_t size_ = 0;
};

}  // namespace bitnet
