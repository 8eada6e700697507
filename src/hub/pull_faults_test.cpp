/// Pulls from a hub that answers worse than the real one, into a cache where something was planted, onto a full disk.

#include <sys/resource.h>

#include <csignal>

#include "support/pull_fixture.h"

namespace bitnet::hub {
namespace {

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
  PullProgress last;
  options.on_progress = [&](const PullProgress& progress) {
    last = progress;
    return true;
  };
  expect_pulled();
  EXPECT_NE(messages.find("downloading it once more"), std::string::npos);
  EXPECT_EQ(last.bytes, last.total_bytes);
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
  std::atomic<bool> well = false;  // the server may still be asking its fault when pull() has given up
  hub.content_fault = [&](const HttpRequest& request) -> Fault {
    if (well || request.target.find("safetensors") == std::string::npos || ++answered <= 10) return std::nullopt;
    return Reply{"", Reply::After::hang};
  };
  options.on_progress = [&](const PullProgress&) { return answered <= 10; };
  expect_error(ErrorKind::cancelled, {"stopped"}, [&] { (void)pull(); });
  expect_nothing_named();
  EXPECT_GE(fs::file_size(incomplete()), 1000U);
  EXPECT_TRUE(read(incomplete()) == weights().substr(0, fs::file_size(incomplete()))) << "without holes";
  well = true;
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
  refused(ErrorKind::io, {"terms to accept", "status 401"}, reply(401, "", {{"X-Error-Code", "GatedRepo"}}));
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

TEST_F(Pull, AFullDiskLeavesWhatCanBeContinued) {
  std::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  getrlimit(RLIMIT_FSIZE, &before);
  const rlimit small{5'500, before.rlim_max};  // as if the disk had no more
  setrlimit(RLIMIT_FSIZE, &small);
  expect_error(ErrorKind::io, {"cannot write", "incomplete: File too large"}, [&] { (void)pull(); });
  setrlimit(RLIMIT_FSIZE, &before);
  expect_nothing_named();
  EXPECT_TRUE(read(incomplete()) == weights().substr(0, 5'500));
  expect_pulled();
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
