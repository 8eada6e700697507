#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "bitnet/chat.h"
#include "bitnet/error.h"

namespace bitnet {
namespace {

/// A folder of its own for each test, gone afterwards.
class ChatFolder : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = std::filesystem::temp_directory_path() / ("bitnet_chat_" + std::to_string(getpid()) + "_" +
                                                        testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::create_directories(folder_);
  }
  void TearDown() override { std::filesystem::remove_all(folder_); }
  void write(const std::string& name, const std::string& text) { std::ofstream(folder_ / name) << text; }
  [[nodiscard]] std::string render(const ChatOptions& options = {}) const {
    const std::vector<ChatMessage> messages = {{Role::user, "hi", "", "", ""}};
    return ChatTemplate::from_folder(folder_).render(messages, options).text;
  }
  [[nodiscard]] ErrorKind error() const {
    try {
      (void)ChatTemplate::from_folder(folder_);
    } catch (const Error& error) {
      return error.kind();
    }
    ADD_FAILURE() << "no error";
    return ErrorKind::cancelled;
  }
  std::filesystem::path folder_;
};

TEST_F(ChatFolder, WithoutATemplateIsPlain) {
  EXPECT_TRUE(ChatTemplate::from_folder(folder_).is_plain());
  EXPECT_EQ(render(), "[USER] hi\n[ASSISTANT] ");
}

TEST_F(ChatFolder, TemplateAndTokensOfTokenizerConfig) {
  write("tokenizer_config.json",
        R"({"chat_template": "{{ bos_token }}{{ messages[0].content }}{{ eos_token }}{{ pad_token is defined }}",
            "bos_token": "<s>", "eos_token": {"content": "</s>", "lstrip": false}, "pad_token": null})");
  EXPECT_FALSE(ChatTemplate::from_folder(folder_).is_plain());
  EXPECT_EQ(render(), "<s>hi</s>False");
}

TEST_F(ChatFolder, SpecialTokensMapFillsWhatTheConfigLacks) {
  write("special_tokens_map.json", R"({"bos_token": "<map>", "eos_token": {"content": "<end>"}})");
  write("tokenizer_config.json", R"({"bos_token": "<config>"})");
  write("chat_template.jinja", "{{ bos_token }}{{ eos_token }}");
  EXPECT_EQ(render(), "<config><end>");
}

TEST_F(ChatFolder, TheJinjaFileWins) {
  write("chat_template.jinja", "file\n");
  write("tokenizer_config.json", R"({"chat_template": "config"})");
  EXPECT_EQ(render(), "file");
}

TEST_F(ChatFolder, AListHasOneForTools) {
  write("tokenizer_config.json", R"({"chat_template": [{"name": "default", "template": "D{{ tools }}"},
                                                       {"name": "tool_use", "template": "T{{ tools }}"}]})");
  EXPECT_EQ(render(), "DNone");
  ChatOptions options;
  options.tools_json = R"([{"a": 1}])";
  EXPECT_EQ(render(options), "T[{'a': 1}]");
}

TEST_F(ChatFolder, BrokenFilesAreErrors) {
  write("tokenizer_config.json", R"({"chat_template": 3})");
  EXPECT_EQ(error(), ErrorKind::corrupt);
  write("tokenizer_config.json", R"({"chat_template": "{% if %}"})");
  EXPECT_EQ(error(), ErrorKind::corrupt);
  write("tokenizer_config.json", R"({"chat_template": [{"name": "other", "template": ""}]})");
  EXPECT_EQ(error(), ErrorKind::corrupt);
  write("tokenizer_config.json", R"({"chat_template": [{"name": 1}]})");
  EXPECT_EQ(error(), ErrorKind::corrupt);
  write("tokenizer_config.json", R"([])");
  EXPECT_EQ(error(), ErrorKind::corrupt);
  write("tokenizer_config.json", R"({)");
  EXPECT_EQ(error(), ErrorKind::corrupt);
}

