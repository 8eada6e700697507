#include "cli/bench_report.h"

#include <gtest/gtest.h>

namespace bitnet::cli {
namespace {

BenchReport report_of_one_context() {
  BenchReport report{};
  report.info.architecture = "BitNetForCausalLM";
  report.result.generation = {{2048, 60, 675e6, 20e6, 1, 0.79}};
  report.result.memory_needed = 1;
  return report;
}

TEST(BenchReport, GenerationWithATrainedModelsZerosIsARowMore) {
  BenchReport report = report_of_one_context();
  const std::string dense_row =
      "generation 2048     60.0 tokens/s      40.5 GB/s     79 % of reading, 675.0 MB and 1 head rows a token";
  EXPECT_NE(in_words(report).find(dense_row + "\n"), std::string::npos) << in_words(report);
  EXPECT_EQ(in_words(report).find("zeros"), std::string::npos);
  EXPECT_TRUE(to_json(report).at("sparse").is_null());

  report.sparse = SparseGeneration{0.824, {{2048, 75, 660e6, 35e6, 2, 0.71}}};
  const std::string sparse_row =
      "generation 2048     75.0 tokens/s      49.5 GB/s     71 % of reading, 660.0 MB and 2 head rows a token, 82 % "
      "zeros";
  EXPECT_NE(in_words(report).find(dense_row + "\n" + sparse_row + "\n"), std::string::npos) << in_words(report);
  const Json sparse = to_json(report).at("sparse");
  EXPECT_EQ(sparse.at("zeros"), 0.824);
  ASSERT_EQ(sparse.at("generation").size(), 1U);
  EXPECT_EQ(sparse.at("generation").at(0).at("tokens_per_second"), 75);
  EXPECT_EQ(sparse.at("generation").at(0).at("bytes_left_out_per_token"), 35e6);
  EXPECT_EQ(to_json(report).at("generation").at(0).at("tokens_per_second"), 60);
}

}  // namespace
}  // namespace bitnet::cli
