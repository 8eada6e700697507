#include "base/aligned_buffer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <utility>

#include "bitnet/error.h"

namespace bitnet {
namespace {

constexpr std::size_t kMiB = std::size_t{1} << 20;

TEST(AlignedBuffer, IsAlignedZeroedAndWritableToItsLastByte) {
  for (const std::size_t size : {std::size_t{1}, std::size_t{63}, std::size_t{64}, std::size_t{65}, std::size_t{4097},
                                 4 * kMiB - 1, 4 * kMiB, 4 * kMiB + 1, 7 * kMiB + 123}) {
    for (const Pages pages : {Pages::huge, Pages::ordinary}) {  // the second one may get the dirty memory of the first
      const AlignedBuffer buffer(size, pages);
      ASSERT_EQ(buffer.size(), size);
      const std::size_t alignment = size >= 4 * kMiB ? 2 * kMiB : AlignedBuffer::kAlignment;
      EXPECT_EQ(reinterpret_cast<std::uintptr_t>(buffer.data()) % alignment, 0U) << size;
      EXPECT_TRUE(std::all_of(buffer.data(), buffer.data() + size, [](std::byte b) { return b == std::byte{0}; }));
      std::memset(buffer.data(), 0xa5, size);
    }
  }
}

TEST(AlignedBuffer, EmptyHoldsNothing) {
  EXPECT_EQ(AlignedBuffer().data(), nullptr);
  EXPECT_EQ(AlignedBuffer(0).data(), nullptr);
  EXPECT_EQ(AlignedBuffer(0).size(), 0U);
}

TEST(AlignedBuffer, MovesLeaveAnEmptyBufferBehind) {
  for (const std::size_t size : {std::size_t{100}, 5 * kMiB}) {
    AlignedBuffer first(size);
    std::byte* const data = first.data();
    AlignedBuffer second(std::move(first));
    EXPECT_EQ(second.data(), data);
    EXPECT_EQ(second.size(), size);
    EXPECT_EQ(first.data(), nullptr);  // NOLINT(bugprone-use-after-move)
    EXPECT_EQ(first.size(), 0U);
    AlignedBuffer third(size == 100 ? 5 * kMiB : 100);  // heap and mapped memory replace each other
    third = std::move(second);
    EXPECT_EQ(third.data(), data);
    EXPECT_EQ(third.size(), size);
    EXPECT_EQ(second.size(), 0U);  // NOLINT(bugprone-use-after-move)
    third = AlignedBuffer();
    EXPECT_EQ(third.data(), nullptr);
  }
}

TEST(AlignedBuffer, HugeSizesAreALimitError) {
  for (const std::size_t size : {SIZE_MAX, SIZE_MAX / 2, std::size_t{1} << 62}) {
    try {
      const AlignedBuffer buffer(size);
      FAIL() << size;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::limit);
    }
  }
}

}  // namespace
}  // namespace bitnet
