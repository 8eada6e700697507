#include "hub/repo_info.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <map>

#include "base/json.h"
#include "bitnet/hub.h"
#include "hub/digest.h"
#include "support/expect_error.h"
#include "support/temporary_folder.h"

namespace bitnet::hub {
namespace {

using testing_support::expect_error;
using Names = std::vector<std::string>;

Names selected(const std::vector<RepoFile>& files, const std::vector<std::string>& include = {}) {
  Names names;
  for (const RepoFile& file : select_files(files, include, "org/model")) names.push_back(file.name);
  return names;
}

std::vector<RepoFile> sizeless(const Names& names) {
  std::vector<RepoFile> files;
  for (const std::string& name : names) files.push_back({name, std::nullopt, ""});
  return files;
}

TEST(SelectFiles, TakesWhatAModelNeedsAndNothingElse) {
  EXPECT_EQ(
      selected(sizeless({".gitattributes", "1_Pooling/config.json", "README.md", "chat_template.jinja", "config.json",
                         "generation_config.json", "model.safetensors", "onnx/model.onnx", "original/config.json",
                         "original/consolidated.safetensors", "pytorch_model.bin", "special_tokens_map.json",
                         "tokenizer.json", "tokenizer.model", "tokenizer_config.json", "model-i2_s.gguf"})),
      (Names{"model.safetensors", "1_Pooling/config.json", "chat_template.jinja", "config.json",
             "generation_config.json", "special_tokens_map.json", "tokenizer.json", "tokenizer_config.json"}));
}

TEST(SelectFiles, TakesTheSmallerOfOneFileAndShards) {
  const auto names = [](std::optional<std::int64_t> one, std::optional<std::int64_t> shard) {
    return selected({{"config.json", 2, ""},
                     {"model-00001-of-00002.safetensors", shard, ""},
                     {"model-00002-of-00002.safetensors", shard, ""},
                     {"model.safetensors", one, ""},
                     {"model.safetensors.index.json", 10, ""}});
  };
  const Names sharded = {"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors",
                         "model.safetensors.index.json", "config.json"};
  EXPECT_EQ(names(100, 200), (Names{"model.safetensors", "config.json"}));
  EXPECT_EQ(names(500, 200), sharded);
  EXPECT_EQ(names(std::nullopt, std::nullopt), (Names{"model.safetensors", "config.json"}));
}

TEST(SelectFiles, PrefersTernaryGgufFilesAndThenSmallOnes) {
  std::vector<RepoFile> files = {{"a-f16.gguf", 900, ""},
                                 {"b-Q8_0.gguf", 500, ""},
                                 {"c-TQ1_0.gguf", 100, ""},
                                 {"d-TQ2_0.gguf", 120, ""},
                                 {"e/ggml-model-I2_S.gguf", 130, ""},
                                 {"f-00001-of-00002.gguf", 1, ""},
                                 {"mmproj-x.gguf", 1, ""}};
  for (const char* expected : {"e/ggml-model-I2_S.gguf", "d-TQ2_0.gguf", "c-TQ1_0.gguf", "b-Q8_0.gguf", "a-f16.gguf"}) {
    EXPECT_EQ(selected(files), Names{expected});
    EXPECT_TRUE(is_gguf_model(select_files(files, {}, "")));
    std::erase_if(files, [&](const RepoFile& file) { return file.name == expected; });
  }
  expect_error(ErrorKind::not_found, {"org/model", "mmproj-x.gguf"}, [&] { (void)selected(files); });
}

TEST(SelectFiles, SaysWhatThereIsWhenNothingFits) {
  expect_error(ErrorKind::not_found, {"config.json", "found \"README.md\", \"pytorch_model.bin\""}, [] {
    (void)selected(sizeless({"README.md", "pytorch_model.bin"}));
  });
  expect_error(ErrorKind::not_found, {"no file"}, [] { (void)selected({}); });
  expect_error(ErrorKind::not_found, {"and 2 more"}, [] {
    (void)selected(sizeless({"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"}));
  });
  expect_error(ErrorKind::not_found, {"no file matches"}, [] { (void)selected(sizeless({"a"}), {"*.bin"}); });
}

TEST(RepoInfo, ReadsSizesAndChecksums) {
  const std::string sha256(64, 'a');
  const RepoInfo info = parse_repo_info(
      R"({"sha": "0123456789abcdef0123456789abcdef01234567", "siblings": [{"rfilename": "a/b"},
          {"rfilename": "c", "size": 5, "blobId": "0123456789abcdef0123456789abcdef01234567"},
          {"rfilename": "d", "size": 6, "blobId": "0123456789abcdef0123456789abcdef01234567",
           "lfs": {"sha256": ")" +
          sha256 + R"("}}]})",
      "list");
  ASSERT_EQ(info.files.size(), 3U);
  EXPECT_EQ(info.files[0].size, std::nullopt);
  EXPECT_EQ(info.files[1].etag, info.commit);
  EXPECT_EQ(info.files[2].size, 6);
  EXPECT_EQ(info.files[2].etag, sha256);
}

