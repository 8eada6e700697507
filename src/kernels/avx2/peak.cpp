#include "kernels/peak_loop.h"

namespace bitnet::kernels {
namespace {

// In assembly, because a compiler would compute the sums beforehand or move them around. What the registers hold does
// not matter. clang 14 adds no vzeroupper by itself: code with narrow registers would be slow afterwards.
constexpr std::int64_t kSums = 8;

void run_narrow(std::int64_t iterations) {
  for (std::int64_t i = 0; i < iterations; ++i) {
    asm volatile(
        ".irp sum, 0, 1, 2, 3, 4, 5, 6, 7\n"
        "vpmaddubsw %%ymm15, %%ymm14, %%ymm8\n"
        "vpaddw %%ymm8, %%ymm\\sum, %%ymm\\sum\n"
        ".endr"
        :
        :
        : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8");
  }
  asm volatile("vzeroupper");
}

void run_wide(std::int64_t iterations) {
  for (std::int64_t i = 0; i < iterations; ++i) {
    asm volatile(
        ".irp sum, 0, 1, 2, 3, 4, 5, 6, 7\n"
        "vpmaddubsw %%ymm15, %%ymm14, %%ymm8\n"
        "vpmaddwd %%ymm13, %%ymm8, %%ymm8\n"
        "vpaddd %%ymm8, %%ymm\\sum, %%ymm\\sum\n"
        ".endr"
        :
        :
        : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8");
  }
  asm volatile("vzeroupper");
}

}  // namespace

// The ternary product adds in 16 bits for a while; int8 products in general have to be added in 32.
constinit const PeakLoop kAvx2PeakNarrow = {"avx2, 16-bit sums", kAvx2, kSums * 32, run_narrow};
constinit const PeakLoop kAvx2PeakWide = {"avx2, 32-bit sums", kAvx2, kSums * 32, run_wide};

}  // namespace bitnet::kernels
