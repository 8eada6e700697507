// Tokenizers as GGUF arrays: written from a tokenizer.json, read back without the copy of it that our files hold.
#include "loading/gguf_tokenizer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "base/fail.h"
#include "base/text_file.h"
#include "bitnet/tokenizer.h"
#include "loading/gguf_export_tokenizer.h"
#include "loading/gguf_model.h"
#include "support/expect_error.h"
#include "support/goldens.h"
#include "support/tiny_gguf.h"

namespace bitnet::loading {
namespace {

using testing_support::expect_error;

constexpr std::size_t kTextLimit = std::size_t{64} << 20;

/// The entries of a GGUF file made of a folder with this tokenizer.json, without the copy of it.
std::vector<formats::GgufWriteEntry> exported(const Json& tokenizer, const Json& tokenizer_config = Json::object()) {
  const testing_support::TemporaryFolder folder;
  Json config = testing_support::tiny_config();
  config["vocab_size"] = 1700;
  config["num_hidden_layers"] = 1;
  testing_support::tiny_checkpoint(config).write(folder.path());
  testing_support::write_text(folder.path() / "tokenizer.json", tokenizer.dump());
  testing_support::write_text(folder.path() / "tokenizer_config.json", tokenizer_config.dump());
  std::vector<formats::GgufWriteEntry> entries;
  add_tokenizer(*open_model(folder.path(), {}), entries);
  const auto is_copy = [](const auto& entry) { return entry.key == "tokenizer.huggingface.json"; };
  EXPECT_EQ(std::erase_if(entries, is_copy), 1U);
  return entries;
}

struct ReadBack {
  std::string json;
  std::string config;
  std::vector<std::string> log;
};

ReadBack read_back(const std::vector<formats::GgufWriteEntry>& entries) {
  const testing_support::TemporaryFolder folder;
  formats::write_gguf(folder.path() / "t.gguf", entries, {});
  const formats::GgufFile file(folder.path() / "t.gguf");
  ReadBack out;
  out.json = tokenizer_json(file, [&](const std::string& line) { out.log.push_back(line); }).value_or("");
  out.config = tokenizer_config_json(file);
  return out;
}

template <typename Value>
Value& value_of(std::vector<formats::GgufWriteEntry>& entries, const std::string& key) {
  const auto found = std::find_if(entries.begin(), entries.end(), [&](const auto& e) { return e.key == key; });
  if (found == entries.end()) throw std::runtime_error("no entry " + key);
  return std::get<Value>(found->value);
}

/// Files do not say that an added token takes the spaces around it or must stand alone.
bool has_rules_of_its_own(const Json& token) {
  return token.at("lstrip") == true || token.at("rstrip") == true || token.at("single_word") == true ||
         token.at("normalized") == true;
}

void expect_same_ids(const Json& original, const std::string& pre) {
  std::vector<formats::GgufWriteEntry> entries = exported(original);
  if (!pre.empty()) {
    EXPECT_EQ(value_of<std::string>(entries, "tokenizer.ggml.pre"), pre);
  }
  const Tokenizer first = Tokenizer::from_json(original.dump(), "original");
  const Tokenizer second = Tokenizer::from_json(read_back(entries).json, "arrays");
  std::vector<std::string> odd;
  for (const Json& token : original.at("added_tokens")) {
    if (has_rules_of_its_own(token)) odd.push_back(token.at("content"));
  }
  int compared = 0;
  for (const Json& text : read_json_file(testing_support::golden_folder() / "tokenizers/strings.json")) {
    if (!text.is_string()) continue;
    const auto string = text.get<std::string>();
    const auto in_text = [&](const std::string& token) { return string.find(token) != std::string::npos; };
    if (std::any_of(odd.begin(), odd.end(), in_text)) continue;
    for (const bool special : {false, true}) {
      const std::vector<std::int32_t> ids = first.encode(string, special);
      EXPECT_EQ(second.encode(string, special), ids) << string;
      EXPECT_EQ(second.decode(ids, special), first.decode(ids, special)) << string;
    }
    ++compared;
  }
  EXPECT_GT(compared, 0);
}

Json golden(const std::string& name) {
  return read_json_file(testing_support::golden_folder() / "tokenizers" / (name + ".tokenizer.json"));
}

TEST(GgufTokenizer, Gpt2) { expect_same_ids(golden("gpt2_style"), "gpt-2"); }
TEST(GgufTokenizer, Qwen2) { expect_same_ids(golden("qwen_style"), "qwen2"); }
TEST(GgufTokenizer, SentencePiece) { expect_same_ids(golden("spm_legacy"), ""); }

TEST(GgufTokenizer, Llama3) {
  Json tokenizer = golden("qwen_style");
  tokenizer["normalizer"] = nullptr;
  tokenizer["model"]["ignore_merges"] = true;
  auto pattern = tokenizer["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"].get<std::string>();
  pattern.replace(pattern.find("|\\p{N}|"), 7, "|\\p{N}{1,3}|");
  tokenizer["pre_tokenizer"]["pretokenizers"][0]["pattern"]["Regex"] = pattern;
  expect_same_ids(tokenizer, "llama-bpe");
}

TEST(GgufTokenizer, DigitsByThemselves) {
  Json tokenizer = golden("gpt2_style");
  const Json bytes = {{"type", "ByteLevel"}, {"add_prefix_space", false}, {"trim_offsets", true}, {"use_regex", true}};
  tokenizer["pre_tokenizer"] = {{"type", "Sequence"},
                                {"pretokenizers", {{{"type", "Digits"}, {"individual_digits", true}}, bytes}}};
  expect_same_ids(tokenizer, "smollm");
}

TEST(GgufTokenizer, TemplateAndSpecialTokensTravel) {
  std::vector<formats::GgufWriteEntry> entries =
      exported(golden("spm_legacy"), {{"chat_template", "{{ bos_token }}{{ messages[0].content }}"}});
  EXPECT_TRUE(value_of<bool>(entries, "tokenizer.ggml.add_bos_token"));
  EXPECT_FALSE(value_of<bool>(entries, "tokenizer.ggml.add_eos_token"));
  EXPECT_EQ(value_of<std::uint32_t>(entries, "tokenizer.ggml.eos_token_id"), 2U);
  EXPECT_EQ(value_of<std::uint32_t>(entries, "tokenizer.ggml.eot_token_id"), 2U) << "or readers look for another one";
  const Json config = parse_json(read_back(entries).config, "tokenizer_config.json");
  EXPECT_EQ(config.at("chat_template"), "{{ bos_token }}{{ messages[0].content }}");
  EXPECT_EQ(config.at("bos_token"), "<s>");
  EXPECT_EQ(config.at("eos_token"), "</s>");
  // Without add_bos_token: a byte-level file of Llama 3 has one, GPT-2's has none.
  value_of<bool>(entries, "tokenizer.ggml.add_bos_token") = false;
  const Tokenizer bare = Tokenizer::from_json(read_back(entries).json, "arrays");
  EXPECT_EQ(bare.encode("a", true), bare.encode("a", false));
}

TEST(GgufTokenizer, AMissingPreTokenizerIsAssumedAloudAndAnUnknownOneRefused) {
  std::vector<formats::GgufWriteEntry> entries = exported(golden("gpt2_style"));
  value_of<std::string>(entries, "tokenizer.ggml.pre") = "tekken";
  expect_error(ErrorKind::unsupported, {"tokenizer.ggml.pre \"tekken\"", "llama-bpe", "qwen2"},
               [&] { (void)read_back(entries); });
  std::erase_if(entries, [](const auto& entry) { return entry.key == "tokenizer.ggml.pre"; });
  const ReadBack found = read_back(entries);
  ASSERT_EQ(found.log.size(), 1U);
  EXPECT_NE(found.log[0].find("assuming llama-bpe"), std::string::npos) << found.log[0];
  value_of<std::string>(entries, "tokenizer.ggml.model") = "bert";
  expect_error(ErrorKind::unsupported, {"tokenizer.ggml.model \"bert\"", "gpt2 and llama"},
               [&] { (void)read_back(entries); });
  value_of<std::string>(entries, "tokenizer.ggml.model") = "none";
  EXPECT_EQ(read_back(entries).json, "");
}

TEST(GgufTokenizer, HostileArraysAreErrors) {
  using Strings = std::vector<std::string>;
  using Entries = std::vector<formats::GgufWriteEntry>;
  struct Case {
    const char* tokenizer;
    std::function<void(Entries&)> spoil;
    const char* expected;
  };
  const auto erase = [](const char* key) {
    return [key](Entries& e) { std::erase_if(e, [&](const auto& entry) { return entry.key == key; }); };
  };
  const Case cases[] = {
      {"gpt2_style", erase("tokenizer.ggml.tokens"), "tokenizer.ggml.tokens is missing"},
      {"gpt2_style", erase("tokenizer.ggml.merges"), "tokenizer.ggml.merges is missing"},
      {"spm_legacy", erase("tokenizer.ggml.scores"), "tokenizer.ggml.scores is missing"},
      {"gpt2_style", [](Entries& e) { value_of<std::vector<std::int32_t>>(e, "tokenizer.ggml.token_type").pop_back(); },
       "tokenizer.ggml.token_type is not an array with one number for each"},
      {"spm_legacy", [](Entries& e) { value_of<std::vector<float>>(e, "tokenizer.ggml.scores").push_back(0); },
       "tokenizer.ggml.scores is not an array with one number for each"},
      {"spm_legacy", [](Entries& e) { value_of<std::vector<float>>(e, "tokenizer.ggml.scores")[700] = std::nanf(""); },
       "tokenizer.ggml.scores holds NaN"},
      {"gpt2_style", [](Entries& e) { value_of<Strings>(e, "tokenizer.ggml.tokens")[9] = "\xff"; },
       "token 9 is not UTF-8"},
      {"gpt2_style", [](Entries& e) { value_of<Strings>(e, "tokenizer.ggml.merges")[9] = "\xff \xff"; }, "JSON"},
      {"gpt2_style", [](Entries& e) { value_of<Strings>(e, "tokenizer.ggml.merges")[9] = "no such"; }, "merges"},
      {"gpt2_style", [](Entries& e) { value_of<Strings>(e, "tokenizer.ggml.merges")[9] = ""; }, "merges"},
      {"gpt2_style", [](Entries& e) { value_of<std::uint32_t>(e, "tokenizer.ggml.eos_token_id") = 4'000'000; },
       "eos_token_id is 4000000, but there are 1700 tokens"},
      {"spm_legacy", [](Entries& e) { value_of<std::uint32_t>(e, "tokenizer.ggml.bos_token_id") = 4'000'000'000; },
       "bos_token_id"},
  };
  for (const Case& one : cases) {
    SCOPED_TRACE(one.expected);
    Entries entries = exported(golden(one.tokenizer));
    one.spoil(entries);
    expect_error(ErrorKind::corrupt, {one.expected},
                 [&] { (void)Tokenizer::from_json(read_back(entries).json, "arrays"); });
  }
}

// As transformers turns a SentencePiece model into merges: the best score first, the cuts of one token by the ids.
TEST(GgufTokenizer, MergesOfScoresAreInTheReferencesOrder) {
  const ReadBack found = read_back({{"tokenizer.ggml.model", std::string("llama")},
                                    {"tokenizer.ggml.tokens", std::vector<std::string>{"b", "aab", "a", "aa", "ab"}},
                                    {"tokenizer.ggml.scores", std::vector<float>{-8, -3, -9, -1, -2}}});
  const Json merges = parse_json(found.json, "tokenizer.json").at("model").at("merges");
  EXPECT_EQ(merges, Json::parse(R"([["a", "a"], ["a", "b"], ["a", "ab"], ["aa", "b"]])"));
}

TEST(GgufTokenizer, ATokenizerThatDoesNotFitTheModelIsRefused) {
  Json tokenizer = golden("gpt2_style");
  tokenizer["added_tokens"][0]["id"] = 1700;
  expect_error(ErrorKind::corrupt, {"1700", "vocab_size"}, [&] { (void)exported(tokenizer); });
}

}  // namespace
}  // namespace bitnet::loading
