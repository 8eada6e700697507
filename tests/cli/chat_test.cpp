/// Conversations, in a terminal and through a pipe.

#include <gtest/gtest.h>

#include "cli/program.h"

namespace bitnet::cli_test {
namespace {

const std::vector<std::string> kShort = {"chat", "--greedy", "--max-new-tokens", "8", "--show-speed"};
const std::string kAnswered = "tokens/s]";

/// "[17 prompt tokens": how many prompt tokens the last answer computed.
int prompt_tokens(const std::string& seen) {
  const std::size_t at = seen.rfind('[');
  return at == std::string::npos ? -1 : std::stoi(seen.substr(at + 1));
}

/// The answer in what a turn printed: between the echoed question and the speeds.
std::string answer_of(const std::string& seen) {
  const std::size_t begin = seen.find('\n');
  return seen.substr(begin, seen.rfind('[') - begin);
}

TEST(Chat, AnswersTurnByTurnAndForgetsOnReset) {
  TerminalProgram chat(kShort);
  ASSERT_NE(chat.wait_for("> "), "");
  chat.type("Hello there.\n");
  const std::string first = chat.wait_for(kAnswered);
  ASSERT_NE(first, "");
  chat.wait_for("> ");
  chat.type("Hello there.\n");
  const std::string second = chat.wait_for(kAnswered);
  ASSERT_NE(second, "");
  chat.wait_for("> ");
  chat.type("/reset\n");
  chat.wait_for("> ");
  chat.type("Hello there.\n");
  const std::string third = chat.wait_for(kAnswered);
  EXPECT_EQ(answer_of(third), answer_of(first)) << "the same answer as at first";
  EXPECT_EQ(prompt_tokens(third), prompt_tokens(first));
  chat.wait_for("> ");
  chat.type("/quit\n");
  EXPECT_EQ(chat.finish(), 0);
}

TEST(Chat, InterruptStopsTheAnswerAndClearsTheLineButNotTheProgram) {
  TerminalProgram chat({"chat", "--max-new-tokens", "900", "--ignore-eos", "--show-speed"});
  ASSERT_NE(chat.wait_for("> "), "");
  chat.type("Tell me the story of the clever fox.\n");
  ASSERT_NE(chat.wait_for("\n"), "");  // the echoed line
  ASSERT_NE(chat.wait_for(" "), "");   // the answer has begun
  chat.type("\003");
  ASSERT_NE(chat.wait_for(kAnswered), "") << "900 tokens would have filled the context";
  ASSERT_NE(chat.wait_for("> "), "");
  chat.type("not a question\003");
  ASSERT_NE(chat.wait_for("> "), "");
  chat.type("/exit\n");
  EXPECT_EQ(chat.finish(), 0);
}

TEST(Chat, ExplainsItselfAndSuggestsCommands) {
  TerminalProgram chat(kShort);
  ASSERT_NE(chat.wait_for("> "), "");
  chat.type("/help\n");
  EXPECT_NE(chat.wait_for("/reset"), "");
  ASSERT_NE(chat.wait_for("\n> "), "");
  chat.type("/rest\n");
  EXPECT_NE(chat.wait_for("did you mean '/reset'?"), "");
  ASSERT_NE(chat.wait_for("> "), "");
  chat.type("\004");  // Ctrl-D
  EXPECT_EQ(chat.finish(), 0);
}

TEST(Chat, WithoutATerminalEachLineIsATurn) {
  const Outcome outcome = run(Start{kShort, "Hello.\n/reset\nHello.\n", {}, {}});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(outcome.out.find("> "), std::string::npos) << "no prompt is shown";
  const std::size_t half = outcome.out.size() / 2;
  EXPECT_GT(half, 0U);
  EXPECT_EQ(outcome.out.substr(0, half), outcome.out.substr(half)) << "the same answer twice";
}

TEST(Chat, ATooLongConversationIsAnErrorThatLeavesTheChatAlive) {
  std::string line;
  for (int i = 0; i < 3000; ++i) line += "word ";
  const Outcome outcome = run(Start{kShort, line + "\nHello.\n", {}, {}});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_NE(outcome.err.find("bitnet: error: "), std::string::npos) << outcome.err;
  EXPECT_NE(outcome.out, "");
}

}  // namespace
}  // namespace bitnet::cli_test
