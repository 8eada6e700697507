// Every reference model of the goldens: tensors as engine/verify judges them, and generations id by id.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>

#include "base/json.h"
#include "bitnet/convert.h"
#include "bitnet/error.h"
#include "bitnet/session.h"
#include "engine/verify.h"
#include "support/goldens.h"
#include "support/temporary_folder.h"

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
};

// Below this gap between the two best logits an int8 flip may decide otherwise (goldens, "How close is equal").
constexpr double kNearTie = 0.2;
// What such flips may change in a hypothesis' score, relative to it: a few thousandths were seen, with the same ids.
constexpr double kNearScore = 0.01;

InferenceSettings settings_of(const Json& entry) {
  InferenceSettings settings;
  settings.repetition_penalty = 1.0F;  // the reference's default
  settings.apply_json(entry.at("kwargs").dump(), "kwargs", true);
  settings.ignore_eos = settings.eos_token_id.empty();  // the reference ran with eos_token_id None
  settings.attention_mask = false;                      // the prompts come without their padding
  settings.return_dict_in_generate = true;
  return settings;
}

/// The new ids of each result, and the beams that they continued.
struct Reference {
  Reference(const Json& entry, std::size_t row, std::size_t length) {
    const Json& sequence = entry.at("sequences")[row];
    const std::size_t padded = entry.at("input_ids")[0].size();
    // A shorter result is padded up to the longest.
    for (std::size_t i = padded; i < sequence.size(); ++i) ids.push_back(sequence[i].get<std::int32_t>());
    const Json& kwargs = entry.at("kwargs");
    auto pad = kwargs.at("pad_token_id").get<std::int32_t>();
    // The reference's beam search takes a pad_token_id of 0 for none, and fills up with the first EOS.
    const Json& eos = kwargs.at("eos_token_id");
    if (entry.contains("beam_indices") && pad == 0 && !eos.is_null()) pad = eos.is_array() ? eos[0] : eos;
    while (ids.size() > length && ids.back() == pad) ids.pop_back();
    if (!entry.contains("beam_indices")) return;
    const std::size_t prompts = entry.at("input_ids").size();
    const std::size_t per_prompt = entry.at("sequences").size() / prompts;
    const auto offset = static_cast<std::int32_t>(row / per_prompt) * entry.at("kwargs").at("num_beams").get<int>();
    for (const Json& index : entry.at("beam_indices")[row]) {
      if (index != -1) beam_indices.push_back(index.get<std::int32_t>() - offset);
    }
    score = entry.at("sequences_scores")[row];
  }
  std::vector<std::int32_t> ids;
  std::vector<std::int32_t> beam_indices;
  double score = 0;
};

void compare(const Json& entry, std::size_t row, const Generation& ours, Counts& counts) {
  const Reference reference(entry, row, ours.ids.size());
  const bool beams = entry.contains("beam_indices");
  // Hypotheses are compared by their scores, ids by the gap between the two best logits.
  if (beams) {
    EXPECT_NEAR(ours.score, reference.score, kNearScore * std::max(1.0, std::fabs(reference.score)));
  }
  if (ours.ids != reference.ids) {
    ++counts.near_ties;
    if (!beams) {
      EXPECT_LT(entry.value("margin_min", 0.0), kNearTie) << "row " << row << ": no near-tie excuses it";
    }
    return;
  }
  ++counts.equal;
  if (!beams) return;
  std::vector<std::int32_t> indices = ours.details->beam_indices[row % ours.details->beam_indices.size()];
  indices.resize(ours.ids.size());
  EXPECT_EQ(indices, reference.beam_indices);
}

void check_generation(Session& session, const Json& entry, Counts& counts) {
  SCOPED_TRACE(entry.at("name").get<std::string>());
  const InferenceSettings settings = settings_of(entry);
  std::vector<std::vector<std::int32_t>> prompts;
  for (std::size_t i = 0; i < entry.at("input_ids").size(); ++i) {
    const Json mask = entry.contains("attention_mask") ? entry["attention_mask"][i] : Json();
    prompts.push_back(without_padding(entry["input_ids"][i], mask));
  }
  const std::vector<Generation> ours = session.generate_batch(std::span(prompts), settings);
  ASSERT_EQ(ours.size(), entry.at("sequences").size());
  for (std::size_t row = 0; row < ours.size(); ++row) compare(entry, row, ours[row], counts);
}

TEST_P(ModelGolden, TokensAreTheReferences) {
  const Json json = read_json_file(GetParam() / "ref_f32.json");
  const Engine engine = Engine::load(GetParam());
  Session session(engine);
  Counts counts;
  for (const Json& entry : json.at("generations")) {
    if (!entry.contains("error")) check_generation(session, entry, counts);
  }
  RecordProperty("equal", counts.equal);
  RecordProperty("near_ties", counts.near_ties);
  EXPECT_LE(counts.near_ties, counts.equal / 10);
}

std::vector<std::int32_t> greedy_ids(const Engine& engine, const std::vector<std::int32_t>& prompt) {
  InferenceSettings settings;
  settings.do_sample = false;
  settings.repetition_penalty = 1.0F;
  settings.max_new_tokens = 12;
  settings.ignore_eos = true;
  Session session(engine);
  return session.generate(std::span(prompt), settings).ids;
}

TEST_P(ModelGolden, EveryFormGivesTheSameBits) {
  const testing_support::TemporaryFolder folder;
  const Engine source = Engine::load(GetParam());
  const Json json = read_json_file(GetParam() / "ref_f32.json");
  const auto prompt = json.at("generations").at(0).at("input_ids").at(0).get<std::vector<std::int32_t>>();
  const std::vector<std::int32_t> expected = greedy_ids(source, prompt);
  for (const std::string form : {"packed", "bf16", "i2_s", "tq1_0", "tq2_0", "q2_0"}) {
    SCOPED_TRACE(form);
    const fs::path out = folder.path() / (form == "packed" || form == "bf16" ? form : form + ".gguf");
    ConvertOptions options;
    options.weights = form;
    try {
      convert(GetParam(), out, options);
    } catch (const Error& error) {
      // Blocks of 256 or 64 columns do not fit every shape; the others do.
      EXPECT_TRUE(form.ends_with("_0")) << error.what();
      EXPECT_NE(std::string(error.what()).find("needs a multiple of"), std::string::npos) << error.what();
      continue;
    }
    const Engine converted = Engine::load(out);
    for (const Comparison& one : compare_models(source, converted).comparisons) EXPECT_EQ(one.largest, 0) << one.name;
    EXPECT_EQ(greedy_ids(converted, prompt), expected);
  }
}

TEST_P(ModelGolden, QuantizingGivesTheReferencesWeights) {
  const testing_support::TemporaryFolder folder;
  const std::vector<QuantizedLayer> layers = quantize(GetParam(), folder.path() / "out");
  const Engine quantized = Engine::load(folder.path() / "out");
  const ModelConfig& config = quantized.config();
  const bool floats = Engine::load(GetParam()).config().quantization.mode == QuantizationMode::online;
  EXPECT_EQ(std::ssize(layers), floats ? 7 * config.num_hidden_layers : 0);
  EXPECT_EQ(static_cast<int>(config.quantization.mode), static_cast<int>(QuantizationMode::offline));
  EXPECT_TRUE(verify(quantized, GetParam() / "ref_f32.safetensors").ok());
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
