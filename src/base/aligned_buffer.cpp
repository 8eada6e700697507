#include "base/aligned_buffer.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "base/fail.h"

namespace bitnet {
namespace {

constexpr std::size_t kHugePage = std::size_t{2} << 20;
constexpr std::size_t kMapFrom = kHugePage;

[[noreturn]] void out_of_memory(std::size_t bytes) {
  fail(ErrorKind::limit, "cannot allocate {} MiB of memory", bytes >> 20);
}

}  // namespace

void AlignedBuffer::Release::operator()(std::byte* data) const noexcept {
  if (mapped != 0) {
    munmap(data, mapped);
  } else {
    std::free(data);
  }
}

AlignedBuffer::AlignedBuffer(std::size_t bytes, Pages pages) : size_(bytes) {
  if (bytes == 0) return;
  if (bytes > SIZE_MAX / 2) out_of_memory(bytes);
  if (bytes < kMapFrom) {
    const std::size_t rounded = (bytes + kAlignment - 1) / kAlignment * kAlignment;
    auto* data = static_cast<std::byte*>(std::aligned_alloc(kAlignment, rounded));
    if (data == nullptr) out_of_memory(bytes);
    std::memset(data, 0, rounded);
    data_ = {data, Release()};
    return;
  }
  // Map one huge page more than needed and give the unaligned ends back. The end is cut at a small page: a whole huge
  // page there would cost each of hundreds of weight matrices a megabyte that nobody uses.
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  const std::size_t rounded = (bytes + page - 1) / page * page;
  void* raw = mmap(nullptr, rounded + kHugePage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (raw == MAP_FAILED) out_of_memory(bytes);
  auto* start = static_cast<std::byte*>(raw);
  const std::size_t head = (kHugePage - reinterpret_cast<std::uintptr_t>(start) % kHugePage) % kHugePage;
  if (head != 0) munmap(start, head);
  if (head != kHugePage) munmap(start + head + rounded, kHugePage - head);
  // A wish: without huge pages it is only slower.
  madvise(start + head, rounded, pages == Pages::huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
  data_ = {start + head, Release(rounded)};
}

}  // namespace bitnet
