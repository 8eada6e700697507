#include "engine/machine_limits.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "base/cpu_features.h"
#include "kernels/dispatch.h"
#include "kernels/peak.h"

namespace bitnet {
namespace {

TEST(IntegerPeaks, AreThoseThatTheProcessorRuns) {
  const CpuFeatures features = detect_cpu_features();
  std::vector<std::string_view> expected;
  for (const kernels::PeakLoop* loop : kernels::peak_loops()) {
    if ((loop->required & ~features) == 0) expected.emplace_back(loop->name);
  }
  std::vector<std::string_view> found;
  for (const IntegerPeak& peak : measure_integer_peaks(2, 1)) {
    found.emplace_back(peak.name);
    EXPECT_GT(peak.macs_per_second, 0) << peak.name;
  }
  EXPECT_EQ(found, expected);
}

TEST(IntegerPeaks, EveryKernelTableButTheScalarHasOne) {
  const auto loops = kernels::peak_loops();
  for (const kernels::KernelTable* table : kernels::built_tables()) {
    const std::string_view name = peak_of_kernels(table->name);
    const bool found = std::any_of(loops.begin(), loops.end(), [&](const auto* loop) { return loop->name == name; });
    EXPECT_EQ(found, std::string_view(table->name) != "scalar") << table->name;
  }
}

}  // namespace
}  // namespace bitnet
