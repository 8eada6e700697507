#pragma once

#include <cstdint>

namespace bitnet {

struct ProcessMemory {
  std::int64_t resident = 0;  ///< bytes now
  std::int64_t peak = 0;      ///< bytes at most so far
};

/// This process' memory as /proc/self/status gives it; zeros where there is none.
[[nodiscard]] ProcessMemory process_memory();

}  // namespace bitnet
