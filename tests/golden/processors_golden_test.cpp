// Logits processors against direct calls of the reference's.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "base/json.h"
#include "formats/safetensors.h"
#include "generate/logits_processors.h"
#include "support/goldens.h"

namespace bitnet {
namespace {

/// "top_k=5" → a processor; nothing for one that this version does not have.
std::unique_ptr<generate::LogitsProcessor> make(const std::string& args) {
  const auto value = [&](const std::string& key) -> std::optional<float> {
    if (args.rfind(key + "=", 0) != 0) return std::nullopt;
    std::size_t used = 0;
    const float number = std::stof(args.substr(key.size() + 1), &used);
    // Further arguments (min_tokens_to_keep, prompt_ignore_length) belong to modes that are not there yet.
    return key.size() + 1 + used == args.size() ? std::optional(number) : std::nullopt;
  };
  if (const auto v = value("temperature")) return std::make_unique<generate::Temperature>(*v);
  if (const auto v = value("top_k")) return std::make_unique<generate::TopK>(static_cast<std::int32_t>(*v));
  if (const auto v = value("top_p")) return std::make_unique<generate::TopP>(*v);
  if (const auto v = value("min_p")) return std::make_unique<generate::MinP>(*v);
  if (const auto v = value("repetition_penalty")) return std::make_unique<generate::RepetitionPenalty>(*v);
  return nullptr;
}

TEST(ProcessorsGolden, ScoresAreTheReferences) {
  const auto folder = testing_support::golden_folder() / "processors";
  const Json json = read_json_file(folder / "processors.json");
  const formats::SafetensorsFile file(folder / "processors.safetensors");
  const auto all_ids = file.find("input_ids")->view;
  int compared = 0;
  for (const Json& entry : json.at("cases")) {
    if (entry.contains("error")) continue;
    const auto key = entry.at("key").get<std::string>();
    const auto processor = make(entry.at("args").get<std::string>());
    if (processor == nullptr) continue;  // beams, typical_p …: settings.cpp refuses what would need them
    SCOPED_TRACE(key);
    const TensorView logits = file.find("logits." + entry.at("logits").get<std::string>())->view;
    const auto want = file.find("out." + key)->view.as<float>();
    const auto vocab = static_cast<std::size_t>(logits.shape[1]);
    for (std::int64_t row = 0; row < logits.shape[0]; ++row) {
      const auto in = logits.as<float>().subspan(static_cast<std::size_t>(row) * vocab, vocab);
      std::vector<float> out(in.begin(), in.end());
      std::vector<std::int32_t> ids;
      for (std::int64_t i = 0; i < all_ids.shape[1]; ++i) {
        ids.push_back(static_cast<std::int32_t>(
            all_ids.as<std::int64_t>()[static_cast<std::size_t>(row * all_ids.shape[1] + i)]));
      }
      if (key.starts_with("repetition_penalty")) {
        processor->process(ids, out);
      } else {
        processor->process({}, out);
      }
      std::vector<float> reference(want.begin() + row * static_cast<std::ptrdiff_t>(vocab),
                                   want.begin() + (row + 1) * static_cast<std::ptrdiff_t>(vocab));
      if (entry.at("logits") == "ties") {
        // Which of several equal logits a cut keeps is the sort's choice, there and here: compare what is kept.
        std::sort(reference.begin(), reference.end());
        std::sort(out.begin(), out.end());
      }
      for (std::size_t i = 0; i < vocab; ++i) {
        if (std::isinf(reference[i]) || std::isinf(out[i])) {
          ASSERT_EQ(out[i], reference[i]) << "row " << row << ", token " << i;
        } else {
          ASSERT_NEAR(out[i], reference[i], 1e-4 * std::max(1.0F, std::fabs(reference[i])))
              << "row " << row << ", token " << i;
        }
      }
    }
    ++compared;
  }
  EXPECT_GE(compared, 10);
}

}  // namespace
}  // namespace bitnet
