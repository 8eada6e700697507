/// Closed pipes, full disks and signals.

#include <gtest/gtest.h>

#include <csignal>

#include "cli/program.h"

namespace bitnet::cli_test {
namespace {

// A text that would take far longer than the test's patience: ends only when something stops it.
const std::vector<std::string> kEndless = {"run", "Once upon a time", "--max-new-tokens", "1000", "--ignore-eos"};

TEST(Streams, AClosedPipeEndsQuietly) {
  Program program(Start{kEndless, {}, {}, {}});
  EXPECT_GE(program.read_out(5).size(), 5U);
  program.close_out();
  const Outcome outcome = program.finish();
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(outcome.err, "");
}

class FullDisk : public testing::TestWithParam<std::vector<std::string>> {};

TEST_P(FullDisk, IsOneErrorAndStatus1) {
  const Outcome outcome = run(Start{GetParam(), {}, "/dev/full", {}});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_EQ(outcome.err, "bitnet: error: cannot write to standard output: No space left on device\n");
}

INSTANTIATE_TEST_SUITE_P(All, FullDisk,
                         testing::Values(kEndless,
                                         std::vector<std::string>{"run", "Once", "--max-new-tokens", "2", "--json"},
                                         std::vector<std::string>{"info"}, std::vector<std::string>{"--help"},
                                         std::vector<std::string>{"tokenize", "Once"}));

TEST(Streams, InterruptEndsRunAfterThePartialText) {
  Program program(Start{kEndless, {}, {}, {}});
  ASSERT_GE(program.read_out(5).size(), 5U);
  program.signal(SIGINT);
  const Outcome outcome = program.finish();
  EXPECT_EQ(outcome.status, 130);
  EXPECT_TRUE(outcome.out.ends_with('\n')) << outcome.out;
  EXPECT_NE(outcome.err.find("tokens/s"), std::string::npos) << outcome.err;
}

TEST(Streams, NothingIsPrintedInColoursOrWithABarWhenNobodyLooks) {
  const Outcome outcome = run({"run", "Once", "--max-new-tokens", "3"});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ((outcome.out + outcome.err).find('\033'), std::string::npos);
  EXPECT_EQ((outcome.out + outcome.err).find('\r'), std::string::npos);
}

}  // namespace
}  // namespace bitnet::cli_test
