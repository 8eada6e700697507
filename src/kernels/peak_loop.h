#pragma once
/// Loops that do nothing but the multiply-adds of an instruction set, to measure how fast the processor can be at most.

#include <cstdint>

#include "base/cpu_features.h"

namespace bitnet::kernels {

struct PeakLoop {
  const char* name;                      ///< for people: what is multiplied
  CpuFeatures required;                  ///< every bit must be present
  std::int64_t macs_per_iteration;       ///< int8 multiply-adds
  void (*run)(std::int64_t iterations);  ///< touches no memory beyond its stack; any number of threads at once
};

extern const PeakLoop kAvx2PeakNarrow;
extern const PeakLoop kAvx2PeakWide;
extern const PeakLoop kAvx512VnniPeak;
extern const PeakLoop kAmxPeakRegisters;
extern const PeakLoop kAmxPeakLoads;
extern const PeakLoop kNeonPeak;

}  // namespace bitnet::kernels
