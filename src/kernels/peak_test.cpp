#include "kernels/peak.h"

#include <gtest/gtest.h>

#include <cctype>
#include <set>
#include <string>

#include "kernels/dispatch.h"

namespace bitnet::kernels {
namespace {

TEST(PeakLoops, AreToldApartByName) {
  std::set<std::string> names;
  for (const PeakLoop* loop : peak_loops()) EXPECT_TRUE(names.insert(loop->name).second) << loop->name;
}

TEST(PeakLoops, EveryTableButTheScalarOneHasALimit) {
  for (const KernelTable* table : built_tables()) {
    if (table->required == 0) continue;
    bool found = false;
    for (const PeakLoop* loop : peak_loops()) found |= (loop->required & ~table->required) == 0;
    EXPECT_TRUE(found) << table->name;
  }
}

class PeakLoopTest : public ::testing::TestWithParam<const PeakLoop*> {};

TEST_P(PeakLoopTest, Runs) {
  const PeakLoop& loop = *GetParam();
  EXPECT_GE(loop.macs_per_iteration, 16);
  EXPECT_EQ(loop.macs_per_iteration % 16, 0);
  const CpuFeatures missing = loop.required & ~detect_cpu_features();
  if (missing != 0) GTEST_SKIP() << loop.name << " needs processor features " << describe(missing);
  for (const std::int64_t iterations : {0, 1, 1000}) loop.run(iterations);
}

INSTANTIATE_TEST_SUITE_P(Loops, PeakLoopTest, ::testing::ValuesIn(peak_loops().begin(), peak_loops().end()),
                         [](const auto& info) {
                           std::string name = info.param->name;
                           std::erase_if(name, [](unsigned char c) { return std::isalnum(c) == 0; });
                           return name;
                         });

}  // namespace
}  // namespace bitnet::kernels
