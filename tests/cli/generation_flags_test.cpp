/// The generation settings on the command line: flags, files, and which of them wins.

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "base/json.h"
#include "cli/program.h"
#include "support/temporary_folder.h"

namespace bitnet::cli_test {
namespace {

/// A file of settings in a folder of its own, as tests run side by side.
class SettingsFile {
 public:
  explicit SettingsFile(const std::string& json) { std::ofstream(folder_.path() / "my_settings.json") << json; }
  [[nodiscard]] std::string path() const { return (folder_.path() / "my_settings.json").string(); }

 private:
  testing_support::TemporaryFolder folder_;
};

/// run --json on a prompt of the default model.
Json generate(const std::vector<std::string>& options) {
  std::vector<std::string> arguments = {"run", "Once upon a time", "--json"};
  arguments.insert(arguments.end(), options.begin(), options.end());
  const Outcome outcome = run(arguments);
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  return outcome.status == 0 ? parse_json(outcome.out, "run") : Json();
}

Outcome run_with(const std::string& json, const std::vector<std::string>& options = {}) {
  const SettingsFile file(json);
  std::vector<std::string> arguments = {"run", "Once", "--max-new-tokens", "1", "--settings", file.path()};
  arguments.insert(arguments.end(), options.begin(), options.end());
  return run(arguments);
}

TEST(GenerationFlags, EveryFieldHasOneInRunAndChat) {
  for (const char* command : {"run", "chat"}) {
    const std::string help = run({command, "--help"}).out;
    for (const char* name : {"do-sample",
                             "temperature",
                             "top-k",
                             "top-p",
                             "min-p",
                             "typical-p",
                             "epsilon-cutoff",
                             "eta-cutoff",
                             "top-h",
                             "repetition-penalty",
                             "renormalize-logits",
                             "seed",
                             "max-new-tokens",
                             "max-length",
                             "min-length",
                             "min-new-tokens",
                             "max-time",
                             "exponential-decay-length-penalty",
                             "batch-size",
                             "num-return-sequences",
                             "num-beams",
                             "num-beam-groups",
                             "early-stopping",
                             "length-penalty",
                             "diversity-penalty",
                             "penalty-alpha",
                             "prompt-lookup-num-tokens",
                             "max-matching-ngram-size",
                             "no-repeat-ngram-size",
                             "bad-words-ids",
                             "sequence-bias",
                             "suppress-tokens",
                             "begin-suppress-tokens",
                             "remove-invalid-values",
                             "eos-token-id",
                             "ignore-eos",
                             "bos-token-id",
                             "pad-token-id",
                             "decoder-start-token-id",
                             "forced-bos-token-id",
                             "forced-eos-token-id",
                             "stop-strings",
                             "prefix",
                             "system-prompt",
                             "threads",
                             "use-cache",
                             "attention-mask",
                             "output-attentions",
                             "output-hidden-states",
                             "output-scores",
                             "return-dict-in-generate",
                             "settings",
                             "bad-words"}) {
      const std::size_t at = help.find("--" + std::string(name));
      ASSERT_NE(at, std::string::npos) << command << " --" << name;
      const char after = help[at + 2 + std::string(name).size()];
      EXPECT_TRUE(after == ' ' || after == ',' || after == '\n') << command << " --" << name << after;
    }
    for (const char* group : {"Sampling", "Length", "Text", "Tokens", "Search", "Running", "Results"}) {
      EXPECT_NE(help.find("\n" + std::string(group) + ":\n"), std::string::npos) << group;
    }
  }
}

// Defaults < generation_config.json (which samples) < the file < flags.
TEST(GenerationFlags, FlagsWinOverTheFileAndTheFileOverTheCheckpoint) {
  const SettingsFile file(R"({"do_sample": false, "max_new_tokens": 6, "ignore_eos": true})");
  const Json greedy = generate({"--greedy", "--max-new-tokens", "6", "--ignore-eos"}).at("ids");
  EXPECT_EQ(greedy.size(), 6U);
  EXPECT_EQ(generate({"--settings", file.path(), "--seed", "1"}).at("ids"), greedy);
  EXPECT_EQ(generate({"--settings", file.path(), "--max-new-tokens", "2"}).at("ids").size(), 2U);
  EXPECT_EQ(generate({"--max-new-tokens", "2", "--settings", file.path()}).at("ids").size(), 2U) << "in any order";
  const std::vector<std::string> hot = {"--settings", file.path(), "--do-sample", "--temperature", "3"};
  EXPECT_NE(generate(hot).at("ids"), greedy);
}

TEST(GenerationFlags, ThreadsOfTheFileCountUnlessTheFlagIsGiven) {
  const SettingsFile file(R"({"threads": 5000, "max_new_tokens": 2})");
  const Outcome refused = run({"run", "Once", "--settings", file.path()});
  EXPECT_EQ(refused.status, 1);
  EXPECT_NE(refused.err.find("threads is 5000"), std::string::npos) << refused.err;
  EXPECT_EQ(generate({"--settings", file.path(), "--threads", "1", "--ignore-eos"}).at("ids").size(), 2U);
}

TEST(GenerationFlags, ALengthOfTheFileCountsWhenItIsGivenAlone) {
  const SettingsFile file(R"({"max_length": 9, "ignore_eos": true})");
  const Json json = generate({"--settings", file.path()});
  EXPECT_EQ(json.at("prompt_ids").size() + json.at("ids").size(), 9U);
}

TEST(GenerationFlags, ABrokenFileIsOneLineThatNamesIt) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"temprature": 1})", "\"temprature\" is not a generation setting"},
      {R"({"top_k": "many"})", "top_k is \"many\"; expected an integer"},
      {R"({"top_p": 1.5})", "top_p is 1.5; expected a number in [0, 1]"},
      {R"({"num_return_sequences": 3, "num_beams": 2})", "num_beams is 2"},
      {"[1]", "expected a JSON object"},
      {"{", "line 1"},
  };
  for (const auto& [json, part] : cases) {
    const Outcome outcome = run_with(json);
    EXPECT_EQ(outcome.status, 1) << json;
    EXPECT_NE(outcome.err.find("my_settings.json"), std::string::npos) << outcome.err;
    EXPECT_NE(outcome.err.find(part), std::string::npos) << outcome.err;
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
  }
  EXPECT_EQ(run_with(R"({"top_p": 1.5})", {"--top-p", "0.5"}).status, 0) << "a flag may put it right";
  const Outcome missing = run({"run", "Once", "--settings", "/no/such/file.json"});
  EXPECT_EQ(missing.status, 1);
  EXPECT_NE(missing.err.find("/no/such/file.json"), std::string::npos) << missing.err;
}

