// What a generation does on a real model: batches, searches, what it keeps and what it costs.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "bitnet/session.h"
#include "engine/engine_state.h"
#include "engine/recorder.h"
#include "support/expect_error.h"
#include "support/temporary_folder.h"

namespace bitnet {
namespace {

using testing_support::expect_error;
using Ids = std::vector<std::int32_t>;

constexpr const char* kModel = BITNET_SOURCE_DIR "/models/fairy-bitnet";

class GenerationTest : public testing::Test {
 protected:
  static const Engine& engine() {
    static const Engine loaded = Engine::load(kModel);
    return loaded;
  }
  static InferenceSettings greedy(int max_new_tokens) {
    InferenceSettings settings = engine().default_settings();
    settings.do_sample = false;
    settings.max_new_tokens = max_new_tokens;
    return settings;
  }
  static Ids encode(const std::string& text) { return engine().tokenizer().encode(text); }
};

const std::vector<std::string> kPrompts = {"Once upon a time", "The old wolf said to the fox that he", "A", "king",
                                           "There was a poor woodcutter who lived with his wife and two children"};

TEST_F(GenerationTest, APromptsTextIsTheSameInAnyBatch) {
  Session session(engine());
  InferenceSettings settings = greedy(6);
  for (const bool do_sample : {false, true}) {
    settings.do_sample = do_sample;
    settings.num_return_sequences = do_sample ? 2 : 1;
    std::vector<Ids> want;
    for (const std::string& prompt : kPrompts) {
      for (const Generation& out : session.generate_batch(std::span(&prompt, 1), settings)) want.push_back(out.ids);
    }
    for (const int batch_size : {2, 8}) {
      settings.batch_size = batch_size;
      const auto results = session.generate_batch(kPrompts, settings);
      ASSERT_EQ(results.size(), want.size());
      for (std::size_t i = 0; i < results.size(); ++i) EXPECT_EQ(results[i].ids, want[i]) << i << ", " << batch_size;
    }
    settings.batch_size = 1;
  }
}

TEST_F(GenerationTest, ABatchStreamsTextByResult) {
  Session session(engine());
  InferenceSettings settings = greedy(8);
  settings.batch_size = 2;
  std::vector<std::string> streamed(kPrompts.size());
  const auto results = session.generate_batch(kPrompts, settings, [&](std::size_t result, std::string_view text) {
    streamed.at(result) += text;
    return true;
  });
  for (std::size_t i = 0; i < results.size(); ++i) EXPECT_EQ(results[i].text, streamed[i]);
}

TEST_F(GenerationTest, TheBatchSizeSaysHowManyPromptsGoTogether) {
  Session session(engine());
  InferenceSettings settings = greedy(8);
  const auto order = [&](int batch_size) {
    settings.batch_size = batch_size;
    std::vector<std::size_t> results;
    (void)session.generate_batch(kPrompts, settings, [&](std::size_t result, std::string_view text) {
      if (!text.empty()) results.push_back(result);
      return true;
    });
    return results;
  };
  const auto alone = order(1);
  const auto pairs = order(2);
  EXPECT_TRUE(std::is_sorted(alone.begin(), alone.end()));
  EXPECT_FALSE(std::is_sorted(pairs.begin(), pairs.end()));
  // The third prompt begins when the first two have ended.
  const auto third = std::find(pairs.begin(), pairs.end(), 2);
  EXPECT_TRUE(std::none_of(third, pairs.end(), [](std::size_t result) { return result < 2; }));
}

TEST_F(GenerationTest, AStoppedBeamSearchHasTheTextSoFar) {
  Session session(engine());
  InferenceSettings settings = greedy(60);
  settings.num_beams = 3;
  int calls = 0;
  const Generation out = session.generate("Once upon a time", settings, [&](std::string_view) { return ++calls < 6; });
  EXPECT_EQ(out.finish, FinishReason::cancelled);
  EXPECT_EQ(out.ids.size(), 6U);
  EXPECT_EQ(out.text, engine().tokenizer().decode(out.ids));
}

TEST_F(GenerationTest, ThePrefixGoesBeforeEachPrompt) {
  Session session(engine());
  InferenceSettings settings = greedy(1);
  settings.prefix = "Once upon";
  const std::vector<std::string> prompts = {" a time", " a king"};
  const auto results = session.generate_batch(prompts, settings);
  EXPECT_EQ(results[0].prompt_ids, encode("Once upon a time"));
  EXPECT_EQ(results[1].prompt_ids, encode("Once upon a king"));
}

TEST_F(GenerationTest, AStoppedBatchHasAResultForEachPrompt) {
  Session session(engine());
  InferenceSettings settings = greedy(30);
  settings.batch_size = 2;
  int calls = 0;
  const auto results =
      session.generate_batch(kPrompts, settings, [&](std::size_t, std::string_view) { return ++calls < 8; });
  ASSERT_EQ(results.size(), kPrompts.size());
  EXPECT_FALSE(results[0].ids.empty());
  for (const Generation& out : results) EXPECT_EQ(out.finish, FinishReason::cancelled);
  EXPECT_EQ(results[4].prompt_ids, encode(kPrompts[4]));
}

TEST_F(GenerationTest, WithoutCacheTheTokensAreTheSame) {
  Session session(engine());
  InferenceSettings settings = greedy(8);
  settings.output_scores = true;
  const Generation cached = session.generate("Once upon a time", settings);
  const Ids want = cached.ids;
  settings.use_cache = false;
  const Generation out = session.generate("Once upon a time", settings);
  EXPECT_EQ(out.ids, want);
  EXPECT_EQ(out.reused_tokens, 0);
  for (std::size_t t = 0; t < 8; ++t) EXPECT_EQ(out.details->scores[t].data, cached.details->scores[t].data) << t;
  settings.num_beams = 3;
  const Ids beams = session.generate("Once upon a time", settings).ids;
  settings.use_cache = true;
  EXPECT_EQ(session.generate("Once upon a time", settings).ids, beams);
  // What ran without a cache leaves none behind that a next call could take for one.
  settings.use_cache = false;
  settings.num_beams = 1;
  (void)session.generate("Once upon a time", settings);
  settings.use_cache = true;
  EXPECT_EQ(session.generate("Once upon a time", settings).ids, want);
}

TEST_F(GenerationTest, PaddingInFrontIsNotSeenUnlessAskedFor) {
  Session session(engine());
  InferenceSettings settings = greedy(6);
  settings.pad_token_id = 17;
  const Ids prompt = encode("Once upon a time");
  Ids padded = {17, 17, 17};
  padded.insert(padded.end(), prompt.begin(), prompt.end());
  const Generation plain = session.generate(std::span(prompt), settings);
  const Generation masked = session.generate(std::span(padded), settings);
  EXPECT_EQ(masked.ids, plain.ids);
  EXPECT_EQ(masked.prompt_ids, prompt);
  settings.attention_mask = false;
  EXPECT_EQ(session.generate(std::span(padded), settings).prompt_ids, padded);
  settings.attention_mask = true;
  settings.eos_token_id = {17};  // an EOS is no padding
  EXPECT_EQ(session.generate(std::span(padded), settings).prompt_ids, padded);
}

TEST_F(GenerationTest, AnEmptyPromptStartsWithTheDecodersStart) {
  Session session(engine());
  InferenceSettings settings = greedy(2);
  settings.decoder_start_token_id = 42;
  EXPECT_EQ(session.generate(std::span<const std::int32_t>(), settings).prompt_ids, Ids{42});
  settings.decoder_start_token_id.reset();
  EXPECT_EQ(session.generate(std::span<const std::int32_t>(), settings).prompt_ids, Ids{8189});
}

TEST_F(GenerationTest, ThreadsAreThoseOfTheSettings) {
  Session session(engine());
  InferenceSettings settings = greedy(1);
  for (const int threads : {1, 3, 2}) {
    settings.threads = threads;
    (void)session.generate("Once", settings);
    EXPECT_EQ(engine().info().threads, threads);
  }
}

TEST_F(GenerationTest, IdsThatTheVocabularyDoesNotHaveAreRefused) {
  Session session(engine());
  InferenceSettings settings = greedy(1);
  settings.suppress_tokens = {8192};
  expect_error(ErrorKind::invalid_argument, {"suppress_tokens", "8192"},
               [&] { (void)session.generate("Once", settings); });
}

TEST(GenerationWithoutTokenizer, StopStringsAreRefused) {
  Session session(Engine::load(BITNET_SOURCE_DIR "/tests/golden/models/bitnetB-offline-packed"));
  InferenceSettings settings;
  settings.max_new_tokens = 2;
  const std::int32_t prompt[] = {3, 4};
  EXPECT_EQ(session.generate(std::span(prompt), settings).ids.size(), 2U);
  settings.stop_strings = {"."};
  expect_error(ErrorKind::not_found, {"tokenizer"}, [&] { (void)session.generate(std::span(prompt), settings); });
}

TEST_F(GenerationTest, TimeEndsEverySearch) {
  Session session(engine());
  InferenceSettings settings = greedy(500);
  settings.max_time = 1e-6;
  EXPECT_EQ(session.generate("Once", settings).ids.size(), 1U);
  EXPECT_EQ(session.generate("Once", settings).finish, FinishReason::max_time);
  settings.num_beams = 3;
  const Generation beams = session.generate("Once", settings);
  EXPECT_EQ(beams.ids.size(), 1U);
  EXPECT_EQ(beams.finish, FinishReason::max_time);
  settings.num_beams = 1;
  settings.penalty_alpha = 0.6F;
  settings.top_k = 4;
  EXPECT_EQ(session.generate("Once", settings).finish, FinishReason::max_time);
}

TEST_F(GenerationTest, StopStringsFinishBeamsToo) {
  Session session(engine());
  InferenceSettings settings = greedy(30);
  settings.num_beams = 3;
  settings.stop_strings = {" was a"};
  const Generation out = session.generate("Once upon a time there", settings);
  EXPECT_EQ(out.finish, FinishReason::stop_string);
  EXPECT_EQ(out.text.find(" was a"), std::string::npos);
  EXPECT_LT(out.ids.size(), 30U);
}

TEST_F(GenerationTest, PromptLookupChangesNothing) {
  InferenceSettings settings = greedy(60);
  settings.repetition_penalty = 1.0F;
  for (const bool do_sample : {false, true}) {
    settings.do_sample = do_sample;
    settings.prompt_lookup_num_tokens = 0;
    const std::string prompt = "The fox said: I am the fox. The fox said: I am";
    const Ids want = Session(engine()).generate(prompt, settings).ids;
    settings.prompt_lookup_num_tokens = 6;
    EXPECT_EQ(Session(engine()).generate(prompt, settings).ids, want);
  }
}

// Beams share what they have in common: memory grows with the number of different tokens.
TEST_F(GenerationTest, BeamsShareTheirCache) {
  Session session(engine());
  InferenceSettings settings = greedy(128);
  settings.ignore_eos = true;
  const std::int64_t greedy_bytes = session.generate("Once upon a time there was a", settings).cache_bytes;
  settings.num_beams = 4;
  session.reset();
  const std::int64_t four = session.generate("Once upon a time there was a", settings).cache_bytes;
  EXPECT_LE(four, 2 * greedy_bytes);
  EXPECT_GT(four, greedy_bytes);
}

TEST_F(GenerationTest, ResultsOfOnePromptShareIts) {
  Session session(engine());
  std::string prompt;
  for (int i = 0; i < 100; ++i) prompt += " king queen";
  InferenceSettings settings = greedy(4);
  const std::int64_t one = session.generate(prompt, settings).cache_bytes;
  settings.do_sample = true;
  settings.num_return_sequences = 6;
  session.reset();
  const auto six = session.generate_batch(std::span(&prompt, 1), settings);
  EXPECT_LE(six.front().cache_bytes, 2 * one);
}

// --- details

TEST_F(GenerationTest, NothingIsKeptUnasked) {
  Session session(engine());
  InferenceSettings settings = greedy(3);
  EXPECT_EQ(session.generate("Once", settings).details, nullptr);
  settings.return_dict_in_generate = true;
  const Generation out = session.generate("Once", settings);
  ASSERT_NE(out.details, nullptr);
  Ids whole = out.prompt_ids;
  whole.insert(whole.end(), out.ids.begin(), out.ids.end());
  EXPECT_EQ(out.details->sequences, std::vector<Ids>{whole});
  EXPECT_TRUE(out.details->scores.empty());
  EXPECT_TRUE(out.details->hidden_states.empty());
  EXPECT_TRUE(out.details->attentions.empty());
  for (bool InferenceSettings::*one : {&InferenceSettings::output_scores, &InferenceSettings::output_hidden_states,
                                       &InferenceSettings::output_attentions}) {
    settings = greedy(3);
    settings.*one = true;
    const auto details = session.generate("Once", settings).details;
    ASSERT_NE(details, nullptr);
    EXPECT_EQ(details->scores.size() + details->hidden_states.size() + details->attentions.size(), 3U);
  }
}

TEST_F(GenerationTest, ShorterResultsArePadded) {
  Session session(engine());
  InferenceSettings settings = greedy(20);
  settings.num_beams = 4;
  settings.num_return_sequences = 4;
  settings.return_dict_in_generate = true;
  settings.pad_token_id = 5;
  settings.length_penalty = 0.0F;
  settings.stop_strings = {"."};
  const std::vector<std::string> prompts = {"Once upon a time"};
  const auto results = session.generate_batch(prompts, settings);
  const GenerationDetails& details = *results[0].details;
  ASSERT_EQ(details.sequences.size(), 4U);
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(details.sequences[i].size(), details.sequences[0].size());
    EXPECT_EQ(details.beam_indices[i].size(), details.beam_indices[0].size());
    EXPECT_EQ(details.sequences_scores[i], results[i].score);
    Ids whole = results[i].prompt_ids;
    whole.insert(whole.end(), results[i].ids.begin(), results[i].ids.end());
    whole.resize(details.sequences[i].size(), 5);
    EXPECT_EQ(details.sequences[i], whole);
  }
}

TEST_F(GenerationTest, DetailsAreThoseOfOnePassOverEverything) {
  InferenceSettings settings = greedy(5);
  settings.output_scores = true;
  settings.output_hidden_states = true;
  settings.output_attentions = true;
  Session session(engine());
  (void)session.generate("Once upon a", greedy(2));  // a prefix that must not be reused: its states are asked for
  const Generation out = session.generate("Once upon a time", settings);
  const GenerationDetails& details = *out.details;
  const auto prompt = std::ssize(out.prompt_ids);
  const std::int64_t layers = engine().config().num_hidden_layers;
  const std::int64_t heads = engine().config().num_attention_heads;

  Ids all = out.prompt_ids;
  all.insert(all.end(), out.ids.begin(), out.ids.end() - 1);
  Recorder recorder;
  std::vector<model::BatchToken> batch;
  for (const std::int32_t id : all) batch.push_back({id, 0, false});
  model::KvSequence sequence = engine().state().transformer->make_sequence();
  model::KvSequence* sequences[] = {&sequence};
  (void)engine().state().transformer->forward(batch, sequences, {}, &recorder);

  ASSERT_EQ(details.scores.size(), 5U);
  EXPECT_EQ(details.scores[0].shape, (std::vector<std::int64_t>{1, 8192}));
  ASSERT_EQ(details.hidden_states.size(), 5U);
  ASSERT_EQ(details.attentions.size(), 5U);
  std::int64_t token = 0;
  for (std::size_t step = 0; step < 5; ++step) {
    const std::int64_t tokens = step == 0 ? prompt : 1;
    ASSERT_EQ(std::ssize(details.hidden_states[step]), layers + 1);
    ASSERT_EQ(std::ssize(details.attentions[step]), layers);
    for (std::int64_t layer = 0; layer <= layers; ++layer) {
      const Array& hidden = details.hidden_states[step][static_cast<std::size_t>(layer)];
      EXPECT_EQ(hidden.shape, (std::vector<std::int64_t>{1, tokens, engine().config().hidden_size}));
      const auto& rows = layer == 0        ? recorder.rows("embed", -1)
                         : layer == layers ? recorder.rows("final_norm", -1)
                                           : recorder.rows("hook_resid_post", layer - 1);
      const auto& last = rows[static_cast<std::size_t>(token + tokens - 1)];
      EXPECT_TRUE(std::equal(last.begin(), last.end(), hidden.data.end() - std::ssize(last))) << step << ", " << layer;
    }
    for (std::int64_t layer = 0; layer < layers; ++layer) {
      const Array& pattern = details.attentions[step][static_cast<std::size_t>(layer)];
      const std::int64_t keys = token + tokens;
      EXPECT_EQ(pattern.shape, (std::vector<std::int64_t>{1, heads, tokens, keys}));
      const auto& rows = recorder.rows("attn.hook_pattern", layer);
      for (std::int64_t head = 0; head < heads; ++head) {
        const auto& want = rows[static_cast<std::size_t>((token + tokens - 1) * heads + head)];
        const float* got = pattern.data.data() + ((head + 1) * tokens - 1) * keys;
        EXPECT_TRUE(std::equal(got, got + keys, want.begin())) << step << ", " << layer << ", " << head;
      }
    }
    token += tokens;
  }
}

// Who looks at states has them computed, also those of a prompt that the cache knows.
TEST_F(GenerationTest, StatesThatAreAskedForAreNotReused) {
  Session session(engine());
  const auto reused = [&](const InferenceSettings& settings) {
    (void)session.generate("Once upon a time", greedy(2));
    return session.generate("Once upon a time", settings).reused_tokens;
  };
  InferenceSettings settings = greedy(2);
  EXPECT_GT(reused(settings), 0);
  settings.output_scores = true;
  EXPECT_GT(reused(settings), 0);
  settings.output_hidden_states = true;
  EXPECT_EQ(reused(settings), 0);
  settings = greedy(2);
  settings.output_attentions = true;
  EXPECT_EQ(reused(settings), 0);
  settings = greedy(2);
  settings.penalty_alpha = 0.6F;
  settings.top_k = 4;
  EXPECT_EQ(reused(settings), 0);
}

TEST_F(GenerationTest, BeamsHaveARowEach) {
  InferenceSettings settings = greedy(4);
  settings.num_beams = 3;
  settings.output_scores = true;
  settings.output_hidden_states = true;
  settings.output_attentions = true;
  Session session(engine());
  const Generation out = session.generate("Once upon a time", settings);
  const GenerationDetails& details = *out.details;
  const auto prompt = std::ssize(out.prompt_ids);
  const std::int64_t heads = engine().config().num_attention_heads;
  EXPECT_EQ(details.scores.at(1).shape, (std::vector<std::int64_t>{3, 8192}));
  EXPECT_EQ(details.hidden_states.at(1).at(2).shape, (std::vector<std::int64_t>{3, 1, 512}));
  EXPECT_EQ(details.attentions.at(2).at(0).shape, (std::vector<std::int64_t>{3, heads, 1, prompt + 2}));
  EXPECT_EQ(details.attentions.at(0).at(0).shape, (std::vector<std::int64_t>{1, heads, prompt, prompt}));
}

TEST_F(GenerationTest, TheCheckpointsSettingsComeBeforeTheDefaultsAndAfterTheCallers) {
  const testing_support::TemporaryFolder folder;
  for (const char* name : {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"}) {
    std::filesystem::copy(std::filesystem::path(kModel) / name, folder.path());
  }
  std::ofstream(folder.path() / "generation_config.json")
      << R"({"temperature": 0.25, "top_k": 7, "eos_token_id": [4, 9], "pad_token_id": 11, "min_length": null, "transformers_version": "5"})";
  const Engine loaded = Engine::load(folder.path());
  InferenceSettings settings = loaded.default_settings();
  EXPECT_EQ(settings.temperature, 0.25F);
  EXPECT_EQ(settings.top_k, 7);
  EXPECT_EQ(settings.eos_token_id, (Ids{4, 9}));
  EXPECT_EQ(settings.top_p, InferenceSettings().top_p);
  settings.apply_json(R"({"top_k": 3})", "mine", true);
  EXPECT_EQ(settings.top_k, 3);
  EXPECT_EQ(settings.temperature, 0.25F);
  // Settings that do not start from the checkpoint's still know its special tokens.
  InferenceSettings own;
  own.max_new_tokens = 1;
  EXPECT_EQ(Session(loaded).generate(std::span<const std::int32_t>(), own).prompt_ids, Ids{8189});
  const Ids padded = {11, 11, 3};
  EXPECT_EQ(Session(loaded).generate(std::span(padded), own).prompt_ids, Ids{3});
  own.do_sample = false;
  own.max_new_tokens = 3;
  own.suppress_tokens.clear();
  for (std::int32_t id = 0; id < 8192; ++id) {
    if (id != 9) own.suppress_tokens.push_back(id);
  }
  EXPECT_EQ(Session(loaded).generate("Once", own).finish, FinishReason::eos);
}

}  // namespace
}  // namespace bitnet
