#include "kernels/peak_loop.h"

namespace bitnet::kernels {
namespace {

// In assembly, because a compiler would compute the sums beforehand or move them around. What the registers hold does
// not matter.
constexpr std::int64_t kSums = 16;

void run(std::int64_t iterations) {
  for (std::int64_t i = 0; i < iterations; ++i) {
    asm volatile(
        ".irp sum, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31\n"
        "sdot v\\sum\\().4s, v0.16b, v1.16b\n"
        ".endr"
        :
        :
        : "v16", "v17", "v18", "v19", "v20", "v21", "v22", "v23", "v24", "v25", "v26", "v27", "v28", "v29", "v30",
          "v31");
  }
}

}  // namespace

constinit const PeakLoop kNeonPeak = {"neon", kNeon | kDotProd, kSums * 16, run};

}  // namespace bitnet::kernels
