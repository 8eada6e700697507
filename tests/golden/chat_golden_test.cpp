// Every rendering of golden/chat/*.json against Hugging Face transformers' own.
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "base/json.h"
#include "bitnet/chat.h"
#include "bitnet/error.h"

namespace bitnet {
namespace {

std::filesystem::path goldens() {
  const char* given = std::getenv("BITNET_GOLDENS");
  return std::filesystem::path(given ? given : BITNET_SOURCE_DIR "/tests/golden") / "chat";
}

ChatTemplate template_of(const Json& entry) {
  std::map<std::string, std::string> tokens;
  if (const auto bos = entry["bos"].get<std::string>(); !bos.empty()) tokens["bos_token"] = bos;
  if (const auto eos = entry["eos"].get<std::string>(); !eos.empty()) tokens["eos_token"] = eos;
  return ChatTemplate::from_source(entry["t"].get<std::string>(), tokens);
}

void check_case(const Json& file, const Json& golden) {
  const std::string name = golden["template"].get<std::string>();
  const Json& conversation = file["conversations"][golden["conversation"].get<std::string>()];
  SCOPED_TRACE(name + " / " + golden["conversation"].get<std::string>());
  ChatOptions options;
  options.add_generation_prompt = golden.value("add_generation_prompt", false);
  options.continue_final_message = golden.value("continue_final_message", false);
  if (conversation.contains("tools")) options.tools_json = conversation["tools"].dump();
  if (golden.contains("kwargs")) options.extra_json = golden["kwargs"].dump();
  const ChatTemplate chat = template_of(file["templates"][name]);
  if (golden.contains("text")) {
    try {
      EXPECT_EQ(chat.render_json(conversation["m"].dump(), options).text, golden["text"].get<std::string>());
    } catch (const Error& error) {
      ADD_FAILURE() << error.what();
    }
    return;
  }
  const std::string expected = golden["error"].get<std::string>();
  const std::string message = expected.substr(expected.find(": ") + 2);
  try {
    const auto rendered = chat.render_json(conversation["m"].dump(), options);
    ADD_FAILURE() << "expected the error '" << message << "', got the text '" << rendered.text << "'";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find(message), std::string::npos) << error.what() << "\nexpected " << message;
  }
}

void check_spans(const Json& file, const Json& golden) {
  const ChatTemplate chat = template_of(file["templates"]["generation-tag"]);
  const Json& conversation = file["conversations"][golden["conversation"].get<std::string>()];
  ChatOptions options;
  options.add_generation_prompt = false;
  const auto rendered = chat.render_json(conversation["m"].dump(), options);
  EXPECT_EQ(rendered.text, golden["text"].get<std::string>());
  Json spans = Json::array();
  for (const auto& [start, end] : rendered.generation_spans) spans.push_back({start, end});
  EXPECT_EQ(spans, golden["generation_spans"]);
}

TEST(ChatGolden, RendersAsTransformersDoes) {
  std::size_t cases = 0;
  ASSERT_TRUE(std::filesystem::is_directory(goldens())) << goldens();
  for (const auto& entry : std::filesystem::directory_iterator(goldens())) {
    if (entry.path().extension() != ".json") continue;
    const Json file = read_json_file(entry.path());
    for (const Json& golden : file["cases"]) check_case(file, golden);
    for (const Json& golden : file["generation_spans"]) check_spans(file, golden);
    cases += file["cases"].size() + file["generation_spans"].size();
  }
  EXPECT_GT(cases, 0U) << "no cases under " << goldens();
}

}  // namespace
}  // namespace bitnet
