// Every reference model of the goldens: tensors as engine/verify judges them, and greedy generations id by id.
#include <gtest/gtest.h>

#include <filesystem>

#include "base/json.h"
#include "bitnet/error.h"
#include "bitnet/session.h"
#include "engine/verify.h"
#include "support/goldens.h"

namespace bitnet {
namespace {

namespace fs = std::filesystem;

/// Folders with a float32 reference.
std::vector<fs::path> reference_models() {
  std::vector<fs::path> found;
  const fs::path models = testing_support::golden_folder() / "models";
  if (!fs::is_directory(models)) return found;
  for (const auto& entry : fs::directory_iterator(models)) {
    if (fs::exists(entry.path() / "ref_f32.safetensors")) found.push_back(entry.path());
  }
  std::sort(found.begin(), found.end());
  return found;
}

TEST(ModelGoldens, AreThere) { EXPECT_FALSE(reference_models().empty()) << testing_support::golden_folder(); }

class ModelGolden : public testing::TestWithParam<fs::path> {};

TEST_P(ModelGolden, TensorsAreTheReferences) {
  const Engine engine = Engine::load(GetParam());
  const VerifyReport report = verify(engine, GetParam() / "ref_f32.safetensors");
  EXPECT_FALSE(report.comparisons.empty());
  int linears = 0;
  for (const Comparison& c : report.comparisons) {
    EXPECT_TRUE(c.ok()) << c.name << ": largest difference " << c.largest << " (allowed " << c.largest_allowed
                        << "), mean " << c.mean << " (allowed " << c.mean_allowed << "), int8 flips " << c.int8_flips
                        << ", changed argmax " << c.argmax_changes;
    linears += c.name.starts_with("io.lin.") ? 1 : 0;
  }
  EXPECT_GE(linears, 7) << "linear layers, each by itself with its own scale";
}

/// Row `row` of a batch without its left padding.
std::vector<std::int32_t> without_padding(const Json& ids, const Json& mask) {
  std::vector<std::int32_t> out;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (mask.is_null() || mask[i] == 1) out.push_back(ids[i].get<std::int32_t>());
  }
  return out;
}

struct Counts {
  int equal = 0;
  int near_ties = 0;
  int refused = 0;
};

// Below this gap between the two best logits an int8 flip may decide otherwise (goldens, "How close is equal").
constexpr double kNearTie = 0.2;

void check_generation(Session& session, const Json& entry, Counts& counts) {
  SCOPED_TRACE(entry.at("name").get<std::string>());
  InferenceSettings settings;
  settings.repetition_penalty = 1.0F;  // the reference's default
  try {
    settings.apply_json(entry.at("kwargs").dump(), "kwargs", true);
    settings.validate();
  } catch (const Error& error) {
    // Never ignored: a setting that does not work yet, or that is none of ours, is refused with its name.
    EXPECT_TRUE(error.kind() == ErrorKind::unsupported || error.kind() == ErrorKind::invalid_argument) << error.what();
    ++counts.refused;
    return;
  }
  settings.ignore_eos = settings.eos_token_id.empty();  // the reference ran with eos_token_id None
  const Json& sequences = entry.at("sequences");
  for (std::size_t row = 0; row < sequences.size(); ++row) {
    const Json mask = entry.contains("attention_mask") ? entry["attention_mask"][row] : Json();
    const auto prompt = without_padding(entry.at("input_ids")[row], mask);
    const std::size_t padded = entry["input_ids"][row].size();
    if (!settings.max_new_tokens) settings.max_length -= static_cast<std::int32_t>(padded - prompt.size());
    const Generation ours = session.generate(std::span(prompt), settings);
    std::vector<std::int32_t> want;
    for (std::size_t i = padded; i < sequences[row].size(); ++i) want.push_back(sequences[row][i].get<std::int32_t>());
    // In a batch, a row that finished early is padded up to the longest.
    if (sequences.size() > 1 && ours.finish == FinishReason::eos) {
      const auto pad = entry.at("kwargs").at("pad_token_id").get<std::int32_t>();
      while (want.size() > ours.ids.size() && want.back() == pad) want.pop_back();
    }
    if (ours.ids == want) {
      ++counts.equal;
    } else {
      EXPECT_LT(entry.value("margin_min", 0.0), kNearTie) << "row " << row << " differs and no near-tie excuses it";
      ++counts.near_ties;
    }
  }
}

TEST_P(ModelGolden, GreedyTokensAreTheReferences) {
  const Json json = read_json_file(GetParam() / "ref_f32.json");
  const Engine engine = Engine::load(GetParam());
  Session session(engine);
  Counts counts;
  for (const Json& entry : json.at("generations")) {
    if (!entry.contains("error")) check_generation(session, entry, counts);
  }
  RecordProperty("equal", counts.equal);
  RecordProperty("near_ties", counts.near_ties);
  RecordProperty("refused", counts.refused);
  EXPECT_GT(counts.equal, counts.near_ties);
}

INSTANTIATE_TEST_SUITE_P(Models, ModelGolden, testing::ValuesIn(reference_models()), [](const auto& info) {
  std::string name = info.param.filename().string();
  std::replace_if(
      name.begin(), name.end(), [](unsigned char c) { return std::isalnum(c) == 0; }, '_');
  return name;
});
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(ModelGolden);

}  // namespace
}  // namespace bitnet
