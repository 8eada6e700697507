/// Pulls from a hub on the loopback that answers as the real one does.

#include <fcntl.h>
#include <sys/file.h>

#include "hub/unique_fd.h"
#include "support/pull_fixture.h"

namespace bitnet::hub {
namespace {

TEST_F(Pull, MakesTheLayoutOfTheOtherTools) {
  const fs::path path = pull();
  EXPECT_EQ(path, model() / "snapshots" / FakeHub::kCommit);
  EXPECT_EQ(read(model() / "refs/main"), FakeHub::kCommit);
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(path)) {
    names.push_back(entry.path().filename());
    EXPECT_EQ(fs::read_symlink(entry.path()), "../../blobs/" + hub.files.at(names.back()).etag());
    EXPECT_TRUE(read(entry.path()) == hub.files.at(names.back()).content);
  }
  std::sort(names.begin(), names.end());
  EXPECT_EQ(names, (std::vector<std::string>{"config.json", "model.safetensors", "tokenizer.json"}));
  EXPECT_TRUE(
      fs::exists(options.cache / ".locks/models--org--model" / (blob("config.json").filename().string() + ".lock")));
  EXPECT_EQ(messages, "");
}

TEST_F(Pull, TheTokenGoesToTheHubAndNotToTheOtherHost) {
  pull();
  for (const HttpRequest& request : hub.requests()) EXPECT_EQ(request.header("authorization"), "Bearer hf_secret");
  const auto others = hub.requests_of_second_host();
  EXPECT_EQ(others.size(), 20U) << "20000 bytes in pieces of 1000";
  for (const HttpRequest& request : others) EXPECT_EQ(request.header("authorization"), "");
}

TEST_F(Pull, AsksOnceWhichCommitABranchIsAndNobodyForACommit) {
  pull();
  const std::size_t before = hub.requests().size();
  expect_pulled();
  EXPECT_EQ(hub.requests().size(), before + 1);
  pull("org/model@" + FakeHub::kCommit);
  EXPECT_EQ(hub.requests().size(), before + 1);
}

TEST_F(Pull, ANewCommitSharesBlobsWithTheOldOne) {
  const fs::path old = pull();
  const std::size_t before = hub.requests_of_second_host().size();
  hub.commit = "1123456789abcdef0123456789abcdef01234567";
  hub.files["config.json"] = {"{}"};
  const fs::path path = pull();
  EXPECT_EQ(path, model() / "snapshots" / hub.commit);
  EXPECT_EQ(read(path / "config.json"), "{}");
  EXPECT_TRUE(read(path / "model.safetensors") == weights());
  EXPECT_EQ(read(model() / "refs/main"), hub.commit);
  EXPECT_EQ(hub.requests_of_second_host().size(), before) << "the weights did not change";
  EXPECT_TRUE(fs::exists(old / "config.json"));
}

TEST_F(Pull, ABranchWithASlashIsAFolderOfRefs) {
  pull("org/model@refs/pr/1");
  EXPECT_EQ(read(model() / "refs/refs/pr/1"), FakeHub::kCommit);
  EXPECT_EQ(hub.requests().front().target, "/api/models/org/model/revision/refs%2Fpr%2F1?blobs=true");
}

TEST_F(Pull, AListWithoutSizesAndChecksumsIsEnough) {
  hub.lists_blobs = false;
  expect_pulled();
}

TEST_F(Pull, FindsWhatPythonDownloaded) {
  const fs::path snapshot = model() / "snapshots" / FakeHub::kCommit;
  write(model() / "refs/main", FakeHub::kCommit);
  write(model() / "blobs/aaa", "{}");
  write(model() / "blobs/bbb", "weights");
  fs::create_directories(snapshot);
  fs::create_symlink("../../blobs/aaa", snapshot / "config.json");
  fs::create_symlink("../../blobs/bbb", snapshot / "model.safetensors");
  options.offline = true;
  EXPECT_EQ(pull(), snapshot);
  EXPECT_TRUE(hub.requests().empty());
  fs::remove(model() / "blobs/bbb");
  expect_error(ErrorKind::not_found, {"org/model is not complete in", "HF_HUB_OFFLINE"}, [&] { (void)pull(); });
}

TEST_F(Pull, OfflineAnIndexNeedsAllOfItsShards) {
  const fs::path snapshot = model() / "snapshots" / FakeHub::kCommit;
  const std::string shards[] = {"model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"};
  write(snapshot / "config.json", "{}");
  write(snapshot / "model.safetensors.index.json",
        R"({"weight_map": {"a": ")" + shards[0] + R"(", "b": ")" + shards[1] + R"("}})");
  write(snapshot / shards[0], "a");
  options.offline = true;
  const std::string id = "org/model@" + FakeHub::kCommit;
  expect_error(ErrorKind::not_found, {"not complete"}, [&] { (void)pull(id); });
  write(snapshot / shards[1], "b");
  EXPECT_EQ(pull(id), snapshot);
}

TEST_F(Pull, WithoutAnAnswerTheCacheIsUsed) {
  const fs::path path = pull();
  hub.api_fault = [](const HttpRequest&) { return reply(503); };
  EXPECT_EQ(pull(), path);
  EXPECT_NE(messages.find("the cache's copy is used"), std::string::npos);
  EXPECT_NE(messages.find("status 503"), std::string::npos) << messages;
  EXPECT_TRUE(waits.empty()) << "nobody waits for what is there";
}

TEST_F(Pull, WithoutAServerAndWithoutACacheTheErrorSaysSo) {
  options.endpoint = "http://127.0.0.1:1";
  expect_error(ErrorKind::io, {"http://127.0.0.1:1/api/models/org/model", "onnect"}, [&] { (void)pull(); });
  EXPECT_EQ(waits.size(), 5U);
}

TEST_F(Pull, GetsTheOneBestGgufFileOfAModelWithoutSafetensors) {
  hub.files = {
      {"README.md", {"x"}}, {"ggml-model-f16.gguf", {"abc", true}}, {"ggml-model-i2_s.gguf", {"abcdef", true}}};
  const fs::path path = pull();
  EXPECT_EQ(path, model() / "snapshots" / FakeHub::kCommit / "ggml-model-i2_s.gguf");
  EXPECT_EQ(read(path), "abcdef");
  options.offline = true;
  EXPECT_EQ(pull(), path);
}

TEST_F(Pull, PatternsSayWhatIsIncluded) {
  options.include = {"*.md", "tok*"};
  const fs::path path = pull();
  EXPECT_TRUE(fs::exists(path / "README.md"));
  EXPECT_TRUE(fs::exists(path / "tokenizer.json"));
  EXPECT_FALSE(fs::exists(path / "model.safetensors"));
  options.include.clear();
  expect_pulled();
}

TEST_F(Pull, AnEmptyFileInASubfolderIsAFile) {
  hub.files["a/b/empty.txt"] = {""};
  options.include = {"a/*"};
  const fs::path path = pull() / "a/b/empty.txt";
  EXPECT_EQ(fs::read_symlink(path).string().substr(0, 22), "../../../../blobs/e69d") << "git's name of an empty file";
  EXPECT_EQ(fs::file_size(path), 0U);
}

TEST_F(Pull, TwoAtOnceDownloadOnce) {
  fs::path one;
  std::thread other([&] { one = pull(); });
  HubOptions quiet = options;
  quiet.log = {};
  const fs::path two = pull_with("org/model", quiet, plumbing);
  other.join();
  EXPECT_EQ(one, two);
  EXPECT_EQ(hub.requests_of_second_host().size(), 20U);
  EXPECT_TRUE(read(two / "model.safetensors") == weights());
}

TEST_F(Pull, ContinuesWhatAnEarlierRunLeft) {
  write(incomplete(), weights().substr(0, 12'345));
  expect_pulled();
  const auto requests = hub.requests_of_second_host();
  EXPECT_EQ(requests.size(), 8U) << "7655 bytes in pieces of 1000";
  EXPECT_EQ(requests.front().header("range"), "bytes=12345-13344");
}

TEST_F(Pull, WhatAnEarlierRunLeftCompleteNeedsNoByte) {
  write(incomplete(), weights());
  expect_pulled();
  EXPECT_TRUE(hub.requests_of_second_host().empty());
}

TEST_F(Pull, WaitsForAnotherProcessThatDownloadsTheSame) {
  const fs::path lock =
      options.cache / ".locks/models--org--model" / (blob("model.safetensors").filename().string() + ".lock");
  write(lock, "");
  UniqueFd held(::open(lock.c_str(), O_RDWR));
  ASSERT_EQ(flock(held.get(), LOCK_EX), 0);
  options.log = [&](const std::string& message) {
    messages += message;
    write(blob("model.safetensors"), weights());  // the other one is done
    held = UniqueFd();
  };
  expect_pulled();
  EXPECT_EQ(messages, "another process is downloading \"model.safetensors\"; waiting for it");
  EXPECT_TRUE(hub.requests_of_second_host().empty());
}

}  // namespace
}  // namespace bitnet::hub
