/// bitnet run for lists of prompts, and for several results.

#include <gtest/gtest.h>

#include <csignal>
#include <sstream>

#include "base/json.h"
#include "base/text_file.h"
#include "cli/program.h"
#include "support/temporary_folder.h"

namespace bitnet::cli_test {
namespace {

using Arguments = std::vector<std::string>;

Arguments joined(Arguments first, const Arguments& rest) {
  first.insert(first.end(), rest.begin(), rest.end());
  return first;
}

std::vector<Json> json_lines(const Outcome& outcome) {
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  std::vector<Json> lines;
  std::istringstream stream(outcome.out);
  for (std::string line; std::getline(stream, line);) lines.push_back(parse_json(line, "standard output"));
  return lines;
}

class Lists : public testing::Test {
 protected:
  [[nodiscard]] std::string file_of(const std::string& text) const {
    const std::string path = (folder_.path() / "prompts.txt").string();
    write_file_atomically(path, std::as_bytes(std::span(text)));
    return path;
  }

 private:
  testing_support::TemporaryFolder folder_;
};

const Arguments kPrompts = {"Once upon a time", "The wolf", "There was once a king who had three daughters,", ""};
const std::string kLines = "Once upon a time\nThe wolf\r\nThere was once a king who had three daughters,\n\n";
const Arguments kGreedy = {"--greedy", "--ignore-eos", "--max-new-tokens", "10"};

TEST_F(Lists, EachLineIsContinuedAsItIsAlone) {
  const std::string file = file_of(kLines);
  const Outcome words = run(joined({"run", "--prompts-file", file, "--batch-size", "3"}, kGreedy));
  EXPECT_EQ(words.status, 0);
  std::string expected;
  for (std::size_t i = 0; i < kPrompts.size(); ++i) {
    const Outcome alone = run(joined({"run", kPrompts[i]}, kGreedy));
    expected += "== prompt " + std::to_string(i + 1) + ", result 1\n" + alone.out;
  }
  EXPECT_EQ(words.out, expected);
  EXPECT_TRUE(words.err.starts_with("[4 prompts, ")) << words.err;
  EXPECT_NE(words.err.find("; 40 new tokens, "), std::string::npos) << words.err;
  // A named model stands before the options, standard input in place of the file.
  const Outcome piped =
      run(Start{joined({"run", BITNET_SOURCE_DIR "/models/fairy-bitnet", "--prompts-file", "-", "--quiet"}, kGreedy),
                kLines,
                {},
                {}});
  EXPECT_EQ(piped.out, expected);
  EXPECT_EQ(piped.err, "");
}

TEST_F(Lists, JsonIsAnObjectForEachResult) {
  const Arguments sampled = {"--max-new-tokens", "6", "--seed", "3", "--json"};
  const auto lines = json_lines(
      run(joined({"run", "--prompts-file", file_of("The wolf\nOnce\n"), "--num-return-sequences", "2"}, sampled)));
  ASSERT_EQ(lines.size(), 4U);
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(lines[i].at("prompt_index"), i / 2);
    EXPECT_EQ(lines[i].at("result_index"), i % 2);
    EXPECT_FALSE(lines[i].contains("score")) << "only beams have one";
    EXPECT_EQ(lines[i].at("timings").at("generated_tokens"), lines[i].at("ids").size());
  }
  EXPECT_NE(lines[0].at("ids"), lines[1].at("ids"));
  const Json alone = parse_json(run(joined({"run", "The wolf"}, sampled)).out, "standard output");
  EXPECT_EQ(lines[0].at("ids"), alone.at("ids")) << "a prompt's first result is that of the seed";
  EXPECT_EQ(lines[0].at("text"), alone.at("text"));
  const auto of_argument = json_lines(run(joined({"run", "The wolf", "--num-return-sequences", "2"}, sampled)));
  ASSERT_EQ(of_argument.size(), 2U);
  EXPECT_EQ(of_argument[1].at("ids"), lines[1].at("ids"));
}

TEST_F(Lists, BeamsHaveScoresTheBestFirst) {
  const Arguments beams = {"run",
                           "The wolf",
                           "--greedy",
                           "--num-beams",
                           "3",
                           "--max-new-tokens",
                           "6",
                           "--num-return-sequences",
                           "3",
                           "--json",
                           "--return-dict-in-generate"};
  const auto lines = json_lines(run(beams));
  ASSERT_EQ(lines.size(), 3U);
  const Json& details = lines[0].at("details");
  EXPECT_FALSE(lines[1].contains("details")) << "they are those of all results";
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(details.at("sequences_scores").at(i), lines[i].at("score"));
    EXPECT_EQ(details.at("beam_indices").at(i).size(), 6U);
    Json sequence = lines[i].at("prompt_ids");
    for (const Json& id : lines[i].at("ids")) sequence.push_back(id);
    EXPECT_EQ(details.at("sequences").at(i), sequence);
  }
  EXPECT_GT(lines[0].at("score").get<double>(), lines[2].at("score").get<double>());
  const Outcome words = run({"run", "The wolf", "--greedy", "--num-beams", "3", "--max-new-tokens", "6",
                             "--num-return-sequences", "3", "--quiet"});
  EXPECT_TRUE(words.out.starts_with("== prompt 1, result 1 (score -")) << words.out;
  const Json single = parse_json(
      run({"run", "The wolf", "--greedy", "--num-beams", "3", "--max-new-tokens", "6", "--json"}).out, "beams");
  EXPECT_EQ(single.at("text"), lines[0].at("text"));
  EXPECT_EQ(single.at("score"), lines[0].at("score"));
  EXPECT_FALSE(single.contains("details"));
}

