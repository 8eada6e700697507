#include "kernels/peak_loop.h"

namespace bitnet::kernels {
namespace {

// In assembly, because a compiler would compute the sums beforehand or move them around. What the registers hold does
// not matter. clang 14 adds no vzeroupper by itself: code with narrow registers would be slow afterwards.
constexpr std::int64_t kSums = 16;

void run(std::int64_t iterations) {
  for (std::int64_t i = 0; i < iterations; ++i) {
    asm volatile(
        ".irp sum, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15\n"
        "vpdpbusd %%zmm17, %%zmm16, %%zmm\\sum\n"
        ".endr"
        :
        :
        : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12",
          "xmm13", "xmm14", "xmm15");
  }
  asm volatile("vzeroupper");
}

}  // namespace

constinit const PeakLoop kAvx512VnniPeak = {"avx512_vnni", kAvx512 | kAvx512Vnni, kSums * 64, run};

}  // namespace bitnet::kernels
