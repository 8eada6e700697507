#include "bitnet/embed.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/cpu_features.h"
#include "base/text_file.h"
#include "bitnet/error.h"
#include "engine/engine_state.h"
#include "kernels/dispatch.h"
#include "support/expect_error.h"
#include "support/tiny_checkpoint.h"

namespace bitnet {
namespace {

using testing_support::TemporaryFolder;
using Ids = std::vector<std::int32_t>;

/// element() of tests/oracle/embedding.py.
std::uint32_t oracle_element(const std::string& key, std::uint32_t i) {
  std::string bytes = key;
  for (int shift = 0; shift < 32; shift += 8) bytes += static_cast<char>(i >> shift & 0xff);
  std::uint32_t h = 2166136261U;
  for (const char byte : bytes) {
    h = (h ^ static_cast<std::uint8_t>(byte)) * 16777619U;
    h ^= h >> 15;
  }
  return h >> 16;
}

/// A checkpoint of tests/oracle/embedding.py.
testing_support::TinyCheckpoint oracle_checkpoint(const Json& model) {
  testing_support::TinyCheckpoint out;
  out.config = model.at("config");
  const ModelConfig config = ModelConfig::from_json(out.config.dump(), "config.json");
  const std::string seed = fmt::format("{}:", model.at("seed").get<int>());
  for (const model::TensorRule& rule : model::tensor_rules(config)) {
    for (std::int64_t layer = 0; layer < (rule.per_layer ? config.num_hidden_layers : 1); ++layer) {
      std::string name = model::with_layer(rule.names.front(), layer) + ".weight";
      name.replace(0, std::string("model.").size(), model.at("prefix").get<std::string>());
      const bool norm = rule.cols == 0;
      Tensor tensor(DType::bf16, norm ? Shape{rule.rows} : Shape{rule.rows, rule.cols});
      std::uint32_t i = 0;
      for (std::uint16_t& value : tensor.as<std::uint16_t>()) {
        const auto element = static_cast<std::int32_t>(oracle_element(seed + name, i++));
        value = f32_to_bf16(static_cast<float>(norm ? element % 65 + 96 : element % 255 - 127) / 128.0F);
      }
      out.tensors[name] = std::move(tensor);
    }
  }
  return out;
}

const Json& oracle_models() {
  static const Json kOracle = parse_json(
      read_text_file(BITNET_SOURCE_DIR "/tests/oracle/embedding.json", std::size_t{1} << 20), "embedding.json");
  return kOracle.at("models");
}

Engine load(const TemporaryFolder& folder, const std::string& kernels = "", int threads = 2) {
  EngineOptions options;
  options.kernels = kernels;
  options.threads = threads;
  return Engine::load(folder.path(), options);
}

/// The largest difference. No int8 flips (the oracle sees to that), so it is what float32 rounding adds up to.
double difference(std::span<const float> found, const Json& expected) {
  EXPECT_EQ(found.size(), expected.size());
  double most = 0;
  for (std::size_t i = 0; i < found.size(); ++i) {
    most = std::max(most, std::fabs(static_cast<double>(found[i]) - expected[i].get<double>()));
  }
  return most;
}

TEST(Embed, IsTheOraclesVector) {
  constexpr double kTight = 2e-6;
  ASSERT_EQ(oracle_models().size(), 2U);
  for (const Json& model : oracle_models()) {
    const TemporaryFolder folder;
    oracle_checkpoint(model).write(folder.path());
    const Engine engine = load(folder);
    const auto texts = model.at("texts").get<std::vector<Ids>>();
    const Embeddings found = embed_ids(engine, texts);
    ASSERT_EQ(found.dimensions, 24);
    for (std::size_t text = 0; text < texts.size(); ++text) {
      const std::string& name = engine.config().architecture;
      EXPECT_EQ(found.tokens[text], std::ssize(texts[text]));
      EXPECT_LT(difference(found.row(text), model.at("embeddings")[text]), kTight) << name << ", text " << text;

      model::Transformer& transformer = *engine.state().transformer;
      model::KvSequence sequence = transformer.make_sequence();
      model::KvSequence* const sequences[] = {&sequence};
      std::vector<model::BatchToken> batch;
      for (const std::int32_t id : texts[text]) batch.push_back({id, 0, true});
      std::vector<float> hidden(batch.size() * 24);
      transformer.forward_hidden(batch, sequences, {hidden.data(), std::ssize(batch), 24});
      for (std::size_t t = 0; t < batch.size(); ++t) {
        const auto row = std::span(hidden).subspan(t * 24, 24);
        EXPECT_LT(difference(row, model.at("hidden")[text][t]), 10 * kTight) << name << ", token " << t;
      }
    }
  }
}

// More short texts than one pass takes, alone and together, on every table.
TEST(Embed, OfATextIsTheSameInAnyCompany) {
  for (const Json& model : oracle_models()) {
    const TemporaryFolder folder;
    oracle_checkpoint(model).write(folder.path());
    std::vector<Ids> texts;
    for (std::int32_t i = 0; i < 40; ++i) {
      Ids& ids = texts.emplace_back();
      for (std::int32_t t = 0; t <= i; ++t) ids.push_back((i * 7 + t * t) % 32);
    }
    std::vector<double> progress;
    const Embeddings together = embed_ids(load(folder), texts, [&](double fraction) { progress.push_back(fraction); });
    EXPECT_GT(progress.size(), 1U);
    EXPECT_EQ(progress.back(), 1.0);
    for (const kernels::KernelTable* table : kernels::built_tables()) {
      if ((table->required & ~detect_cpu_features()) != 0) continue;
      const Engine engine = load(folder, table->name, 3);
      EXPECT_EQ(embed_ids(engine, texts).values, together.values) << table->name;
      for (const std::size_t text : {std::size_t{0}, std::size_t{17}, std::size_t{39}}) {
        const Embeddings alone = embed_ids(engine, std::span(texts).subspan(text, 1));
        const auto row = together.row(text);
        EXPECT_EQ(alone.values, std::vector<float>(row.begin(), row.end())) << table->name << ' ' << text;
      }
    }
  }
}

/// Letters a to z, with <s> before and </s> after each text, and one special token that the network has no row for.
constexpr const char* kTokenizer = R"({"version": "1.0", "normalizer": null, "pre_tokenizer": null, "decoder": null,
  "added_tokens": [{"id": 0, "content": "<s>", "special": true}, {"id": 1, "content": "</s>", "special": true},
                   {"id": 32, "content": "<image>", "special": true}],
  "post_processor": {"type": "TemplateProcessing",
    "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}},
               {"SpecialToken": {"id": "</s>", "type_id": 0}}],
    "pair": [], "special_tokens": {"<s>": {"id": "<s>", "ids": [0], "tokens": ["<s>"]},
                                   "</s>": {"id": "</s>", "ids": [1], "tokens": ["</s>"]}}},
  "model": {"type": "BPE", "merges": [], "vocab": {"<s>": 0, "</s>": 1, "a": 2, "b": 3, "c": 4, " ": 5}}})";

