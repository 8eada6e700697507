#include "base/cpu_features.h"

#if defined(__aarch64__)
#include <sys/auxv.h>
#elif defined(__x86_64__)
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace bitnet {
namespace {

#if defined(__x86_64__)
/// Whether the processor multiplies int8 tiles, the operating system saves them, and this process may use them.
bool amx_int8_allowed() {
  constexpr unsigned kOsXsave = 1U << 27;                 // CPUID 1, ECX
  constexpr unsigned kTileAndInt8 = 1U << 24 | 1U << 25;  // CPUID 7, EDX
  constexpr unsigned kTileState = 1U << 17 | 1U << 18;    // XCR0: their configuration and their data
  constexpr long kRequestPermission = 0x1023;             // ARCH_REQ_XCOMP_PERM, absent from older headers
  constexpr long kTileData = 18;
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid(1, &a, &b, &c, &d) == 0 || (c & kOsXsave) == 0) return false;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0 || (d & kTileAndInt8) != kTileAndInt8) return false;
  asm volatile("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
  return (a & kTileState) == kTileState && syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}
#endif

}  // namespace

CpuFeatures detect_cpu_features() {
  CpuFeatures found = 0;
#if defined(__x86_64__)
  // __builtin_cpu_supports also asks the operating system (XGETBV) whether the wide registers are saved.
  __builtin_cpu_init();
  if (__builtin_cpu_supports("avx2")) found |= kAvx2;
  if (__builtin_cpu_supports("fma")) found |= kFma;
  // clang 14 does not know "f16c" there. Its registers are those of AVX.
  unsigned a = 0, b = 0, c = 0, d = 0;
  if (__builtin_cpu_supports("avx") && __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_F16C) != 0) found |= kF16c;
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512vl")) {
    found |= kAvx512;
  }
  if (__builtin_cpu_supports("avx512vnni")) found |= kAvx512Vnni;
  if (__builtin_cpu_supports("avx512vbmi") && __builtin_cpu_supports("gfni")) found |= kAvx512Vbmi;
  if (amx_int8_allowed()) found |= kAmxInt8;
#elif defined(__aarch64__)
  constexpr unsigned long kHwcapAsimd = 1UL << 1;
  constexpr unsigned long kHwcapAsimdDp = 1UL << 20;
  const unsigned long hwcap = getauxval(AT_HWCAP);
  if ((hwcap & kHwcapAsimd) != 0) found |= kNeon;
  if ((hwcap & kHwcapAsimdDp) != 0) found |= kDotProd;
#endif
  return found;
}

std::string describe(CpuFeatures features) {
  struct Name {
    CpuFeature bit;
    const char* text;
  };
  static constexpr Name kNames[] = {{kAvx2, "avx2"},
                                    {kFma, "fma"},
                                    {kF16c, "f16c"},
                                    {kAvx512, "avx512f/bw/dq/vl"},
                                    {kAvx512Vnni, "avx512_vnni"},
                                    {kAvx512Vbmi, "avx512_vbmi/gfni"},
                                    {kAmxInt8, "amx_int8"},
                                    {kNeon, "neon"},
                                    {kDotProd, "dotprod"}};
  std::string text;
  for (const Name& name : kNames) {
    if ((features & name.bit) == 0) continue;
    if (!text.empty()) text += ", ";
    text += name.text;
  }
  return text.empty() ? "none" : text;
}

}  // namespace bitnet
