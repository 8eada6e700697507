#pragma once
/// What the tests of pull() share.

#include <gtest/gtest.h>

#include <fstream>
#include <optional>
#include <random>
#include <sstream>

#include "hub/pull.h"
#include "support/expect_error.h"
#include "support/fake_hub.h"
#include "support/temporary_folder.h"

namespace bitnet::hub {

namespace fs = std::filesystem;
using testing_support::expect_error;
using testing_support::FakeHub;
using testing_support::HttpRequest;
using testing_support::Reply;
using testing_support::reply;
using Fault = std::optional<Reply>;

inline std::string random_text(std::size_t size, unsigned seed) {
  std::mt19937 random(seed);
  std::string text(size, '\0');
  for (char& c : text) c = static_cast<char>(random());
  return text;
}

inline std::string read(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

inline void write(const fs::path& path, const std::string& text) {
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

}  // namespace bitnet::hub
