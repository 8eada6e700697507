/// Pulls from a hub on the loopback, which answers as the real one does and then worse.

#include "hub/pull.h"

#include <gtest/gtest.h>

#include <fstream>
#include <random>
#include <sstream>

#include "support/expect_error.h"
#include "support/fake_hub.h"
#include "support/temporary_folder.h"

namespace bitnet::hub {
namespace {

namespace fs = std::filesystem;
using testing_support::expect_error;
using testing_support::FakeHub;
using testing_support::HttpRequest;
using testing_support::Reply;
using testing_support::reply;
using Fault = std::optional<Reply>;

std::string random_text(std::size_t size, unsigned seed) {
  std::mt19937 random(seed);
  std::string text(size, '\0');
  for (char& c : text) c = static_cast<char>(random());
  return text;
}

std::string read(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

void write(const fs::path& path, const std::string& text) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << text;
}

/// A hub, a cache, and a client in no hurry whose pieces are small.
class Pull : public testing::Test {
 protected:
  Pull() {
    setenv("no_proxy", "127.0.0.1", 1);
    hub.files["config.json"] = {R"({"hidden_size": 48})"};
    hub.files["tokenizer.json"] = {"{}"};
    hub.files["README.md"] = {"# Read me"};
    hub.files["pytorch_model.bin"] = {"pickle"};
    hub.files["model.safetensors"] = {random_text(20'000, 1), true};
    options.cache = folder.path() / "hub";
    options.endpoint = hub.url();
    options.token = "hf_secret";
    options.connections = 4;
    options.log = [this](const std::string& message) { messages += message + "\n"; };
    plumbing.smallest_segment = plumbing.largest_segment = 1000;
    plumbing.window = 6;
    plumbing.retry.sleep = [this](std::chrono::milliseconds time) {
      const std::lock_guard lock(mutex);
      waits.push_back(time);
      return true;
    };
  }

  fs::path pull(const std::string& id = "org/model") { return pull_with(id, options, plumbing); }
  [[nodiscard]] fs::path model() const { return options.cache / "models--org--model"; }
  [[nodiscard]] fs::path blob(const std::string& name) const { return model() / "blobs" / hub.files.at(name).etag(); }
  [[nodiscard]] fs::path incomplete() const { return blob("model.safetensors").string() + ".incomplete"; }
  [[nodiscard]] const std::string& weights() const { return hub.files.at("model.safetensors").content; }
  void expect_pulled() {
    const fs::path path = pull();
    EXPECT_EQ(path, model() / "snapshots" / FakeHub::kCommit);
    EXPECT_EQ(read(path / "config.json"), hub.files.at("config.json").content);
    EXPECT_TRUE(read(path / "model.safetensors") == weights());
    EXPECT_FALSE(fs::exists(incomplete()));
  }
  /// Nothing that failed is taken for whole.
  void expect_nothing_named() const {
    EXPECT_FALSE(fs::exists(blob("model.safetensors")));
    EXPECT_FALSE(fs::exists(model() / "snapshots"));
    EXPECT_FALSE(fs::exists(model() / "refs"));
  }

  testing_support::TemporaryFolder folder;
  FakeHub hub;
  HubOptions options;
  Plumbing plumbing;
  std::string messages;
  std::mutex mutex;
  std::vector<std::chrono::milliseconds> waits;
};

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

TEST_F(Pull, GoesOnWhereConnectionsAreCut) {
  hub.content_fault = [&](const HttpRequest& request) -> Fault {
    if (request.target.find("safetensors") == std::string::npos) return std::nullopt;
    Reply cut = FakeHub::content_reply(weights(), request);
    const std::size_t body = cut.bytes.find("\r\n\r\n") + 4;
    cut.bytes.resize(std::min(cut.bytes.size(), body + 400));
    cut.after = Reply::After::cut;
    return cut;
  };
  expect_pulled();
  EXPECT_EQ(hub.requests_of_second_host().size(), 60U) << "400, 400 and 200 bytes of each thousand";
}

TEST_F(Pull, AServerWithoutRangesSendsTheWholeFileAndIsResumedBySkipping) {
  int answers = 0;
  hub.content_fault = [&](const HttpRequest& request) -> Fault {
    if (request.target.find("safetensors") == std::string::npos) return std::nullopt;
    Reply whole = reply(200, weights());
    if (++answers < 3) {
      whole.bytes.resize(whole.bytes.size() - 9'500);
      whole.after = Reply::After::cut;
    }
    return whole;
  };
  expect_pulled();
  EXPECT_EQ(hub.requests_of_second_host().size(), 3U);
}

/// A wrong answer to a request for bytes, and what the error says of it.
struct Lie {
  const char* name;
  std::function<Reply(const std::string& content, const HttpRequest& request)> answer;
  const char* message;
};
void PrintTo(const Lie& lie, std::ostream* out) { *out << lie.name; }

class PullLies : public Pull, public testing::WithParamInterface<Lie> {};

TEST_P(PullLies, IsAnErrorAndNothingIsNamed) {
  hub.content_fault = [&](const HttpRequest& request) -> Fault {
    if (request.target.find("safetensors") == std::string::npos) return std::nullopt;
    return GetParam().answer(weights(), request);
  };
  expect_error(ErrorKind::corrupt, {GetParam().message, "model.safetensors"}, [&] { (void)pull(); });
  expect_nothing_named();
}

Reply with_range(const std::string& range, const std::string& body) {
  return reply(206, body, {{"Content-Range", range}});
}

INSTANTIATE_TEST_SUITE_P(
    Hub, PullLies,
    testing::Values(
        Lie{"other_range", [](auto&, auto&) { return with_range("bytes 5-1004/20000", std::string(1000, 'x')); },
            "the answer is the range"},
        Lie{"other_size", [](auto&, auto&) { return with_range("bytes 0-999/30000", std::string(1000, 'x')); },
            "the answer is the range"},
        Lie{"no_range", [](auto&, auto&) { return reply(206, std::string(1000, 'x')); }, "that it does not say"},
        Lie{"longer",
            [](auto& content, auto& request) {
              Reply longer = FakeHub::content_reply(content, request);
              const std::size_t at = longer.bytes.find("Content-Length: 1000");
              longer.bytes.replace(at, 20, "Content-Length: 1001");
              longer.bytes += "x";
              return longer;
            },
            "sent more than"},
        Lie{"whole_but_longer", [](auto& content, auto&) { return reply(200, content + "x"); }, "20001"},
        Lie{"whole_but_shorter", [](auto&, auto&) { return reply(200, "short"); }, "expected 20000"},
        Lie{"not_there", [](auto&, auto&) { return reply(416); }, "the server has no byte"},
        Lie{"corrupt",
            [](auto& content, auto& request) {
              Reply wrong = FakeHub::content_reply(content, request);
              wrong.bytes.back() ^= 1;
              return wrong;
            },
            "does not have the checksum"}),
    [](const auto& instance) { return instance.param.name; });

TEST_F(Pull, ContentThatWasDamagedOnceIsDownloadedOnceMore) {
  bool damaged = false;
  hub.content_fault = [&](const HttpRequest& request) -> Fault {
    if (damaged || request.target.find("safetensors") == std::string::npos) return std::nullopt;
    damaged = true;
    Reply wrong = FakeHub::content_reply(weights(), request);
    wrong.bytes.back() ^= 1;
    return wrong;
  };
  expect_pulled();
  EXPECT_NE(messages.find("downloading it once more"), std::string::npos);
}

TEST_F(Pull, AnAnswerThatEndsTooSoonIsTriedAgainAndThenAnError) {
  hub.content_fault = [](const HttpRequest& request) -> Fault {
    if (request.target.find("safetensors") == std::string::npos) return std::nullopt;
    const std::string range = request.header("range");
    return with_range("bytes " + range.substr(range.find('=') + 1) + "/20000", "");
  };
  expect_error(ErrorKind::io, {"the answer ended after 0 of 1000 bytes"}, [&] { (void)pull(); });
  expect_nothing_named();
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

TEST_F(Pull, WhatIsLeftOfAnotherFileIsNotContinued) {
  write(incomplete(), std::string(12'345, 'x'));
  expect_pulled();
  EXPECT_NE(messages.find("once more"), std::string::npos);
  fs::remove_all(options.cache);
  write(incomplete(), std::string(30'000, 'x'));  // longer than the file
  expect_pulled();
}

TEST_F(Pull, StopsWhenItIsToldToAndContinuesLater) {
  std::atomic<int> answered = 0;
  hub.content_fault = [&](const HttpRequest& request) -> Fault {
    if (request.target.find("safetensors") == std::string::npos || ++answered <= 10) return std::nullopt;
    return Reply{"", Reply::After::hang};
  };
  options.on_progress = [&](const PullProgress&) { return answered <= 10; };
  expect_error(ErrorKind::cancelled, {"stopped"}, [&] { (void)pull(); });
  expect_nothing_named();
  EXPECT_GE(fs::file_size(incomplete()), 1000U);
  EXPECT_TRUE(read(incomplete()) == weights().substr(0, fs::file_size(incomplete()))) << "without holes";
  hub.content_fault = {};
  PullProgress last;
  options.on_progress = [&](const PullProgress& progress) {
    last = progress;
    return true;
  };
  expect_pulled();
  EXPECT_EQ(last.bytes, last.total_bytes);
  EXPECT_GE(last.total_bytes, static_cast<std::int64_t>(weights().size()));
}

TEST_F(Pull, WaitsAsLongAsABusyServerAsks) {
  int answers = 0;
  hub.api_fault = [&](const HttpRequest&) -> Fault {
    if (++answers == 1) return reply(429, "", {{"Retry-After", "7"}});
    if (answers == 2) return reply(503);
    return std::nullopt;
  };
  expect_pulled();
  ASSERT_EQ(waits.size(), 2U);
  EXPECT_EQ(waits[0], std::chrono::seconds(7));
  EXPECT_GE(waits[1], std::chrono::milliseconds(500));
  EXPECT_LE(waits[1], std::chrono::milliseconds(1000));
}

TEST_F(Pull, GivesABusyServerUp) {
  hub.api_fault = [](const HttpRequest&) { return reply(429, "", {{"Retry-After", "3600"}}); };
  expect_error(ErrorKind::io, {"status 429", "3600 s"}, [&] { (void)pull(); });
  EXPECT_TRUE(waits.empty());
  hub.api_fault = [](const HttpRequest&) { return reply(500); };
  expect_error(ErrorKind::io, {"status 500"}, [&] { (void)pull(); });
  EXPECT_EQ(waits.size(), 5U);
}

TEST_F(Pull, SaysWhatARefusalMeans) {
  const auto refused = [&](ErrorKind kind, std::initializer_list<std::string_view> parts, const Reply& answer) {
    hub.api_fault = [&](const HttpRequest&) { return answer; };
    expect_error(kind, parts, [&] { (void)pull("org/model@v1"); });
  };
  refused(ErrorKind::not_found, {"the model does not exist", "404"}, reply(404));
  refused(ErrorKind::not_found, {"org/model has no revision \"v1\""},
          reply(404, "", {{"X-Error-Code", "RevisionNotFound"}}));
  refused(ErrorKind::not_found, {"private", "the token that was sent"}, reply(401));
  refused(ErrorKind::io, {"terms to accept", "/org/model", "HF_TOKEN"}, reply(403));
  options.token.clear();
  refused(ErrorKind::not_found, {"private", "set HF_TOKEN"}, reply(401));
  hub.api_fault = {};
  hub.head_fault = [](const HttpRequest&) { return reply(403, "", {{"X-Error-Code", "GatedRepo"}}); };
  expect_error(ErrorKind::io, {"the file \"", "terms to accept"}, [&] { (void)pull(); });
}

TEST_F(Pull, AnExpiredAddressIsRenewed) {
  int answers = 0;
  hub.content_fault = [&](const HttpRequest& request) -> Fault {
    if (request.target.find("signature") != std::string::npos && ++answers == 5) return reply(403);
    return std::nullopt;
  };
  expect_pulled();
  hub.content_fault = [](const HttpRequest&) { return reply(403); };
  fs::remove_all(options.cache);
  expect_error(ErrorKind::io, {"403"}, [&] { (void)pull(); });
}

TEST_F(Pull, ContentThatChangesDuringTheDownloadIsAnError) {
  int answers = 0;
  hub.content_fault = [&](const HttpRequest& request) -> Fault {
    if (request.target.find("signature") == std::string::npos || ++answers < 3) return std::nullopt;
    return reply(403);
  };
  int heads = 0;
  hub.head_fault = [&](const HttpRequest& request) -> Fault {
    if (request.target.find("safetensors") == std::string::npos || ++heads == 1) return std::nullopt;
    return reply(200, weights(), {{"ETag", '"' + std::string(64, 'a') + '"'}});
  };
  hub.lists_blobs = false;
  expect_error(ErrorKind::corrupt, {"changed while it was downloaded"}, [&] { (void)pull(); });
  expect_nothing_named();
}

TEST_F(Pull, HeadAndListMustAgree) {
  const auto refused = [&](std::initializer_list<std::string_view> parts, const Reply& answer) {
    hub.head_fault = [&](const HttpRequest&) { return answer; };
    expect_error(ErrorKind::corrupt, parts, [&] { (void)pull(); });
    expect_nothing_named();
  };
  refused({"the list of files says"}, reply(200, "", {{"ETag", '"' + std::string(64, 'a') + '"'}}));
  refused({"neither a SHA-256 nor git's SHA-1", "../../x"}, reply(200, "", {{"ETag", "\"../../x\""}}));
  refused({"commit \"ffff\""}, reply(200, "", {{"ETag", "\"abc\""}, {"X-Repo-Commit", "ffff"}}));
  refused({"the size is \"-1\""},
          reply(200, "", {{"ETag", '"' + std::string(64, 'a') + '"'}, {"X-Linked-Size", "-1"}}));
}

TEST_F(Pull, AListThatLeadsOutOfTheFolderIsRefused) {
  for (const char* name : {"../config.json", "/etc/passwd", "a/../../b", "a//b", "a\\b", "", "."}) {
    hub.files = {{"config.json", {"{}"}}, {name, {"x"}}};
    expect_error(ErrorKind::corrupt, {"the file name"}, [&] { (void)pull(); });
  }
  hub.api_fault = [](const HttpRequest&) { return reply(200, R"({"sha": "main", "siblings": []})"); };
  expect_error(ErrorKind::corrupt, {"sha is \"main\""}, [&] { (void)pull(); });
  EXPECT_FALSE(fs::exists(options.cache));
}

TEST_F(Pull, NoLinkIsFollowedWhereSomethingIsWritten) {
  const fs::path outside = folder.path() / "outside";
  const auto planted = [&](const fs::path& link) {
    fs::remove_all(options.cache);
    fs::remove_all(outside);
    fs::create_directories(outside);
    fs::create_directories(link.parent_path());
    fs::create_symlink(outside, link);
    expect_error(ErrorKind::io, {link.filename().string()}, [&] { (void)pull(); });
    EXPECT_TRUE(fs::is_empty(outside)) << link;
  };
  planted(model());
  planted(model() / "blobs");
  planted(model() / "snapshots");
  planted(model() / "refs");
  planted(options.cache / ".locks");
  // A file in the place of the part that is appended to, by a symbolic and by a hard link.
  for (const bool hard : {false, true}) {
    fs::remove_all(options.cache);
    write(outside / "file", "precious");
    fs::create_directories(incomplete().parent_path());
    if (hard) {
      fs::create_hard_link(outside / "file", incomplete());
    } else {
      fs::create_symlink(outside / "file", incomplete());
    }
    expect_error(ErrorKind::io, {"incomplete"}, [&] { (void)pull(); });
    EXPECT_EQ(read(outside / "file"), "precious");
  }
}

TEST_F(Pull, ALinkInThePlaceOfAPointerIsReplacedAndNotFollowed) {
  write(folder.path() / "file", "precious");
  const fs::path snapshot = model() / "snapshots" / FakeHub::kCommit;
  fs::create_directories(snapshot);
  fs::create_symlink(folder.path() / "file", snapshot / "config.json");
  expect_pulled();
  EXPECT_EQ(read(folder.path() / "file"), "precious");
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

TEST_F(Pull, AnIdThatIsNoneIsRefused) {
  for (const char* id : {"model", "org/model/x", "../model", "org/..", "/org/model", "org/model@", "org/mo del",
                         "org/model@../x", "org/model@a\\b", "org--a/model", "org/.model", "org/model@/x"}) {
    EXPECT_FALSE(is_model_id(id)) << id;
    expect_error(ErrorKind::invalid_argument, {"no id of a model"}, [&] { (void)pull(id); });
  }
  EXPECT_FALSE(is_model_id(std::string_view("org/mo\0del", 10)));
  EXPECT_FALSE(is_model_id("org/" + std::string(97, 'a')));
  EXPECT_FALSE(is_model_id("org/model@" + std::string(256, 'a')));
  for (const char* id : {"microsoft/bitnet-b1.58-2B-4T", "a/b@main", "1bitLLM/x_y", "a/b@refs/pr/3"}) {
    EXPECT_TRUE(is_model_id(id)) << id;
  }
}

TEST_F(Pull, ATokenCannotBringHeadersWithIt) {
  options.token = "hf_a\r\nX-Evil: 1";
  expect_error(ErrorKind::invalid_argument, {"token"}, [&] { (void)pull(); });
}

}  // namespace
}  // namespace bitnet::hub
