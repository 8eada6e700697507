/// What the commands print about the default model.

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/json.h"
#include "cli/program.h"
#include "support/temporary_folder.h"

namespace bitnet::cli_test {
namespace {

const std::string kModel = BITNET_SOURCE_DIR "/models/fairy-bitnet";

Json run_json(const std::vector<std::string>& arguments) {
  const Outcome outcome = run(arguments);
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  return parse_json(outcome.out, arguments.front());
}

TEST(Run, GreedyTextOfTheDefaultModelIsTheReferences) {
  // transformers' greedy continuation of this prompt, in float32.
  const std::string expected =
      " and they were all three beautiful. The king was so delighted with them that he sent for the eldest, and said "
      "to";
  const std::string prompt = "There was once a king who had three daughters,";
  const std::vector<std::string> options = {"--greedy", "--repetition-penalty", "1", "--max-new-tokens", "24"};
  std::vector<std::string> arguments = {"run", prompt};
  arguments.insert(arguments.end(), options.begin(), options.end());
  const Outcome found = run(arguments);
  EXPECT_EQ(found.status, 0);
  EXPECT_EQ(found.out, expected + "\n");
  arguments.insert(arguments.begin() + 1, kModel);
  EXPECT_EQ(run(arguments).out, found.out) << "a named model is the default one";
}

TEST(Run, JsonHoldsTextIdsReasonAndTimings) {
  const Json json = run_json({"run", "Once upon a time", "--greedy", "--max-new-tokens", "5", "--json"});
  EXPECT_EQ(json.at("ids").size(), 5U);
  EXPECT_EQ(json.at("finish_reason"), "length");
  EXPECT_FALSE(json.at("text").get<std::string>().empty());
  EXPECT_GT(json.at("timings").at("prompt_tokens").get<int>(), 3);
  EXPECT_GT(json.at("timings").at("generation_tokens_per_second").get<double>(), 0);
}

TEST(Embed, PrintsAVectorOrTheCosines) {
  const std::vector<std::string> texts = {"the king", "a king", "bread and butter"};
  std::vector<std::string> arguments = {"embed", kModel};
  arguments.insert(arguments.end(), texts.begin(), texts.end());
  const std::string plain = run(arguments).out;
  arguments.push_back("--json");
  const std::string lines = run(arguments).out;
  std::istringstream plain_lines(plain);
  std::istringstream json_lines(lines);
  std::string line;
  for (std::size_t text = 0; text < texts.size(); ++text) {
    ASSERT_TRUE(std::getline(json_lines, line));
    const Json json = parse_json(line, "embed");
    EXPECT_EQ(json.at("index"), text);
    EXPECT_EQ(json.at("truncated"), false);
    ASSERT_TRUE(std::getline(plain_lines, line));
    std::istringstream numbers(line);
    for (const Json& expected : json.at("embedding")) {
      double number = 0;
      numbers >> number;
      EXPECT_EQ(number, expected.get<double>());
    }
    std::string more;
    EXPECT_FALSE(numbers >> more);
  }
  arguments.push_back("--similarity");
  const Json similarity = run_json(arguments).at("similarity");
  EXPECT_NEAR(similarity[0][0].get<double>(), 1.0, 1e-6);
  EXPECT_EQ(similarity[0][1], similarity[1][0]);
  EXPECT_GT(similarity[0][1].get<double>(), similarity[0][2].get<double>());

  // The same texts as lines, some of what the prefix puts there.
  arguments = {"embed", kModel, "--file", "-", "--prefix", "the k"};
  const std::string piped = run(Start{arguments, "ing\n", {}, {}}).out;
  EXPECT_EQ(piped, plain.substr(0, plain.find('\n') + 1));
}

TEST(Embed, WrongUsageSaysWhatIsMissing) {
  EXPECT_NE(run({"embed"}).err.find("MODEL is missing"), std::string::npos);
  EXPECT_NE(run({"embed", kModel}).err.find("TEXT is missing"), std::string::npos);
  const Outcome both = run({"embed", kModel, "text", "--file", "-"});
  EXPECT_EQ(both.status, 2);
  EXPECT_NE(both.err.find("exclude each other"), std::string::npos);
}

TEST(Run, TheSeedDecidesTheText) {
  const auto text = [](const char* seed) {
    return run({"run", "Once upon a time", "--max-new-tokens", "20", "--seed", seed}).out;
  };
  EXPECT_EQ(text("1"), text("1"));
  EXPECT_NE(text("1"), text("2"));
}

TEST(Run, StandardInputIsAPrompt) {
  const std::vector<std::string> options = {"--greedy", "--max-new-tokens", "5"};
  std::vector<std::string> given = {"run", "Once upon a time"};
  std::vector<std::string> piped = {"run", "-"};
  given.insert(given.end(), options.begin(), options.end());
  piped.insert(piped.end(), options.begin(), options.end());
  EXPECT_EQ(run(Start{piped, "Once upon a time\n", {}, {}}).out, run(given).out);
}

TEST(Run, StopsAtAStopString) {
  const Json json = run_json({"run", "Once upon a time", "--greedy", "--max-new-tokens", "200", "--stop-strings", ",",
                              "--stop-strings", ".", "--json"});
  EXPECT_EQ(json.at("finish_reason"), "stop_string");
  EXPECT_EQ(json.at("text").get<std::string>().find_first_of(",."), std::string::npos);
}

TEST(Run, SpeedsAreOnStandardErrorUnlessQuiet) {
  EXPECT_NE(run({"run", "Once", "--max-new-tokens", "2"}).err.find("tokens/s"), std::string::npos);
  EXPECT_EQ(run({"run", "Once", "--max-new-tokens", "2", "--quiet"}).err, "");
}

TEST(Run, APromptLongerThanTheContextIsAnError) {
  std::string prompt;
  for (int i = 0; i < 3000; ++i) prompt += "word ";
  const Outcome outcome = run(Start{{"run", "-"}, prompt, {}, {}});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_EQ(outcome.out, "");
  EXPECT_NE(outcome.err.find("1024"), std::string::npos) << outcome.err;
}

TEST(Run, MaxLengthCountsWhenItIsGivenAlone) {
  const Json json = run_json({"run", "Once upon a time", "--ignore-eos", "--max-length", "12", "--json"});
  EXPECT_EQ(json.at("prompt_ids").size() + json.at("ids").size(), 12U);
  const Json both = run_json({"run", "Once", "--ignore-eos", "--max-new-tokens", "3", "--max-length", "100", "--json"});
  EXPECT_EQ(both.at("ids").size(), 3U);
}

TEST(Run, EveryKernelTableGivesTheSameText) {
  const std::vector<std::string> arguments = {"run", "The wolf", "--max-new-tokens", "12", "--kernels"};
  std::vector<std::string> scalar = arguments;
  scalar.emplace_back("scalar");
  EXPECT_EQ(run(scalar).out, run({"run", "The wolf", "--max-new-tokens", "12"}).out);
}

TEST(Run, AChatPromptUsesTheTemplate) {
  const Json json = run_json({"run", "Who are you?", "--chat", "--max-new-tokens", "1", "--json"});
  const Json raw = run_json({"run", "User: Who are you?<|eot_id|>Assistant: ", "--max-new-tokens", "1", "--json"});
  EXPECT_EQ(json.at("prompt_ids"), raw.at("prompt_ids"));
}

TEST(Info, SaysWhatTheModelIs) {
  const Json json = run_json({"info", "--json"});
  EXPECT_EQ(json.at("architecture"), "BitNetForCausalLM");
  EXPECT_EQ(json.at("parameters"), 29385216);
  EXPECT_EQ(json.at("hidden_act"), "relu2");
  EXPECT_GT(json.at("tensors").size(), 100U);
  const Outcome words = run({"info", kModel, "--tensors"});
  EXPECT_EQ(words.status, 0);
  EXPECT_NE(words.out.find("29385216"), std::string::npos);
  EXPECT_NE(words.out.find("model.layers.7.mlp.down_proj.weight_scale"), std::string::npos);
}

TEST(Tokenize, GoesThereAndBack) {
  const Json json = run_json({"tokenize", "Once upon a time \xE2\x82\xAC", "--json"});
  EXPECT_EQ(json.at("ids").at(0), 8189) << "the begin-of-text token";
  EXPECT_EQ(json.at("ids").size(), json.at("pieces").size());
  std::string ids;
  for (const Json& id : json.at("ids")) ids += (ids.empty() ? "" : ",") + id.dump();
  EXPECT_EQ(run({"tokenize", "--decode", ids, "--no-special-tokens"}).out, "Once upon a time \xE2\x82\xAC\n");
  EXPECT_EQ(run({"tokenize", "--decode", "999999"}).status, 2);
  const Json bare = run_json({"tokenize", kModel, "Once upon a time \xE2\x82\xAC", "--no-special-tokens", "--json"});
  EXPECT_EQ(bare.at("ids").size() + 1, json.at("ids").size());
}

TEST(Verify, TheDefaultModelEqualsItsReference) {
  const Json json = run_json({"verify", "--json"});
  EXPECT_TRUE(json.at("ok").get<bool>());
  EXPECT_EQ(run({"verify"}).status, 0);
}

TEST(Verify, AnotherModelsNumbersAreRefused) {
  const std::string other = BITNET_SOURCE_DIR "/tests/golden/models/bitnetA-offline-packed/ref_f32.safetensors";
  const Outcome outcome = run({"verify", "--reference", other});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_NE(outcome.err.find("io.lin."), std::string::npos) << outcome.err;
}

TEST(Verify, NumbersOfOtherWeightsOfTheSameShapeAreNoticed) {
  // B's neighbour differs from A's packed form in the rounding of its scales only; a fake shift must show.
  const std::string models = BITNET_SOURCE_DIR "/tests/golden/models/";
  EXPECT_EQ(run({"verify", models + "bitnetA-offline-packed"}).status, 0);
  const Outcome outcome = run(
      {"verify", models + "bitnetA-offline-packed", "--reference", models + "bitnetA-online-bf16/ref_f32.safetensors"});
  EXPECT_EQ(outcome.status, 1) << outcome.out;
  EXPECT_NE(outcome.out.find("DIFFERS"), std::string::npos);
}

TEST(Perplexity, OfATextThatTheModelKnowsIsLow) {
  const std::filesystem::path path = std::filesystem::path(testing::TempDir()) / "cli_test_tale.txt";
  {
    std::ofstream file(path);
    for (int i = 0; i < 40; ++i) {
      file << "There was once a king who had three daughters, and the youngest was the most beautiful of all. ";
    }
  }
  const Json json = run_json({"perplexity", path.string(), "--context", "128", "--stride", "64", "--json"});
  std::filesystem::remove(path);
  const double nats = json.at("nats_per_token").get<double>();
  EXPECT_GT(nats, 0);
  EXPECT_LT(nats, 3.2);
  EXPECT_NEAR(json.at("perplexity").get<double>(), std::exp(nats), 1e-6 * std::exp(nats));
  const double bits = json.at("bits_per_byte").get<double>() * json.at("bytes").get<double>();
  EXPECT_NEAR(bits, nats / std::log(2.0) * json.at("tokens").get<double>(), 1e-3);
}

TEST(Bench, ReportsSpeedsMemoryAndTheLimits) {
  const Json json = run_json({"bench", "--prompt", "1,8", "--context", "0,16", "--batch", "3", "--tokens", "2",
                              "--repetitions", "1", "--threads", "2", "--sparsity", "--json"});
  const double ternary = json.at("ternary_parameters").get<double>();
  EXPECT_EQ(ternary, 25165824);
  ASSERT_EQ(json.at("prompt").size(), 2U);
  EXPECT_EQ(json.at("prompt").at(1).at("tokens"), 8);
  for (const Json& point : json.at("prompt")) {
    const double rate = point.at("tokens_per_second").get<double>();
    EXPECT_GT(rate, 0);
    EXPECT_NEAR(point.at("macs_per_second").get<double>() / rate, ternary, 1e-6 * ternary);
    EXPECT_EQ(point.at("share_of_peak").is_null(), json.at("peak").is_null());
  }
  ASSERT_EQ(json.at("generation").size(), 2U);
  EXPECT_EQ(json.at("generation").at(1).at("context"), 16);
  for (const Json& point : json.at("generation")) {
    const double rate = point.at("tokens_per_second").get<double>();
    EXPECT_GT(rate, 0);
    EXPECT_DOUBLE_EQ(point.at("bytes_per_second").get<double>(), rate * point.at("bytes_per_token").get<double>());
    EXPECT_GT(point.at("share_of_read_bandwidth").get<double>(), 0);
    // Most of what the down projections hold: a quarter of the ternary weights, in two bits or a little less.
    EXPECT_GT(point.at("bytes_left_out_per_token").get<double>(), 0.5e6);
    EXPECT_LT(point.at("bytes_left_out_per_token").get<double>(), 1.6e6);
  }
  ASSERT_EQ(json.at("batch").size(), 1U);
  EXPECT_EQ(json.at("batch").at(0).at("sequences"), 3);
  EXPECT_GT(json.at("batch").at(0).at("ratio_to_one").get<double>(), 0);
  EXPECT_GT(json.at("read_bandwidth_bytes_per_second").get<double>(), 0);
  EXPECT_GT(json.at("read_bandwidth_ordinary_pages_bytes_per_second").get<double>(), 0);
  for (const Json& loop : json.at("integer_peaks")) EXPECT_GT(loop.at("macs_per_second").get<double>(), 0);
  EXPECT_GT(json.at("resident_bytes").get<double>(), json.at("needed_bytes").get<double>());
  EXPECT_GT(json.at("first_token_seconds").get<double>(), json.at("load_seconds").get<double>());

  const Json& sparsity = json.at("sparsity");
  EXPECT_EQ(sparsity.at("input"), "text");
  EXPECT_EQ(sparsity.at("layers").size(), 8U);
  const Json& all = sparsity.at("all");
  // What the squared ReLU of this model leaves: most inputs are zero, whole groups less often.
  EXPECT_GT(all.at("inputs").get<double>(), 0.6);
  EXPECT_LT(all.at("inputs").get<double>(), 0.95);
  EXPECT_GT(all.at("inputs").get<double>(), all.at("groups_of_4").get<double>());
  EXPECT_GT(all.at("groups_of_4").get<double>(), all.at("groups_of_8").get<double>());
  EXPECT_GT(all.at("groups_of_8").get<double>(), all.at("groups_of_32").get<double>());
}

TEST(Bench, TheCurveIsCutToTheModelsContext) {
  const std::string tiny = BITNET_SOURCE_DIR "/tests/golden/models/bitnetA-offline-packed";
  const std::int64_t context = run_json({"info", tiny, "--json"}).at("max_position_embeddings").get<std::int64_t>();
  const Json json =
      run_json({"bench", tiny, "--prompt", "3", "--curve", "--tokens", "2", "--repetitions", "1", "--json"});
  std::vector<std::int64_t> lengths;
  for (const Json& point : json.at("prompt")) lengths.push_back(point.at("tokens").get<std::int64_t>());
  std::vector<std::int64_t> expected = {1, 2, 3};
  for (std::int64_t length = 4; length <= std::min<std::int64_t>(context, 4096); length *= 2)
    expected.push_back(length);
  EXPECT_EQ(lengths, expected);
  EXPECT_TRUE(json.at("sparsity").is_null());
  EXPECT_TRUE(json.at("sparse").is_null());
}

const std::string kMasters = BITNET_SOURCE_DIR "/tests/golden/models/bitnetA-online-bf16";

TEST(Convert, WritesWhatVerifyFindsEqual) {
  const testing_support::TemporaryFolder folder;
  const std::string file = (folder.path() / "fairy.gguf").string();
  const Outcome converted = run({"convert", kModel, file, "--weights", "tq2_0"});
  EXPECT_EQ(converted.status, 0) << converted.err;
  EXPECT_EQ(converted.out + converted.err, "");
  const Json report = run_json({"verify", kModel, "--against", file, "--json"});
  EXPECT_EQ(report.at("ok"), true);
  for (const Json& one : report.at("tensors")) EXPECT_EQ(one.at("max_difference"), 0) << one;
  const std::vector<std::string> story = {"run", "Once upon a time", "--greedy", "--max-new-tokens", "8", "--quiet"};
  std::vector<std::string> named = story;
  named.insert(named.begin() + 1, file);
  EXPECT_EQ(run(named).out, run(story).out);

  EXPECT_EQ(run({"tokenize", file, "Once upon"}).out, run({"tokenize", "Once upon"}).out);

  const Outcome other = run({"verify", kModel, "--against", kMasters});
  EXPECT_EQ(other.status, 1);
  EXPECT_NE(other.err.find("two models"), std::string::npos) << other.err;
  EXPECT_EQ(run({"verify", kModel, "--against", file, "--reference", file}).status, 2);
  const Outcome full = run({"convert", kModel, folder.path().string()});
  EXPECT_EQ(full.status, 1);
  EXPECT_NE(full.err.find("not an empty folder"), std::string::npos) << full.err;
}

TEST(Quantize, ReportsEveryLayer) {
  const testing_support::TemporaryFolder folder;
  const std::string out = (folder.path() / "out").string();
  const Json report = run_json({"quantize", kMasters, out, "--json"});
  EXPECT_EQ(report.at("output"), out);
  ASSERT_EQ(report.at("tensors").size(), 14U);
  for (const Json& one : report.at("tensors")) {
    EXPECT_GT(one.at("zero_fraction").get<double>(), 0.2);
    EXPECT_LT(one.at("relative_error").get<double>(), 0.7);
    EXPECT_GT(one.at("scale").get<double>(), 0);
    EXPECT_EQ(one.at("scales"), 1);
  }
  EXPECT_EQ(run({"verify", kMasters, "--against", out}).status, 0);

  const std::string text = (folder.path() / "text.txt").string();
  std::ofstream(text) << "Once upon a time there was a king.";
  const Json effect = run_json(
      {"quantize", kModel, (folder.path() / "small.gguf").string(), "--embedding", "q4_0", "--text", text, "--json"});
  EXPECT_TRUE(effect.at("tensors").empty());
  const double before = effect.at("perplexity").at("full_precision_head");
  const double after = effect.at("perplexity").at("output");
  EXPECT_GT(before, 1);
  EXPECT_NE(before, after);
  EXPECT_NEAR(after / before, 1, 0.5);
}

}  // namespace
}  // namespace bitnet::cli_test