class EmbedText : public testing::Test {
 protected:
  EmbedText() {
    oracle_checkpoint(oracle_models()[1]).write(folder.path());
    testing_support::write_text(folder.path() / "tokenizer.json", kTokenizer);
  }
  TemporaryFolder folder;
};

TEST_F(EmbedText, HasThePrefixAndTheTemplatesTokens) {
  const Engine engine = load(folder);
  const std::vector<std::string> texts = {"abc", ""};
  const Embeddings found = embed(engine, texts, {.prefix = "c "});
  const std::vector<Ids> ids = {{0, 4, 5, 2, 3, 4, 1}, {0, 4, 5, 1}};
  EXPECT_EQ(found.values, embed_ids(engine, ids).values);
  EXPECT_TRUE(found.truncated.empty());
  for (std::size_t text = 0; text < 2; ++text) {
    double sum = 0;
    for (const float x : found.row(text)) sum += static_cast<double>(x) * x;
    EXPECT_NEAR(sum, 1.0, 1e-6);
  }
}

TEST_F(EmbedText, IsCutBeforeTheTemplatesLastTokens) {
  const Engine engine = load(folder);
  const std::vector<std::string> texts = {"ab", std::string(100, 'b')};
  testing_support::expect_error(ErrorKind::limit, {"text 2 has 102 tokens, but the model's context is 64"},
                                [&] { (void)embed(engine, texts); });
  const Embeddings cut = embed(engine, texts, {.truncate = true});
  EXPECT_EQ(cut.truncated, std::vector<std::size_t>{1});
  std::vector<Ids> ids = {{0, 2, 3, 1}, Ids(64, 3)};
  ids[1].front() = 0;
  ids[1].back() = 1;
  EXPECT_EQ(cut.values, embed_ids(engine, ids).values);
}

TEST_F(EmbedText, RefusesWhatHasNoVector) {
  const Engine engine = load(folder);
  const std::vector<Ids> nothing = {{3}, {}};
  testing_support::expect_error(ErrorKind::invalid_argument, {"text 2 has no tokens"},
                                [&] { (void)embed_ids(engine, nothing); });
  const std::vector<std::string> image = {"<image>"};
  testing_support::expect_error(ErrorKind::invalid_argument, {"token id 32"}, [&] { (void)embed(engine, image); });
  EXPECT_TRUE(embed_ids(engine, {}).values.empty());
}

TEST_F(EmbedText, RefusesAnotherPooling) {
  std::filesystem::create_directory(folder.path() / "1_Pooling");
  const auto pooling = folder.path() / "1_Pooling" / "config.json";
  const Engine engine = load(folder);
  const std::vector<Ids> ids = {{3}};
  testing_support::write_text(pooling, R"({"word_embedding_dimension": 24, "pooling_mode_cls_token": false,
                                           "pooling_mode_lasttoken": true})");
  EXPECT_EQ(embed_ids(engine, ids).values.size(), 24U);
  testing_support::write_text(pooling, R"({"pooling_mode_mean_tokens": true, "pooling_mode_lasttoken": false})");
  testing_support::expect_error(ErrorKind::unsupported, {"pooling_mode_lasttoken"},
                                [&] { (void)embed_ids(engine, ids); });
}

// A Qwen3 that is no BitNet would load as noise if its weights were made ternary.
TEST_F(EmbedText, NeedsTheNormsOfEveryLinear) {
  auto checkpoint = oracle_checkpoint(oracle_models()[1]);
  checkpoint.tensors.erase("layers.1.mlp.down_proj.norm.weight");
  checkpoint.write(folder.path());
  testing_support::expect_error(ErrorKind::corrupt, {"layers.1.mlp.down_proj.norm.weight is missing"},
                                [&] { (void)load(folder); });
}

}  // namespace
}  // namespace bitnet