TEST_F(Lists, ChatPutsEachPromptIntoTheTemplate) {
  const Arguments options = {"--chat", "--system-prompt", "Be kind.", "--greedy", "--max-new-tokens", "3", "--json"};
  const auto lines = json_lines(run(joined({"run", "--prompts-file", file_of("Hello.\nWho are you?")}, options)));
  ASSERT_EQ(lines.size(), 2U);
  const Json alone = parse_json(run(joined({"run", "Who are you?"}, options)).out, "standard output");
  EXPECT_EQ(lines[1].at("prompt_ids"), alone.at("prompt_ids"));
  EXPECT_EQ(lines[1].at("text"), alone.at("text"));
}

TEST_F(Lists, ThePrefixStandsBeforeEveryPrompt) {
  const Arguments options = {"--greedy", "--max-new-tokens", "1", "--json"};
  const Json whole = parse_json(run(joined({"run", "Once upon a time"}, options)).out, "standard output");
  const Arguments prefixed = joined(options, {"--prefix", "Once upon"});
  const Json single = parse_json(run(joined({"run", " a time"}, prefixed)).out, "standard output");
  EXPECT_EQ(single.at("prompt_ids"), whole.at("prompt_ids"));
  const auto lines = json_lines(run(joined({"run", "--prompts-file", file_of(" a hill\n a time")}, prefixed)));
  ASSERT_EQ(lines.size(), 2U);
  EXPECT_EQ(lines[1].at("prompt_ids"), whole.at("prompt_ids"));
}

TEST_F(Lists, AnInterruptLeavesWhatIsThere) {
  std::string many;
  for (int i = 0; i < 2000; ++i) many += "Once upon a time\n";
  Program program(
      Start{{"run", "--prompts-file", file_of(many), "--ignore-eos", "--max-new-tokens", "100"}, {}, {}, {}});
  program.read_out(1);
  program.signal(SIGINT);
  const Outcome outcome = program.finish();
  EXPECT_EQ(outcome.status, 130);
  EXPECT_TRUE(outcome.out.starts_with("== prompt 1, result 1\n")) << outcome.out;
  EXPECT_EQ(outcome.out.find("== prompt 2000"), std::string::npos);
  EXPECT_TRUE(outcome.out.ends_with("\n"));
  EXPECT_NE(outcome.err.find("tokens/s]"), std::string::npos) << outcome.err;
}

TEST_F(Lists, ErrorsNameThePromptBeforeAnythingIsComputed) {
  std::string text = "Once\n";
  for (int i = 0; i < 3000; ++i) text += "word ";
  const Outcome outcome = run({"run", "--prompts-file", file_of(text)});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_EQ(outcome.out, "");
  EXPECT_NE(outcome.err.find("prompt 2: "), std::string::npos) << outcome.err;
  EXPECT_NE(outcome.err.find("1024"), std::string::npos) << outcome.err;

  const Outcome empty = run({"run", "--prompts-file", file_of("")});
  EXPECT_EQ(empty.status, 1);
  EXPECT_NE(empty.err.find("holds no prompt"), std::string::npos) << empty.err;
  const Outcome missing = run({"run", "--prompts-file", "/no/such/file"});
  EXPECT_EQ(missing.status, 1);
  EXPECT_NE(missing.err.find("/no/such/file"), std::string::npos) << missing.err;
}

TEST_F(Lists, APromptBesideThemIsWrongUsage) {
  const std::string file = file_of(kLines);
  for (const Arguments& arguments :
       {Arguments{"run", "Once", "--prompts-file", file},
        Arguments{"run", BITNET_SOURCE_DIR "/models/fairy-bitnet", "Once", "--prompts-file", file}}) {
    const Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.status, 2);
    EXPECT_NE(outcome.err.find("exclude each other"), std::string::npos) << outcome.err;
  }
}

}  // namespace
}  // namespace bitnet::cli_test
