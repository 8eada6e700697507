// Logits processors against direct calls of the reference's.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <regex>

#include "base/json.h"
#include "formats/safetensors.h"
#include "generate/token_constraints.h"
#include "generate/warpers.h"
#include "support/goldens.h"

namespace bitnet {
namespace {

using namespace generate;  // NOLINT(google-build-using-namespace): a table of all of its classes
using Processor = std::unique_ptr<LogitsProcessor>;
using Row = std::vector<float>;

// What the reference's calls were made with where a case's name does not say it.
const std::vector<std::int32_t> kEos = {3, 9};
constexpr std::int32_t kForcedBos = 4;

/// "top_p=0.5;min_keep=3" → {0.5, 3}
std::vector<double> numbers_of(const std::string& args) {
  static const std::regex number(R"([0-9]+(\.[0-9]+)?(e-?[0-9]+)?)");
  std::vector<double> numbers;
  for (auto it = std::sregex_iterator(args.begin(), args.end(), number); it != std::sregex_iterator(); ++it) {
    numbers.push_back(std::stod(it->str()));
  }
  return numbers;
}

/// The numbers in a case's name, with what was left out of it.
struct Arguments {
  std::vector<double> numbers;
  std::vector<std::vector<std::int32_t>> ids;  ///< the rows of input_ids

  [[nodiscard]] float value(std::size_t i) const { return static_cast<float>(numbers.at(i)); }
  [[nodiscard]] std::int32_t count(std::size_t i) const { return static_cast<std::int32_t>(numbers.at(i)); }
  [[nodiscard]] std::size_t count_or(std::size_t i, std::size_t otherwise) const {
    return i < numbers.size() ? static_cast<std::size_t>(numbers[i]) : otherwise;
  }
  /// The id that stands `back` from the end of a row of input_ids.
  [[nodiscard]] std::int32_t last(std::size_t row, std::size_t back) const {
    return ids.at(row).at(ids.at(row).size() - back);
  }
};

template <typename Warper>
Processor warper(const Arguments& a) {
  return std::make_unique<Warper>(a.value(0), a.count_or(1, 1));
}

/// By the reference's class name.
const std::map<std::string, std::function<Processor(const Arguments&)>> kMakers = {
    {"TemperatureLogitsWarper", [](const Arguments& a) { return std::make_unique<Temperature>(a.value(0)); }},
    {"TopHLogitsWarper", [](const Arguments& a) { return std::make_unique<TopH>(a.value(0)); }},
    {"TopKLogitsWarper", [](const Arguments& a) { return std::make_unique<TopK>(a.count_or(0, 0)); }},
    {"TopPLogitsWarper", warper<TopP>},
    {"MinPLogitsWarper", warper<MinP>},
    {"TypicalLogitsWarper", warper<Typical>},
    {"EpsilonLogitsWarper", warper<EpsilonCutoff>},
    {"EtaLogitsWarper", warper<EtaCutoff>},
    {"LogitNormalization", [](const Arguments&) { return std::make_unique<LogitNormalization>(); }},
    {"RepetitionPenaltyLogitsProcessor",
     [](const Arguments& a) { return std::make_unique<RepetitionPenalty>(a.value(0), a.count_or(1, 0)); }},
    {"NoRepeatNGramLogitsProcessor", [](const Arguments& a) { return std::make_unique<NoRepeatNGram>(a.count(0)); }},
    {"NoBadWordsLogitsProcessor",
     [](const Arguments& a) {
       return std::make_unique<NoBadWords>(
           std::vector<std::vector<std::int32_t>>{
               {5}, {a.last(0, 1), 100}, {a.last(1, 2), a.last(1, 1), 101}, {1, 2, 3, 4, 5, 6}},
           kEos);
     }},
    {"SequenceBiasLogitsProcessor",
     [](const Arguments& a) {
       return std::make_unique<SequenceBiasProcessor>(std::vector<SequenceBias>{
           {{7}, 2.5F}, {{a.last(0, 1), 50}, -3.0F}, {{a.last(2, 2), a.last(2, 1), 51}, 4.0F}});
     }},
    {"SuppressTokensLogitsProcessor",
     [](const Arguments&) {
       return std::make_unique<SuppressTokens>(std::vector{1, 2, 400});
     }},
    {"SuppressTokensAtBeginLogitsProcessor",
     [](const Arguments& a) {
       return std::make_unique<SuppressTokensAtBegin>(std::vector{1, 2}, a.count(0));
     }},
    {"MinLengthLogitsProcessor", [](const Arguments& a) { return std::make_unique<MinLength>(a.count(0), kEos); }},
    {"MinNewTokensLengthLogitsProcessor",
     [](const Arguments& a) { return std::make_unique<MinNewTokensLength>(a.count(1), a.count(0), kEos); }},
    {"ForcedEOSTokenLogitsProcessor",
     [](const Arguments& a) { return std::make_unique<ForcedEOSToken>(a.count(0), kEos); }},
    {"ForcedBOSTokenLogitsProcessor", [](const Arguments&) { return std::make_unique<ForcedBOSToken>(kForcedBos); }},
    {"ExponentialDecayLengthPenalty",
     [](const Arguments& a) {
       return std::make_unique<ExponentialDecayProcessor>(ExponentialDecayLengthPenalty{a.count(0), a.value(1)}, kEos,
                                                          a.count(2));
     }},
    {"InfNanRemoveLogitsProcessor", [](const Arguments&) { return std::make_unique<InfNanRemove>(); }},
};

class ProcessorsGolden : public testing::Test {
 protected:
  ProcessorsGolden() {
    const TensorView view = file_.find("input_ids")->view;
    const auto values = view.as<std::int64_t>();
    const auto length = static_cast<std::size_t>(view.shape[1]);
    for (std::size_t at = 0; at < values.size(); at += length) {
      const auto row = values.subspan(at, length);
      ids_.emplace_back(row.begin(), row.end());
    }
  }

