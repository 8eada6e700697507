#include "kernels/dispatch.h"

#include <gtest/gtest.h>

#include <string>

#include "bitnet/error.h"

namespace bitnet::kernels {
namespace {

TEST(Dispatch, ScalarIsLastAndNeedsNothing) {
  const auto tables = built_tables();
  ASSERT_FALSE(tables.empty());
  EXPECT_STREQ(tables.back()->name, "scalar");
  EXPECT_EQ(tables.back()->required, 0U);
}

TEST(Dispatch, EveryEntryOfEveryTableIsSet) {
  for (const KernelTable* table : built_tables()) {
    SCOPED_TRACE(table->name);
    EXPECT_TRUE(table->ternary_gemm && table->ternary_gemm_grouped && table->quantize_activations && table->rms_norm &&
                table->rope && table->softmax);
    for (int i = 0; i < kActivations; ++i) EXPECT_TRUE(table->activate[i] && table->activate_gated[i]);
    for (int i = 0; i < kKvTypes; ++i) {
      EXPECT_TRUE(table->store_key[i] && table->store_value[i]);
      EXPECT_TRUE(table->attention_scores[i] && table->attention_values[i]);
    }
    for (int i = 0; i < kDenseTypes; ++i) EXPECT_TRUE(table->dense_gemm[i] && table->to_float[i]);
  }
}

TEST(Dispatch, ChoosesTheBestThatRuns) {
  EXPECT_STREQ(choose_table("", 0).name, "scalar");
  EXPECT_STREQ(choose_table("", ~CpuFeatures{0}).name, built_tables().front()->name);
  for (const KernelTable* table : built_tables()) {
    EXPECT_STREQ(choose_table("", table->required).name, table->name);
    EXPECT_STREQ(choose_table(table->name, table->required).name, table->name);
  }
  EXPECT_STREQ(choose_table("scalar", ~CpuFeatures{0}).name, "scalar");
}

void expect_refused(std::string_view name, CpuFeatures available, const std::string& part) {
  try {
    (void)choose_table(name, available);
    ADD_FAILURE() << name << " was accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::invalid_argument);
    EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("scalar"), std::string::npos) << error.what();
  }
}

TEST(Dispatch, AnUnknownNameListsTheChoices) {
  expect_refused("sse9", ~CpuFeatures{0}, "\"sse9\"");
  for (const KernelTable* table : built_tables()) expect_refused("AVX2", ~CpuFeatures{0}, table->name);
}

TEST(Dispatch, AnUnsupportedNameSaysWhatItNeeds) {
  for (const KernelTable* table : built_tables()) {
    if (table->required == 0) continue;
    expect_refused(table->name, 0, describe(table->required));
  }
}

}  // namespace
}  // namespace bitnet::kernels
