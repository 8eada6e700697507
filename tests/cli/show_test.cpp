/// bitnet run --dump and --html: what the files hold is what the library returns.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <filesystem>

#include "base/json.h"
#include "base/text_file.h"
#include "bitnet/session.h"
#include "cli/program.h"
#include "formats/safetensors.h"
#include "support/attention_data.h"
#include "support/temporary_folder.h"

namespace bitnet::cli_test {
namespace {

using testing_support::attention_data;
using testing_support::attention_probabilities;

using Ids = std::vector<std::int32_t>;

const std::string kPrompt = "There was once a king";

const Engine& fairy() {
  static const Engine loaded = Engine::load(BITNET_SOURCE_DIR "/models/fairy-bitnet");
  return loaded;
}

class Show : public testing::Test {
 protected:
  [[nodiscard]] std::string path(const std::string& name) const { return (folder_.path() / name).string(); }
  [[nodiscard]] std::ptrdiff_t files() const {
    return std::distance(std::filesystem::directory_iterator(folder_.path()), {});
  }
  /// The program's JSON answer.
  static Json run_json(std::vector<std::string> options) {
    std::vector<std::string> arguments = {"run", kPrompt, "--json"};
    arguments.insert(arguments.end(), options.begin(), options.end());
    const Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.status, 0) << outcome.err;
    return parse_json(outcome.out.substr(0, outcome.out.find("\n{")), "standard output");
  }
  static Ids all_ids(const Json& result) {
    Ids ids = result.at("prompt_ids").get<Ids>();
    for (const Json& id : result.at("ids")) ids.push_back(id.get<std::int32_t>());
    return ids;
  }

