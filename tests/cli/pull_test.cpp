/// bitnet pull, and ids in place of paths, with a hub on the loopback.

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "base/json.h"
#include "cli/program.h"
#include "support/fake_hub.h"
#include "support/temporary_folder.h"

namespace bitnet::cli_test {
namespace {

namespace fs = std::filesystem;
using testing_support::FakeHub;
using testing_support::HttpRequest;
using testing_support::Reply;
using testing_support::reply;

/// The default model on a hub, and an empty cache.
class Hub : public testing::Test {
 protected:
  Hub() {
    for (const char* name : {"config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors"}) {
      std::ostringstream text;
      text << std::ifstream(fs::path(BITNET_SOURCE_DIR) / "models/fairy-bitnet" / name, std::ios::binary).rdbuf();
      hub.files[name] = {text.str(), fs::path(name).extension() == ".safetensors"};
    }
  }

  [[nodiscard]] Start start(std::vector<std::string> arguments, const char* offline = "0") const {
    return {std::move(arguments),
            {},
            {},
            {{"HF_HUB_CACHE", folder.path()},
             {"HF_ENDPOINT", hub.url()},
             {"HF_HUB_OFFLINE", offline},
             {"HF_TOKEN", ""},
             {"HF_TOKEN_PATH", "/dev/null"},
             {"no_proxy", "127.0.0.1"}}};
  }
  [[nodiscard]] std::string snapshot() const {
    return (folder.path() / "models--org--model/snapshots" / FakeHub::kCommit).string();
  }

  FakeHub hub;
  testing_support::TemporaryFolder folder;
};

TEST_F(Hub, PullPrintsWhereTheModelIs) {
  const Outcome first = run(start({"pull", "org/model"}));
  EXPECT_EQ(first.status, 0);
  EXPECT_EQ(first.out, snapshot() + "\n");
  EXPECT_EQ(first.err, "") << "a progress bar is for terminals";
  const Json json = parse_json(run(start({"pull", "org/model@main", "--json"})).out, "pull");
  EXPECT_EQ(json.at("path"), snapshot());
  EXPECT_EQ(json.at("bytes"), 0) << "all was there";
}

TEST_F(Hub, PullTakesPatterns) {
  hub.files["README.md"] = {"# Read me"};
  EXPECT_EQ(run(start({"pull", "org/model", "--include", "*.md", "--include", "config*"})).status, 0);
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(snapshot())) names.push_back(entry.path().filename());
  std::sort(names.begin(), names.end());
  EXPECT_EQ(names, (std::vector<std::string>{"README.md", "config.json"}));
}

TEST_F(Hub, AnIdIsAModelForEveryCommand) {
  const std::vector<std::string> rest = {"Once upon a time", "--greedy", "--max-new-tokens", "5", "--quiet"};
  std::vector<std::string> by_path = {"run"};
  std::vector<std::string> by_id = {"run", "org/model"};
  by_path.insert(by_path.end(), rest.begin(), rest.end());
  by_id.insert(by_id.end(), rest.begin(), rest.end());
  const Outcome pulled = run(start(by_id));
  EXPECT_EQ(pulled.err, "");
  EXPECT_EQ(pulled.out, run(by_path).out);
  const std::size_t requests = hub.requests().size();
  EXPECT_EQ(parse_json(run(start({"info", "org/model", "--json"})).out, "info").at("model"), snapshot());
  EXPECT_EQ(hub.requests().size(), requests + 1) << "one question: which commit it is";
  EXPECT_EQ(run(start({"tokenize", "org/model", "Once"}, "1")).status, 0);
  EXPECT_EQ(hub.requests().size(), requests + 1) << "offline";
}

TEST_F(Hub, ANameThatIsNothingIsAnErrorAboutBothMeanings) {
  const Outcome no_model = run(start({"info", "org/other"}));
  EXPECT_EQ(no_model.status, 1);
  EXPECT_NE(no_model.err.find("there is no file or folder org/other, and as a model of the hub: "), std::string::npos)
      << no_model.err;
  EXPECT_NE(no_model.err.find("404"), std::string::npos) << no_model.err;
  const Outcome no_id = run(start({"info", "no/such/model"}));
  EXPECT_EQ(no_id.status, 1);
  EXPECT_NE(no_id.err.find("no/such/model, and it is no id of a model on the hub"), std::string::npos) << no_id.err;
  EXPECT_EQ(run(start({"pull"})).status, 2);
  EXPECT_EQ(run(start({"pull", "../model"})).status, 1);
}

TEST_F(Hub, CtrlCEndsAPullAndKeepsWhatIsThere) {
  std::atomic<int> answers = 0;
  hub.content_fault = [&](const HttpRequest& request) -> std::optional<Reply> {
    if (request.target.find("safetensors") == std::string::npos || ++answers <= 3) return std::nullopt;
    return Reply{"", Reply::After::hang};
  };
  Program program(start({"pull", "org/model"}));
  while (answers <= 3) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  program.signal(SIGINT);
  const Outcome outcome = program.finish();
  EXPECT_EQ(outcome.status, 130);
  EXPECT_NE(outcome.err.find("the next pull of org/model continues"), std::string::npos) << outcome.err;
  hub.content_fault = {};
  EXPECT_EQ(run(start({"pull", "org/model"})).out, snapshot() + "\n");
}

}  // namespace
}  // namespace bitnet::cli_test
