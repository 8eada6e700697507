#include "bitnet/session.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "bitnet/error.h"
#include "engine/text_stream.h"
#include "support/expect_error.h"
#include "support/temporary_folder.h"

namespace bitnet {
namespace {

using testing_support::expect_error;

class SessionTest : public testing::Test {
 protected:
  static const Engine& engine() {
    static const Engine loaded = Engine::load(BITNET_SOURCE_DIR "/models/fairy-bitnet");
    return loaded;
  }
  static InferenceSettings greedy(int max_new_tokens) {
    InferenceSettings settings = engine().default_settings();
    settings.do_sample = false;
    settings.max_new_tokens = max_new_tokens;
    return settings;
  }
};

TEST_F(SessionTest, StreamsWhatItReturns) {
  Session session(engine());
  std::string streamed;
  const Generation out = session.generate("Once upon a time", greedy(20), [&](std::string_view text) {
    streamed += text;
    return true;
  });
  EXPECT_EQ(out.text, streamed);
  EXPECT_EQ(out.ids.size(), 20U);
  EXPECT_EQ(out.text, engine().tokenizer().decode(out.ids));
  EXPECT_EQ(out.prompt_ids.front(), 8189);  // the tokenizer's begin-of-text
}

TEST_F(SessionTest, AKeptPrefixChangesNothing) {
  Session session(engine());
  const Generation first = session.generate("There was once a king who had", greedy(12));
  EXPECT_EQ(first.reused_tokens, 0);
  std::vector<std::int32_t> longer = first.prompt_ids;
  longer.insert(longer.end(), first.ids.begin(), first.ids.begin() + 6);
  longer.push_back(11);
  const Generation reused = session.generate(std::span(longer), greedy(12));
  EXPECT_GT(reused.reused_tokens, 5);
  Session fresh(engine());
  EXPECT_EQ(fresh.generate(std::span(longer), greedy(12)).ids, reused.ids);
  // The same prompt again: one token is left to compute.
  const Generation again = session.generate(std::span(longer), greedy(12));
  EXPECT_EQ(again.reused_tokens, static_cast<std::int64_t>(longer.size()) - 1);
  EXPECT_EQ(again.ids, reused.ids);
}

// The tokenizer adds a begin-of-text token; a template that writes one itself must not get two.
TEST(SessionReply, StartsWithOneBeginOfTextToken) {
  for (const std::string start : {"", "{{ bos_token }}"}) {
    const testing_support::TemporaryFolder folder;
    for (const char* name : {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}) {
      std::filesystem::copy(std::filesystem::path(BITNET_SOURCE_DIR "/models/fairy-bitnet") / name, folder.path());
    }
    std::ofstream(folder.path() / "chat_template.jinja") << start << "{{ messages[0].content }}";
    Session session(Engine::load(folder.path()));
    InferenceSettings settings;
    settings.max_new_tokens = 1;
    ChatMessage message;
    message.content = "Once";
    const Generation out = session.reply(std::span(&message, 1), settings);
    ASSERT_GE(out.prompt_ids.size(), 2U) << start;
    EXPECT_EQ(out.prompt_ids[0], 8189) << start;
    EXPECT_NE(out.prompt_ids[1], 8189) << start;
  }
}

TEST_F(SessionTest, SeedsDecideWhateverTheThreads) {
  InferenceSettings settings = engine().default_settings();
  settings.max_new_tokens = 15;
  Session session(engine());
  const auto ids = [&](std::uint64_t seed, int threads) {
    settings.seed = seed;
    settings.threads = threads;
    session.reset();
    return session.generate("Once upon a time", settings).ids;
  };
  const auto first = ids(1, 2);
  EXPECT_EQ(ids(1, 1), first);
  EXPECT_EQ(ids(1, 3), first);
  EXPECT_NE(ids(2, 2), first);
}

TEST_F(SessionTest, StopStringsEndTheTextAcrossTokens) {
  Session session(engine());
  const std::string text = session.generate("Once upon a time", greedy(30)).text;
  InferenceSettings settings = greedy(30);
  settings.stop_strings = {text.substr(20, 9)};
  const Generation out = session.generate("Once upon a time", settings);
  EXPECT_EQ(out.finish, FinishReason::stop_string);
  EXPECT_EQ(out.text, text.substr(0, text.find(settings.stop_strings[0])));
  settings.stop_strings = {text.substr(text.size() - 3) + "never written by this model"};  // held back until the end
  EXPECT_EQ(session.generate("Once upon a time", settings).text, text);
}

TEST_F(SessionTest, TheCallbackStops) {
  Session session(engine());
  int calls = 0;
  const Generation out =
      session.generate("Once upon a time", greedy(50), [&](std::string_view) { return ++calls < 3; });
  EXPECT_EQ(out.finish, FinishReason::cancelled);
  EXPECT_LT(out.ids.size(), 10U);
}

TEST_F(SessionTest, LongPromptsCanBeStoppedBetweenChunks) {
  Session session(engine());
  std::string prompt;
  for (int i = 0; i < 300; ++i) prompt += " king queen";
  const Generation out = session.generate(prompt, greedy(5), [](std::string_view) { return false; });
  EXPECT_EQ(out.finish, FinishReason::cancelled);
  EXPECT_TRUE(out.ids.empty());
  EXPECT_EQ(session.generate("Once upon a time", greedy(5)).ids.size(), 5U);  // and the session goes on
}

TEST_F(SessionTest, ChatsWithTheTemplate) {
  Session session(engine());
  InferenceSettings settings = greedy(8);
  settings.system_prompt = "Be brief.";
  const ChatMessage messages[] = {{Role::user, "Tell me of the fox."}};
  const Generation out = session.reply(messages, settings);
  EXPECT_EQ(engine().tokenizer().decode(out.prompt_ids, false),
            "<|begin_of_text|>System: Be brief.<|eot_id|>User: Tell me of the fox.<|eot_id|>Assistant: ");
}

TEST_F(SessionTest, AnEmptyPromptStartsWithTheBeginOfText) {
  Session session(engine());
  const Generation out = session.generate(std::span<const std::int32_t>(), greedy(3));
  EXPECT_EQ(out.prompt_ids, std::vector<std::int32_t>{8189});
  EXPECT_EQ(out.ids.size(), 3U);
}

TEST_F(SessionTest, PrefixGoesBeforeThePrompt) {
  Session session(engine());
  InferenceSettings settings = greedy(3);
  settings.prefix = "Once upon";
  EXPECT_EQ(session.generate(" a time", settings).prompt_ids,
            session.generate("Once upon a time", greedy(3)).prompt_ids);
}

TEST_F(SessionTest, SettingsThatTheCallCannotHonourAreRefused) {
  Session session(engine());
  InferenceSettings settings = greedy(3);
  settings.system_prompt = "Be brief.";
  expect_error(ErrorKind::invalid_argument, {"system_prompt"}, [&] { (void)session.generate("x", settings); });
  const std::vector<std::string> prompts = {"x"};
  expect_error(ErrorKind::invalid_argument, {"system_prompt"},
               [&] { (void)session.generate_batch(prompts, settings); });
  settings = greedy(3);
  settings.prefix = "Well: ";
  const ChatMessage messages[] = {{Role::user, "Tell me of the fox."}};
  expect_error(ErrorKind::invalid_argument, {"prefix"}, [&] { (void)session.reply(messages, settings); });
}

TEST_F(SessionTest, BadInputIsRefused) {
  Session session(engine());
  expect_error(ErrorKind::invalid_argument, {"UTF-8"}, [&] { (void)session.generate("caf\xe9 x", greedy(3)); });
  std::string endless;
  for (int i = 0; i < 1100; ++i) endless += " king";
  expect_error(ErrorKind::limit, {"1024"}, [&] { (void)session.generate(endless, greedy(3)); });
  InferenceSettings settings = greedy(3);
  settings.do_sample = true;
  settings.num_return_sequences = 2;
  expect_error(ErrorKind::invalid_argument, {"num_return_sequences", "generate_batch"},
               [&] { (void)session.generate("x", settings); });
  const std::int32_t wrong[] = {1, 8192};
  expect_error(ErrorKind::invalid_argument, {"8192"}, [&] { (void)session.generate(std::span(wrong), greedy(3)); });
}

TEST_F(SessionTest, SessionsOfOneEngineRunSideBySide) {
  const auto want = Session(engine()).generate("The old wolf", greedy(12)).ids;
  std::vector<std::vector<std::int32_t>> found(3);
  std::vector<std::thread> threads;
  for (auto& ids : found) {
    threads.emplace_back([&] { ids = Session(engine()).generate("The old wolf", greedy(12)).ids; });
  }
  for (std::thread& thread : threads) thread.join();
  for (const auto& ids : found) EXPECT_EQ(ids, want);
}

TEST_F(SessionTest, LogitsOfEveryPosition) {
  Session session(engine());
  const auto ids = engine().tokenizer().encode("Once upon a time");
  const auto all = session.logits(ids);
  EXPECT_EQ(all.size(), ids.size() * 8192);
  const auto next = session.generate(std::span(ids), greedy(1)).ids.at(0);
  const auto last = std::span(all).last(8192);
  EXPECT_EQ(std::max_element(last.begin(), last.end()) - last.begin(), next);
}

TEST_F(SessionTest, InfoCountsTheModel) {
  const ModelInfo info = engine().info();
  EXPECT_EQ(info.parameters, 29385216);  // models/README.md
  EXPECT_EQ(info.ternary_parameters, 8 * (2 * 512 * 512 + 2 * 256 * 512 + 3 * 512 * 1536));
  EXPECT_GT(info.weight_bytes, info.ternary_parameters / 4);
}

TEST(Engine, UnknownKernelsAreRefusedWithTheChoices) {
  EngineOptions options;
  options.kernels = "avx1024";
  expect_error(ErrorKind::invalid_argument, {"avx1024", "scalar"},
               [&] { (void)Engine::load(BITNET_SOURCE_DIR "/models/fairy-bitnet", options); });
}

TEST(TextStream, HoldsBackWhatMayBecomeAStopString) {
  const Tokenizer tokenizer = Tokenizer::from_file(BITNET_SOURCE_DIR "/models/fairy-bitnet/tokenizer.json");
  const auto stream_all = [&](const std::string& text, std::vector<std::string> stops) {
    TextStream stream(tokenizer, {}, std::move(stops));
    std::string out;
    for (const std::int32_t id : tokenizer.encode(text, false)) {
      out += stream.push(id);
      EXPECT_EQ(out.find("ab"), std::string::npos);
    }
    return out + stream.finish() + (stream.stopped() ? "|" : "");
  };
  EXPECT_EQ(stream_all("x a b aab", {"ab"}), "x a b a|");
  EXPECT_EQ(stream_all("x a a", {"ab"}), "x a a");    // the end gives back what was held
  EXPECT_EQ(stream_all("1234", {"34", "23"}), "1|");  // the earliest wins
}

}  // namespace
}  // namespace bitnet
