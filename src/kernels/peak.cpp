#include "kernels/peak.h"

namespace bitnet::kernels {

std::span<const PeakLoop* const> peak_loops() {
#if defined(__x86_64__)
  static constexpr const PeakLoop* kLoops[] = {&kAmxPeakRegisters, &kAmxPeakLoads, &kAvx512VnniPeak, &kAvx2PeakNarrow,
                                               &kAvx2PeakWide};
  return kLoops;
#elif defined(__aarch64__)
  static constexpr const PeakLoop* kLoops[] = {&kNeonPeak};
  return kLoops;
#else
  return {};
#endif
}

}  // namespace bitnet::kernels
