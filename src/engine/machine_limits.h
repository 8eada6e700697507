#pragma once
/// What this machine can do at most, measured: the limits that a model's speeds are compared with.

#include <cstddef>
#include <string_view>
#include <vector>

#include "base/aligned_buffer.h"

namespace bitnet {

/// Bytes a second that `threads` threads together read from memory: the best of `repetitions` passes over a buffer
/// of `bytes` in such pages, several streams and prefetching in each thread. What a model that reads its weights once
/// a token can at most use. Takes `bytes` of memory while it runs; `bytes` must be far larger than the caches.
/// Throws Error(limit) when the memory cannot be had.
[[nodiscard]] double measure_read_bandwidth(int threads, std::size_t bytes, Pages pages, int repetitions);

/// Products of two int8 added to an int32, a second, that a loop of nothing else reaches.
struct IntegerPeak {
  const char* name;  ///< of the loop, kernels/peak.h
  double macs_per_second;
};

/// Every peak loop that this processor runs, on `threads` threads at once; each the best of `repetitions` runs of
/// some hundredths of a second.
[[nodiscard]] std::vector<IntegerPeak> measure_integer_peaks(int threads, int repetitions);

/// The name of the loop that does what this kernel table does to multiply; the scalar table has none.
[[nodiscard]] std::string_view peak_of_kernels(std::string_view kernels);

}  // namespace bitnet
