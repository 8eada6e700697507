#include "base/process_memory.h"

#include <fstream>
#include <limits>
#include <string>

namespace bitnet {

ProcessMemory process_memory() {
  ProcessMemory memory;
  std::ifstream status("/proc/self/status");
  for (std::string key; status >> key; status.ignore(std::numeric_limits<std::streamsize>::max(), '\n')) {
    std::int64_t kibibytes = 0;
    if (key == "VmRSS:" && status >> kibibytes) memory.resident = kibibytes * 1024;
    if (key == "VmHWM:" && status >> kibibytes) memory.peak = kibibytes * 1024;
  }
  return memory;
}

}  // namespace bitnet