TEST(RepoInfo, RefusesWhatIsNoList) {
  const std::string sha = R"("sha": "0123456789abcdef0123456789abcdef01234567")";
  const std::map<std::string, const char*> wrong = {
      {"", "list"},
      {"[]", "sha is missing"},
      {R"({"siblings": []})", "sha is missing"},
      {R"({"sha": "ABC", "siblings": []})", "40 hexadecimal digits"},
      {"{" + sha + "}", "siblings is missing"},
      {"{" + sha + R"(, "siblings": [3]})", "rfilename is missing"},
      {"{" + sha + R"(, "siblings": [{"rfilename": "a", "size": -1}]})", "size"},
      {"{" + sha + R"(, "siblings": [{"rfilename": "a", "size": 1e300}]})", "size"},
      {"{" + sha + R"(, "siblings": [{"rfilename": "a\u0000b"}]})", "leads out of its folder"},
      {"{" + sha + R"(, "siblings": [{"rfilename": "a"}, {"rfilename": "a"}]})", "twice"},
      {"{" + sha + R"(, "siblings": [{"rfilename": ")" + std::string(300, 'a') + R"("}]})", "leads out of its folder"},
  };
  for (const auto& [json, part] : wrong) {
    expect_error(ErrorKind::corrupt, {part}, [&, &text = json] { (void)parse_repo_info(text, "list"); });
  }
}

TEST(RepoInfo, EtagsLoseTheirDress) {
  EXPECT_EQ(bare_etag("\"abc\""), "abc");
  EXPECT_EQ(bare_etag("W/\"abc\""), "abc");
  EXPECT_EQ(bare_etag("abc"), "abc");
  EXPECT_EQ(bare_etag("\""), "\"");
}

TEST(Digest, IsSha256OrTheNameOfAGitBlob) {
  const auto digest = [](std::size_t digits) {
    Digest value(std::string(digits, '0'), 6);
    value.update(std::as_bytes(std::span("hel", 3)));
    value.update(std::as_bytes(std::span("lo\n", 3)));
    return value.finish();
  };
  EXPECT_EQ(digest(64), "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03");
  EXPECT_EQ(digest(40), "ce013625030ba8dba906f756967f9e9ca394464a");  // git hash-object
}

/// The variables of the hub, set for one test and as they were after it.
class Environment : public testing::Test {
 protected:
  Environment() {
    for (const char* name :
         {"HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME", "HOME", "HF_ENDPOINT", "HF_TOKEN",
          "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH", "HF_HUB_DISABLE_IMPLICIT_TOKEN", "HF_HUB_OFFLINE",
          "TRANSFORMERS_OFFLINE", "SSL_CERT_FILE"}) {
      const char* value = std::getenv(name);
      before_[name] = value == nullptr ? std::nullopt : std::optional<std::string>(value);
      unsetenv(name);
    }
    set("HOME", folder.path());
  }
  ~Environment() override {
    for (const auto& [name, value] : before_) value ? setenv(name.c_str(), value->c_str(), 1) : unsetenv(name.c_str());
  }
  static void set(const char* name, const std::string& value) { setenv(name, value.c_str(), 1); }

  testing_support::TemporaryFolder folder;

 private:
  std::map<std::string, std::optional<std::string>> before_;
};

TEST_F(Environment, TheCacheIsWhereTheOtherToolsHaveIt) {
  EXPECT_EQ(hub_options_from_environment().cache, folder.path() / ".cache/huggingface/hub");
  set("XDG_CACHE_HOME", "/xdg");
  EXPECT_EQ(hub_options_from_environment().cache, "/xdg/huggingface/hub");
  set("HF_HOME", "~/hf");
  EXPECT_EQ(hub_options_from_environment().cache, folder.path() / "hf/hub");
  set("HUGGINGFACE_HUB_CACHE", "/old");
  EXPECT_EQ(hub_options_from_environment().cache, "/old");
  set("HF_HUB_CACHE", "/new");
  EXPECT_EQ(hub_options_from_environment().cache, "/new");
  unsetenv("HOME");
  set("HF_HUB_CACHE", "~/hub");
  expect_error(ErrorKind::not_found, {"HOME is not set", "~/hub"}, [] { (void)hub_options_from_environment(); });
}

TEST_F(Environment, TheTokenIsInAVariableOrInAFile) {
  EXPECT_EQ(hub_options_from_environment().token, "");
  set("HF_HOME", folder.path());
  std::ofstream(folder.path() / "token") << "hf_file\n";
  EXPECT_EQ(hub_options_from_environment().token, "hf_file");
  std::ofstream(folder.path() / "elsewhere") << "hf_elsewhere";
  set("HF_TOKEN_PATH", folder.path() / "elsewhere");
  EXPECT_EQ(hub_options_from_environment().token, "hf_elsewhere");
  set("HUGGING_FACE_HUB_TOKEN", "hf_old");
  EXPECT_EQ(hub_options_from_environment().token, "hf_old");
  set("HF_TOKEN", " hf_new ");
  EXPECT_EQ(hub_options_from_environment().token, "hf_new");
  set("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1");
  EXPECT_EQ(hub_options_from_environment().token, "");
}

TEST_F(Environment, EndpointAndOffline) {
  EXPECT_EQ(hub_options_from_environment().endpoint, "https://huggingface.co");
  EXPECT_FALSE(hub_options_from_environment().offline);
  set("HF_ENDPOINT", "http://mirror.example/hf/");
  set("HF_HUB_OFFLINE", "yes");
  EXPECT_EQ(hub_options_from_environment().endpoint, "http://mirror.example/hf");
  EXPECT_TRUE(hub_options_from_environment().offline);
  set("HF_HUB_OFFLINE", "0");
  EXPECT_FALSE(hub_options_from_environment().offline);
  set("TRANSFORMERS_OFFLINE", "1");
  EXPECT_TRUE(hub_options_from_environment().offline);
}

}  // namespace
}  // namespace bitnet::hub