  [[nodiscard]] std::vector<Row> rows(const std::string& name) const {
    const auto tensor = file_.find(name);
    if (!tensor) throw std::runtime_error(name + " is missing");
    const auto values = tensor->view.as<float>();
    const auto width = static_cast<std::size_t>(tensor->view.shape[1]);
    std::vector<Row> rows;
    for (std::size_t at = 0; at < values.size(); at += width) {
      const auto row = values.subspan(at, width);
      rows.emplace_back(row.begin(), row.end());
    }
    return rows;
  }

  static void expect_near(const Row& out, const Row& reference) {
    ASSERT_EQ(out.size(), reference.size());
    for (std::size_t i = 0; i < out.size(); ++i) {
      if (std::isinf(reference[i]) || std::isinf(out[i])) {
        ASSERT_EQ(out[i], reference[i]) << "token " << i;
      } else {
        ASSERT_NEAR(out[i], reference[i], 1e-4 * std::max(1.0F, std::fabs(reference[i]))) << "token " << i;
      }
    }
  }

  const std::filesystem::path folder_ = testing_support::golden_folder() / "processors";
  const Json json_ = read_json_file(folder_ / "processors.json");
  const formats::SafetensorsFile file_{folder_ / "processors.safetensors"};
  std::vector<std::vector<std::int32_t>> ids_;
};

TEST_F(ProcessorsGolden, ScoresAreTheReferences) {
  int compared = 0;
  for (const Json& entry : json_.at("cases")) {
    if (entry.contains("error")) continue;  // the reference refused it
    const auto key = entry.at("key").get<std::string>();
    SCOPED_TRACE(key);
    const auto name = entry.at("processor").get<std::string>();
    ASSERT_EQ(kMakers.count(name), 1U) << "there is no " << name;
    const Processor processor = kMakers.at(name)({numbers_of(entry.at("args").get<std::string>()), ids_});
    EXPECT_EQ(processor->name(), name);
    const Json& given = entry.at("input_ids");
    const auto ids = given.is_array() ? given.get<std::vector<std::vector<std::int32_t>>>() : ids_;
    std::vector<Row> out = rows("logits." + entry.at("logits").get<std::string>());
    std::vector<Row> reference = rows("out." + key);
    ASSERT_EQ(out.size(), reference.size());
    for (std::size_t row = 0; row < out.size(); ++row) {
      SCOPED_TRACE(row);
      processor->process(ids.at(row), out[row]);
      if (entry.at("logits") == "ties") {
        // Which of several equal logits a cut keeps is the sort's choice, there and here: compare what is kept.
        std::sort(reference[row].begin(), reference[row].end());
        std::sort(out[row].begin(), out[row].end());
      }
      expect_near(out[row], reference[row]);
    }
    ++compared;
  }
  EXPECT_GT(compared, 0);
}

TEST_F(ProcessorsGolden, AChainIsTheReferences) {
  InferenceSettings s;
  s.repetition_penalty = 1.2F;
  s.temperature = 0.8F;
  s.top_k = 40;
  s.top_p = 0.9F;
  std::vector<Row> out = rows("logits.normal3");
  const std::vector<Row> reference = rows("out.chain_rep1.2_t0.8_k40_p0.9");
  ASSERT_EQ(out.size(), reference.size());
  for (std::size_t row = 0; row < out.size(); ++row) {
    SCOPED_TRACE(row);
    for (const auto& processor : make_logits_processors(s, 20, 50)) processor->process(ids_.at(row), out[row]);
    expect_near(out[row], reference[row]);
  }
}

// The reference was asked for what `s` has set, which is everything but forced_bos_token_id and top_h.
TEST_F(ProcessorsGolden, TheOrderIsTheReferences) {
  InferenceSettings s;
  s.min_p = 0.05F;
  s.typical_p = 0.9F;
  s.epsilon_cutoff = 3e-4F;
  s.eta_cutoff = 3e-4F;
  s.no_repeat_ngram_size = 3;
  s.bad_words_ids = {{5}};
  s.min_length = 4;
  s.min_new_tokens = 3;
  s.forced_eos_token_id = 3;
  s.suppress_tokens = {1};
  s.begin_suppress_tokens = {2};
  s.sequence_bias = {{{7}, 1.0F}};
  s.exponential_decay_length_penalty = {3, 1.2F};
  s.remove_invalid_values = true;
  s.renormalize_logits = true;
  s.eos_token_id = {2};
  std::vector<std::string> names;
  for (const auto& processor : make_logits_processors(s, 10, 50)) names.emplace_back(processor->name());
  EXPECT_EQ(names, json_.at("generate_order").get<std::vector<std::string>>());
}

}  // namespace
}  // namespace bitnet
