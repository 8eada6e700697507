/// What the program says about its own command line.

#include <gtest/gtest.h>

#include <algorithm>

#include "cli/program.h"

namespace bitnet::cli_test {
namespace {

using testing::Values;

/// One line on standard error, nothing on standard output.
void expect_error(const Outcome& outcome, int status, const std::string& part) {
  EXPECT_EQ(outcome.status, status) << outcome.err;
  EXPECT_EQ(outcome.out, "");
  EXPECT_TRUE(outcome.err.starts_with("bitnet: error: ")) << outcome.err;
  EXPECT_NE(outcome.err.find(part), std::string::npos) << outcome.err;
  EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
}

struct Mistake {
  std::vector<std::string> arguments;
  std::string part;  ///< of the error
};

class WrongUsage : public testing::TestWithParam<Mistake> {};

TEST_P(WrongUsage, IsOneLineAndStatus2) { expect_error(run(GetParam().arguments), 2, GetParam().part); }

INSTANTIATE_TEST_SUITE_P(
    All, WrongUsage,
    Values(Mistake{{}, "a command is missing"},                                                  //
           Mistake{{"rnu", "hello"}, "there is no command 'rnu'; did you mean 'run'?"},          //
           Mistake{{"--versoin"}, "did you mean '--version'?"},                                  //
           Mistake{{"wellington"}, "try 'bitnet --help'"},                                       //
           Mistake{{"run"}, "PROMPT is missing"},                                                //
           Mistake{{"run", BITNET_SOURCE_DIR "/models/fairy-bitnet"}, "PROMPT is missing"},      //
           Mistake{{"run", "a", "b", "c"}, "unexpected argument 'c'"},                           //
           Mistake{{"run", "hello", "--tok-k", "5"}, "did you mean '--top-k'?"},                 //
           Mistake{{"run", "hello", "--max_new_tokenz=5"}, "did you mean '--max-new-tokens'?"},  //
           Mistake{{"run", "hello", "--xyzzyxyzzy"}, "goes after '--'"},                         //
           Mistake{{"run", "hello", "--top-k", "many"}, "--top-k"},                              //
           Mistake{{"run", "hello", "--top-k", "1.5"}, "--top-k"},                               //
           Mistake{{"run", "hello", "--seed", "-1"}, "--seed"},                                  //
           Mistake{{"run", "hello", "--top-k"}, "--top-k"},                                      //
           Mistake{{"run", "hello", "--kernels", "scalr"}, "did you mean 'scalar'?"},            //
           Mistake{{"run", "hello", "--kernels", "quantum"}, "scalar"},                          //
           Mistake{{"run", "hello", "--kv-cache", "q5"}, "--kv-cache"},                          //
           Mistake{{"run", "hello", "--suppress-tokens", "1,x"}, "1,x"},                         //
           Mistake{{"tokenize", "--decode", "one"}, "'one'"},                                    //
           Mistake{{"perplexity"}, "FILE is missing"},                                           //
           Mistake{{"bench", "--synthetic", "7b"}, "2b4t"},                                      //
           Mistake{{"bench", "--prompt", "0"}, "--prompt"}, Mistake{{"bench", "--prompt", "8,x"}, "--prompt"},
           Mistake{{"bench", "--prompt", "1025"}, "1024"}, Mistake{{"bench", "--context", "-1"}, "--context"},
           Mistake{{"bench", "--context", "1000"}, "1024"}, Mistake{{"bench", "--batch", "0"}, "--batch"},
           Mistake{{"bench", "--batch", "1,2000"}, "--batch"}, Mistake{{"bench", "--tokens", "1"}, "--tokens"},
           Mistake{{"bench", "--tokens", "1024"}, "1024"}, Mistake{{"info", "a", "b"}, "unexpected argument 'b'"}));

const std::string kFairy = BITNET_SOURCE_DIR "/models/fairy-bitnet";

class WrongInput : public testing::TestWithParam<Mistake> {};

TEST_P(WrongInput, IsOneLineAndStatus1) { expect_error(run(GetParam().arguments), 1, GetParam().part); }

INSTANTIATE_TEST_SUITE_P(All, WrongInput,
                         Values(Mistake{{"run", "/no/such/model", "hello"}, "/no/such/model"},
                                Mistake{{"info", "/no/such/model"}, "/no/such/model"},
                                Mistake{{"tokenize", "/no/such/model", "hello"}, "/no/such/model"},
                                Mistake{{"perplexity", "/no/such/file"}, "/no/such/file"},
                                Mistake{{"verify", "--reference", "/no/such/file"}, "/no/such/file"},
                                Mistake{{"verify", "--against", "/no/such/model"}, "/no/such/model"},
                                Mistake{{"convert", "/no/such/model", "/no/such/folder/x"}, "/no/such/model"},
                                Mistake{{"convert", kFairy, "/no/such/folder/x.gguf"}, "/no/such/folder/x.gguf"},
                                Mistake{{"convert", kFairy, "x.gguf", "--weights", "q9"}, "\"q9\""},
                                Mistake{{"convert", kFairy, "x", "--embedding", "q8_0"}, "Q8_0"},
                                Mistake{{"quantize", kFairy, "x", "--scale-per", "column"}, "\"column\""},
                                Mistake{{"quantize", kFairy, "x", "--text", "/no/such/file"}, "/no/such/file"},
                                Mistake{{"run", "hello", "--temperature", "0"}, "temperature"},
                                Mistake{{"run", "hello", "--temperature", "nan"}, "temperature"},
                                Mistake{{"run", "hello", "--top-p", "1.5"}, "top_p"},
                                Mistake{{"run", "hello", "--threads", "0"}, "threads"},
                                Mistake{{"run", "bad \xff\xfe text"}, "UTF-8"},
                                Mistake{{"tokenize", "bad \xc3"}, "UTF-8"}));

TEST(CommandLine, KernelsOfTheEnvironmentAreChecked) {
  const Outcome outcome = run({{"info"}, {}, {}, {{"BITNET_KERNELS", "quantum"}}});
  expect_error(outcome, 1, "quantum");
  EXPECT_NE(outcome.err.find("scalar"), std::string::npos) << "the choices are listed: " << outcome.err;
}

TEST(CommandLine, HelpIsOnStandardOutput) {
  const Outcome outcome = run({"--help"});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_EQ(outcome.err, "");
  for (const char* command :
       {"run", "chat", "info", "tokenize", "convert", "quantize", "verify", "perplexity", "bench"}) {
    EXPECT_NE(outcome.out.find(command), std::string::npos) << command;
    const Outcome help = run({command, "--help"});
    EXPECT_EQ(help.status, 0) << command;
    EXPECT_NE(help.out.find("Examples:\n  bitnet " + std::string(command)), std::string::npos) << help.out;
  }
}

TEST(CommandLine, VersionIsThreeNumbers) {
  const Outcome outcome = run({"--version"});
  EXPECT_EQ(outcome.status, 0);
  EXPECT_TRUE(outcome.out.starts_with("bitnet ")) << outcome.out;
  EXPECT_EQ(std::count(outcome.out.begin(), outcome.out.end(), '.'), 2) << outcome.out;
}

TEST(CommandLine, UnderscoresAndRepeatedOptionsAreAccepted) {
  const Outcome outcome =
      run({"run", "Once", "--greedy", "--max_new_tokens=9", "--max-new-tokens", "2", "--top_k", "5", "--json"});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
}

TEST(CommandLine, APromptMayLookLikeACommandOrAList) {
  for (const char* prompt : {"info", "[a, b]", "- a dash", "-"}) {
    const Outcome outcome = run({"run", prompt, "--max-new-tokens", "1"});
    EXPECT_EQ(outcome.status, 0) << prompt << ": " << outcome.err;
  }
  EXPECT_EQ(run({"run", "--max-new-tokens", "1", "--", "--a text"}).status, 0);
}

}  // namespace
}  // namespace bitnet::cli_test