 private:
  testing_support::TemporaryFolder folder_;
};

void expect_floats(const formats::SafetensorsFile& file, const std::string& name,
                   const std::vector<std::int64_t>& shape, const std::vector<float>& data) {
  const formats::SafetensorsEntry* const entry = file.find(name);
  ASSERT_NE(entry, nullptr) << name;
  EXPECT_TRUE(std::ranges::equal(entry->view.shape.dims(), shape)) << name;
  EXPECT_TRUE(std::ranges::equal(entry->view.as<float>(), data)) << name;
}

void expect_rows(const formats::SafetensorsFile& file, const std::string& name, const std::vector<Ids>& rows) {
  const formats::SafetensorsEntry* const entry = file.find(name);
  ASSERT_NE(entry, nullptr) << name;
  EXPECT_EQ(entry->view.shape, Shape({std::ssize(rows), std::ssize(rows.front())})) << name;
  std::vector<std::int64_t> all;
  for (const Ids& row : rows) all.insert(all.end(), row.begin(), row.end());
  EXPECT_TRUE(std::ranges::equal(entry->view.as<std::int64_t>(), all)) << name;
}

TEST_F(Show, ADumpHoldsTheActivationsOfPromptAndAnswer) {
  const std::string file = path("a.safetensors");
  const Ids ids = all_ids(run_json({"--greedy", "--max-new-tokens", "6", "--dump", file}));
  const formats::SafetensorsFile dump(file);
  Session session(fairy());
  const std::vector<NamedArray> expected = session.activations(ids);
  EXPECT_EQ(dump.entries().size(), expected.size() + 1);
  for (const NamedArray& named : expected) expect_floats(dump, named.name, named.array.shape, named.array.data);
  expect_rows(dump, "tokens", {ids});
  EXPECT_EQ(dump.metadata().at("prompt_tokens"), std::to_string(ids.size() - 6));
  EXPECT_TRUE(dump.metadata().at("model").ends_with("fairy-bitnet"));
  const Json arguments = Json::parse(dump.metadata().at("arguments"));
  EXPECT_EQ(arguments.at(0), kPrompt);
  EXPECT_EQ(arguments.at(2), "--greedy");
  EXPECT_EQ(files(), 1) << "no temporary file is left";
}

/// Everything that details hold, and nothing besides it and the activations.
void expect_details(const formats::SafetensorsFile& dump, const GenerationDetails& details, std::size_t activations) {
  expect_rows(dump, "sequences", details.sequences);
  std::size_t count = activations + 2;  // tokens, sequences
  if (!details.sequences_scores.empty()) {
    expect_floats(dump, "sequences_scores", {std::ssize(details.sequences_scores)}, details.sequences_scores);
    expect_rows(dump, "beam_indices", details.beam_indices);
    count += 2;
  }
  const auto expect_array = [&](const std::string& name, const Array& array) {
    expect_floats(dump, name, array.shape, array.data);
    ++count;
  };
  for (std::size_t t = 0; t < details.scores.size(); ++t) {
    expect_array("scores." + std::to_string(t), details.scores[t]);
  }
  const auto expect_steps = [&](const std::string& name, const std::vector<std::vector<Array>>& steps) {
    for (std::size_t t = 0; t < steps.size(); ++t) {
      for (std::size_t l = 0; l < steps[t].size(); ++l) {
        expect_array(name + "." + std::to_string(t) + "." + std::to_string(l), steps[t][l]);
      }
    }
  };
  expect_steps("hidden_states", details.hidden_states);
  expect_steps("attentions", details.attentions);
  EXPECT_EQ(dump.entries().size(), count);
}

TEST_F(Show, ADumpHoldsTheDetailsThatSettingsAskFor) {
  InferenceSettings settings = fairy().default_settings();
  settings.max_new_tokens = 4;
  settings.output_scores = settings.output_hidden_states = settings.output_attentions = true;
  settings.num_return_sequences = 2;
  const std::vector<std::string> options = {
      "--max-new-tokens",       "4", "--output-scores", "--output-hidden-states", "--output-attentions",
      "--num-return-sequences", "2"};
  for (const int beams : {1, 3}) {
    settings.num_beams = beams;
    settings.do_sample = beams == 1;
    std::vector<std::string> arguments = options;
    const std::string file = path(std::to_string(beams));
    arguments.insert(arguments.end(), {"--num-beams", std::to_string(beams), "--dump", file});
    if (beams > 1) arguments.emplace_back("--greedy");
    const Ids ids = all_ids(run_json(arguments));

    Session session(fairy());
    const std::vector<std::string> prompts = {kPrompt};
    const std::vector<Generation> expected = session.generate_batch(prompts, settings);
    ASSERT_NE(expected[0].details, nullptr);
    EXPECT_EQ(expected[0].details->hidden_states.size(), 4U);
    EXPECT_EQ(expected[0].details->sequences_scores.size(), beams == 1 ? 0U : 2U);
    const formats::SafetensorsFile dump(file);
    expect_details(dump, *expected[0].details, session.activations(ids).size());
    expect_rows(dump, "tokens", {ids});
  }
  // Sequences alone, without any output_*.
  const std::string file = path("sequences");
  const Ids ids = all_ids(run_json({"--greedy", "--max-new-tokens", "2", "--return-dict-in-generate", "--dump", file}));
  expect_rows(formats::SafetensorsFile(file), "sequences", {ids});
}

// The pass that makes the dump is another one than those of the generation.
TEST_F(Show, ActivationsAreThoseOfTheGeneration) {
  const std::string file = path("a");
  run_json({"--greedy", "--max-new-tokens", "3", "--output-hidden-states", "--output-attentions", "--dump", file});
  const formats::SafetensorsFile dump(file);
  const auto floats = [&](const std::string& name) { return dump.find(name)->view.as<float>(); };
  const auto residual = floats("blocks.4.hook_resid_post");
  const auto pattern = floats("blocks.4.attn.hook_pattern");
  const auto all = static_cast<std::size_t>(dump.find("tokens")->view.shape[1]);
  std::size_t token = 0;
  for (int step = 0; step < 3; ++step) {
    const auto hidden = floats("hidden_states." + std::to_string(step) + ".5");
    const auto attention = floats("attentions." + std::to_string(step) + ".4");
    const std::size_t tokens = hidden.size() / 512;
    const std::size_t keys = attention.size() / 8 / tokens;
    EXPECT_TRUE(std::ranges::equal(hidden, residual.subspan(token * 512, hidden.size())));
    for (std::size_t row = 0; row < 8 * tokens; ++row) {
      const std::size_t query = row / tokens * all + token + row % tokens;
      EXPECT_TRUE(std::ranges::equal(attention.subspan(row * keys, keys), pattern.subspan(query * all, keys)));
    }
    token += tokens;
  }
  EXPECT_EQ(token, all - 1);
}

TEST_F(Show, APageHoldsTheAttentionOfPromptAndAnswer) {
  const std::string file = path("a.html");
  const Json result = run_json({"--greedy", "--max-new-tokens", "6", "--html", file});
  const Ids ids = all_ids(result);
  const Json data = attention_data(read_text_file(file, std::size_t{1} << 26));
  EXPECT_EQ(data.at("prompt"), ids.size() - 6);
  std::string text;
  for (std::size_t i = data.at("prompt").get<std::size_t>(); i < ids.size(); ++i) {
    text += data.at("tokens").at(i).get<std::string>();
  }
  EXPECT_EQ(text, result.at("text"));

  Session session(fairy());
  const auto patterns =
      session.activations(ids, [](std::string_view name) { return name.ends_with("attn.hook_pattern"); });
  ASSERT_EQ(data.at("layers"), patterns.size());
  for (std::size_t layer = 0; layer < patterns.size(); ++layer) {
    const std::vector<float> found = attention_probabilities(data, layer);
    const std::vector<float>& expected = patterns[layer].array.data;
    ASSERT_EQ(found.size(), expected.size());
    for (std::size_t i = 0; i < found.size(); ++i) {
      ASSERT_NEAR(found[i], expected[i], std::sqrt(expected[i]) / 255 + 1e-5) << layer << ", " << i;
    }
  }
}

TEST_F(Show, BothFilesAtOnceAndAfterAnInterrupt) {
  Program program(
      Start{{"run", kPrompt, "--ignore-eos", "--max-new-tokens", "1000", "--dump", path("a"), "--html", path("b")},
            {},
            {},
            {}});
  program.read_out(1);
  program.signal(SIGINT);
  const Outcome outcome = program.finish();
  EXPECT_EQ(outcome.status, 130) << outcome.err;
  EXPECT_EQ(files(), 2);
  const formats::SafetensorsFile dump(path("a"));
  const Json data = attention_data(read_text_file(path("b"), std::size_t{1} << 28));
  EXPECT_EQ(static_cast<std::int64_t>(data.at("tokens").size()), dump.find("tokens")->view.shape[1]);
}

void expect_refused(const Outcome& outcome, int status, const std::string& part) {
  EXPECT_EQ(outcome.status, status) << outcome.err;
  EXPECT_EQ(outcome.out, "") << "nothing is generated";
  EXPECT_NE(outcome.err.find(part), std::string::npos) << outcome.err;
  EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
}

TEST_F(Show, WhatCannotBeWrittenIsRefusedBeforeGenerating) {
  for (const char* option : {"--dump", "--html"}) {
    expect_refused(run({"run", kPrompt, option, path("missing/file")}), 1, "missing/file: No such file or directory");
    expect_refused(run({"run", kPrompt, option, path("")}), 1, "no ordinary file");
    expect_refused(run({"run", kPrompt, option, "/dev/full"}), 1, "/dev/full");
    expect_refused(run({"run", kPrompt, option, ""}), 2, "names no file");
    expect_refused(run({"run", option, path("a"), "--prompts-file", "-"}), 2, "--prompts-file");
  }
  EXPECT_TRUE(std::filesystem::is_character_file("/dev/full"));
  expect_refused(run({"run", kPrompt, "--dump", path("a"), "--html", path("a")}), 2, "same file");
  const std::string tiny = BITNET_SOURCE_DIR "/tests/golden/models/bitnetA-offline-packed";
  expect_refused(run({"run", tiny, kPrompt, "--html", path("a")}), 1, "tokenizer.json");
  EXPECT_EQ(files(), 0);
}

TEST_F(Show, TheTextIsNotLostWhenTheFileIs) {
  const std::string folder = path("folder");
  std::filesystem::create_directory(folder);
  Program program(Start{
      {"run", kPrompt, "--greedy", "--ignore-eos", "--max-new-tokens", "200", "--dump", folder + "/a"}, {}, {}, {}});
  program.read_out(1);  // what is checked at the start has been checked
  std::filesystem::remove_all(folder);
  const Outcome outcome = program.finish();
  EXPECT_EQ(outcome.status, 1);
  EXPECT_NE(outcome.err.find("bitnet: error: cannot write " + folder + "/a"), std::string::npos) << outcome.err;
  EXPECT_EQ(outcome.out, run({"run", kPrompt, "--greedy", "--ignore-eos", "--max-new-tokens", "200", "--quiet"}).out);
}

TEST_F(Show, DetailsThatNothingShowsAreWrongUsage) {
  for (const char* option : {"--output-scores", "--output-hidden-states", "--output-attentions"}) {
    expect_refused(run({"run", kPrompt, option}), 2, "--dump FILE");
    expect_refused(run({"run", kPrompt, option, "--json"}), 2, "--dump FILE");
    expect_refused(run({"chat", option}), 2, "--dump FILE");
  }
  expect_refused(run({"run", kPrompt, "--return-dict-in-generate"}), 2, "--dump FILE or --json");
}

}  // namespace
}  // namespace bitnet::cli_test
