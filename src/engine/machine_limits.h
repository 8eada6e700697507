#pragma once

#include <cstddef>

namespace bitnet {

/// Bytes a second that `threads` threads together read from memory: the best of `repetitions` passes over a buffer
/// of `bytes` in huge pages, several streams and prefetching in each thread. What a model that reads its weights once
/// a token can at most use. Takes `bytes` of memory while it runs; `bytes` must be far larger than the caches.
/// Throws Error(limit) when the memory cannot be had.
[[nodiscard]] double measure_read_bandwidth(int threads, std::size_t bytes, int repetitions);

}  // namespace bitnet
