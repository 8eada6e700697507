#pragma once

#include <cstdint>
#include <string>

namespace bitnet {

/// Instruction sets that the processor has and the operating system lets programs use.
enum CpuFeature : std::uint32_t {
  kAvx2 = 1U << 0,
  kFma = 1U << 1,
  kF16c = 1U << 2,
  kAvx512 = 1U << 3,  ///< F, BW, DQ and VL together
  kAvx512Vnni = 1U << 4,
  kNeon = 1U << 5,
  kDotProd = 1U << 6,
  kAvx512Vbmi = 1U << 8,  ///< and GFNI: no processor has one without the other
  kAmxInt8 = 1U << 7,     ///< tiles, and the operating system lets this process use them
};
using CpuFeatures = std::uint32_t;

/// Asks the operating system for the right to use AMX tiles, in all threads, when the processor has them. Thread-safe.
[[nodiscard]] CpuFeatures detect_cpu_features();

/// "avx2, fma": for messages; "none" for 0.
[[nodiscard]] std::string describe(CpuFeatures features);

}  // namespace bitnet