TEST(GenerationFlags, MistypedValuesNameTheFlagAndWhatIsAllowed) {
  const std::vector<std::string> cases[] = {
      {"--typical-p", "x", "--typical-p: 'x' is not a number (", "> 0"},
      {"--top-k", "1.5", "--top-k: '1.5' is not an integer", "0: off"},
      {"--top-k", "99999999999", "--top-k: '99999999999' is not an integer in its range", "0: off"},
      {"--seed", "-1", "--seed: '-1' is not an integer in its range", "0 or more"},
      {"--max-length", "ten", "--max-length: 'ten'", "at most"},
      {"--max-time", "soon", "--max-time: 'soon' is not a number", "1e9"},
      {"--forced-eos-token-id", "end", "--forced-eos-token-id: 'end'", "length"},
      {"--early-stopping", "maybe", "--early-stopping", "never"},
      {"--suppress-tokens", "1,x", "--suppress-tokens: '1,x' is not a list of token ids", "1,2,3"},
      {"--bad-words-ids", "x", "--bad-words-ids: 'x'", "1,2,3"},
      {"--sequence-bias", "1,2", "--sequence-bias: '1,2'", "3,17:-2.5"},
      {"--sequence-bias", "1:x", "--sequence-bias: '1:x'", "3,17:-2.5"},
      {"--sequence-bias", "a:1", "--sequence-bias: 'a'", "1,2,3"},
      {"--exponential-decay-length-penalty", "5", "--exponential-decay-length-penalty: '5'", "20,1.1"},
      {"--exponential-decay-length-penalty", "5,x", "--exponential-decay-length-penalty: '5,x'", "20,1.1"},
  };
  for (const auto& mistake : cases) {
    const Outcome outcome = run({"run", "Once", mistake[0], mistake[1]});
    EXPECT_EQ(outcome.status, 2) << outcome.err;
    EXPECT_NE(outcome.err.find(mistake[2]), std::string::npos) << outcome.err;
    EXPECT_NE(outcome.err.find(mistake[3]), std::string::npos) << outcome.err;
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
  }
}