TEST(ChatTemplate, PlainFormat) {
  const std::vector<ChatMessage> messages = {
      {Role::system, "Be short.", "", "", ""}, {Role::user, "Hi", "", "", ""}, {Role::assistant, "Hello ", "", "", ""}};
  ChatOptions options;
  options.add_generation_prompt = false;
  EXPECT_EQ(ChatTemplate::plain().render(messages, options).text,
            "[SYSTEM] Be short.\n[USER] Hi\n[ASSISTANT] Hello \n");
  options.continue_final_message = true;
  EXPECT_EQ(ChatTemplate::plain().render(messages, options).text, "[SYSTEM] Be short.\n[USER] Hi\n[ASSISTANT] Hello ");
}

TEST(ChatTemplate, MessagesReachTheTemplateWhole) {
  const auto chat = ChatTemplate::from_source("{% for m in messages %}{{ m }}\n{% endfor %}", {});
  const std::vector<ChatMessage> messages = {{Role::assistant, "c", R"([{"id": 1}])", "", ""},
                                             {Role::tool, "r", "", "id7", "f"}};
  EXPECT_EQ(chat.render(messages).text,
            "{'role': 'assistant', 'content': 'c', 'tool_calls': [{'id': 1}]}\n"
            "{'role': 'tool', 'content': 'r', 'tool_call_id': 'id7', 'name': 'f'}\n");
  EXPECT_EQ(chat.render_json(R"([{"role": "x", "content": [{"type": "text"}], "z": null}])").text,
            "{'role': 'x', 'content': [{'type': 'text'}], 'z': None}\n");
}

TEST(ChatTemplate, ExtraVariablesWinOverTokens) {
  const auto chat = ChatTemplate::from_source("{{ bos_token }}{{ k }}{{ documents }}", {{"bos_token", "B"}});
  ChatOptions options;
  options.extra_json = R"({"bos_token": "X", "k": [1]})";
  EXPECT_EQ(chat.render({}, options).text, "X[1]None");
}

TEST(ChatTemplate, ContinuesTheFinalMessage) {
  const auto chat = ChatTemplate::from_source("{% for m in messages %}<{{ m.content | trim }}>{% endfor %}", {});
  const std::vector<ChatMessage> messages = {{Role::user, "a", "", "", ""}, {Role::assistant, "b  ", "", "", ""}};
  ChatOptions options;
  options.add_generation_prompt = false;
  options.continue_final_message = true;
  EXPECT_EQ(chat.render(messages, options).text, "<a><b");
  EXPECT_EQ(
      chat.render_json(R"([{"role": "user", "content": [{"text": "x"}, {"image": 1}]}])", options).text.substr(0, 3),
      "<[{");
}

template <typename F>
void expect_kind(ErrorKind kind, const F& f) {
  try {
    f();
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind) << error.what();
  }
}

TEST(ChatTemplate, RefusesWrongOptions) {
  const auto chat = ChatTemplate::from_source("{{ messages }}", {});
  ChatOptions both;
  both.continue_final_message = true;
  expect_kind(ErrorKind::invalid_argument, [&] { (void)chat.render({}, both); });
  both.add_generation_prompt = false;
  expect_kind(ErrorKind::invalid_argument, [&] { (void)chat.render({}, both); });
  ChatOptions tools;
  tools.tools_json = "[";
  expect_kind(ErrorKind::corrupt, [&] { (void)chat.render({}, tools); });
  ChatOptions extra;
  extra.extra_json = "[]";
  expect_kind(ErrorKind::invalid_argument, [&] { (void)chat.render({}, extra); });
  expect_kind(ErrorKind::invalid_argument, [&] { (void)chat.render_json("{}"); });
  expect_kind(ErrorKind::invalid_argument, [&] { (void)chat.render_json("[1]"); });
  expect_kind(ErrorKind::invalid_argument, [&] { (void)ChatTemplate::plain().render_json(R"([{"role": "user"}])"); });
  expect_kind(ErrorKind::invalid_argument, [&] { (void)role_from_string("developer"); });
}

TEST(ChatTemplate, RendersFromSeveralThreads) {
  const auto chat = ChatTemplate::from_source("{% for m in messages %}{{ m.content|upper ~ 'é'[0] }}{% endfor %}", {});
  const std::vector<ChatMessage> messages(50, ChatMessage{Role::user, "x", "", "", ""});
  const std::string expected = chat.render(messages).text;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 20; ++n) EXPECT_EQ(chat.render(messages).text, expected);
    });
  }
  for (auto& thread : threads) thread.join();
}

}  // namespace
}  // namespace bitnet