TEST(GenerationFlags, ContradictionsNameBothSettings) {
  const Outcome outcome = run({"run", "Once", "--num-beams", "2", "--num-return-sequences", "3"});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_NE(outcome.err.find("num_return_sequences is 3, but num_beams is 2"), std::string::npos) << outcome.err;
}

TEST(GenerationFlags, BadWordsDoNotAppear) {
  const auto text = [](const std::vector<std::string>& options) {
    std::vector<std::string> arguments = {"--greedy", "--repetition-penalty", "1", "--max-new-tokens", "24"};
    arguments.insert(arguments.end(), options.begin(), options.end());
    return generate(arguments).at("text").get<std::string>();
  };
  const std::string free = text({});
  const std::size_t begin = free.find(' ', 5) + 1;
  const std::string word = free.substr(begin, free.find_first_of(" ,.", begin) - begin);
  ASSERT_FALSE(word.empty());
  const std::string other = text({"--bad-words", word, "--bad-words", "xyzzy"});
  EXPECT_EQ((" " + other + " ").find(" " + word + " "), std::string::npos) << word << " is in: " << other;
  EXPECT_NE(other, free);
}

TEST(GenerationFlags, BiasesAndDecayReachTheModel) {
  EXPECT_EQ(generate({"--greedy", "--max-new-tokens", "2", "--sequence-bias", "258:1000"}).at("ids"), Json({258, 258}));
  const Json pair = generate({"--greedy", "--max-new-tokens", "2", "--repetition-penalty", "1", "--sequence-bias",
                              "258:500", "--sequence-bias", "258,300:1000"});
  EXPECT_EQ(pair.at("ids"), Json({258, 300}));
  const Json decay = generate({"--greedy", "--max-new-tokens", "50", "--exponential-decay-length-penalty", "2,9"});
  EXPECT_EQ(decay.at("finish_reason"), "eos");
  EXPECT_LT(decay.at("ids").size(), 20U);
}

TEST(GenerationFlags, AllThatShapeADistributionWorkTogether) {
  const Json json = generate({"--max-new-tokens",
                              "3",
                              "--temperature",
                              "0.9",
                              "--top-h",
                              "0.9",
                              "--top-k",
                              "40",
                              "--top-p",
                              "0.95",
                              "--min-p",
                              "0.01",
                              "--typical-p",
                              "0.95",
                              "--epsilon-cutoff",
                              "0.0003",
                              "--eta-cutoff",
                              "0.0003",
                              "--renormalize-logits",
                              "--no-repeat-ngram-size",
                              "2",
                              "--begin-suppress-tokens",
                              "258",
                              "--suppress-tokens",
                              "1,2",
                              "--min-new-tokens",
                              "3",
                              "--remove-invalid-values"});
  EXPECT_EQ(json.at("ids").size(), 3U);
}

}  // namespace
}  // namespace bitnet::cli_test
