#include "net/http_client.h"

#include <gtest/gtest.h>

#include "net/backoff.h"
#include "net/url.h"
#include "support/expect_error.h"
#include "support/loopback_server.h"

namespace bitnet::net {
namespace {

using testing_support::expect_error;
using testing_support::HttpRequest;
using testing_support::LoopbackServer;
using testing_support::Reply;
using testing_support::reply;

class Http : public testing::Test {
 protected:
  Http() { setenv("no_proxy", "127.0.0.1", 1); }

  Response get(const std::string& url, const std::string& token = "secret") {
    body.clear();
    Request request;
    request.url = url;
    request.token = token;
    return client.send(request, [this](const Response&, std::span<const std::byte> bytes) {
      body.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    });
  }

  HttpClient client{HttpOptions{}};
  std::string body;
};

TEST_F(Http, ReadsAnAnswerAndItsHeaders) {
  const LoopbackServer server([](const HttpRequest&) { return reply(200, "hello", {{"X-Some-Thing", "a: b"}}); });
  const Response response = get(server.url() + "/a?b");
  EXPECT_EQ(response.ending, Ending::complete);
  EXPECT_EQ(response.status, 200);
  EXPECT_EQ(*response.headers.find("x-some-thing"), "a: b");
  EXPECT_EQ(body, "hello");
  EXPECT_EQ(server.requests()[0].target, "/a?b");
  EXPECT_EQ(server.requests()[0].header("authorization"), "Bearer secret");
}

TEST_F(Http, TheTokenStaysWithTheOriginOfTheRequest) {
  const LoopbackServer other([](const HttpRequest&) { return reply(200, "there"); });
  const LoopbackServer server([&](const HttpRequest& request) {
    if (request.target == "/renamed") return reply(307, "", {{"Location", "/now"}});
    return reply(302, "ignored", {{"Location", other.url() + "/blob"}, {"X-Repo-Commit", "abc"}});
  });
  const Response response = get(server.url() + "/renamed");
  EXPECT_EQ(body, "there");
  EXPECT_EQ(response.url, other.url() + "/blob");
  EXPECT_EQ(*response.on_the_way.find("x-repo-commit"), "abc");
  EXPECT_EQ(server.requests()[1].header("authorization"), "Bearer secret");
  EXPECT_EQ(other.requests()[0].headers.count("authorization"), 0U);
}

TEST_F(Http, ARedirectToAnotherOriginCanBeReturned) {
  const LoopbackServer server([](const HttpRequest&) {
    return reply(302, "", {{"Location", "http://other.example/x"}});
  });
  Request request;
  request.url = server.url();
  request.head = true;
  request.stay = true;
  const Response response = client.send(request);
  EXPECT_EQ(response.ending, Ending::complete);
  EXPECT_EQ(response.next, "http://other.example/x");
}

TEST_F(Http, RedirectsEnd) {
  const LoopbackServer server([](const HttpRequest& request) {
    if (request.target == "/file") return reply(302, "", {{"Location", "file:///etc/passwd"}});
    if (request.target == "/none") return reply(302);
    return reply(302, "", {{"Location", request.target + "x"}});
  });
  EXPECT_EQ(get(server.url() + "/loop").problem, "more than 5 redirects");
  EXPECT_EQ(server.requests().size(), 6U);
  EXPECT_EQ(get(server.url() + "/file").problem, "a redirect to no valid http address");
  EXPECT_EQ(get(server.url() + "/none").ending, Ending::final);
}

TEST_F(Http, SaysWhetherAFailureMayPass) {
  const LoopbackServer server([](const HttpRequest& request) -> Reply {
    if (request.target == "/cut") return {"HTTP/1.1 200 X\r\nContent-Length: 10\r\n\r\nhello", Reply::After::cut};
    if (request.target == "/silent") return {"", Reply::After::cut};
    if (request.target == "/garbage") return {"hello\r\n\r\n", Reply::After::cut};
    if (request.target == "/headers") return reply(200, "", {{"X", std::string(70'000, 'x')}});
    return reply(std::stoi(request.target.substr(1)), std::string(200'000, 'x'), {{"Retry-After", "5"}});
  });
  const auto ending = [&](const std::string& path) { return get(server.url() + path).ending; };
  for (const char* path : {"/cut", "/silent", "/408", "/429", "/500", "/503"})
    EXPECT_EQ(ending(path), Ending::again) << path;
  for (const char* path : {"/garbage", "/headers", "/304", "/400", "/401", "/404", "/416"}) {
    EXPECT_EQ(ending(path), Ending::final) << path;
  }
  EXPECT_EQ(get(server.url() + "/429").retry_after, std::chrono::seconds(5));
  EXPECT_EQ(get(server.url() + "/503").problem, "status 503");
  EXPECT_EQ(body, "") << "of a refusal nothing is taken";
  EXPECT_EQ(ending("/cut"), Ending::again);
  EXPECT_EQ(body, "hello");
  EXPECT_EQ(get("http://127.0.0.1:1/").ending, Ending::again);
  EXPECT_EQ(get("ftp://127.0.0.1/").ending, Ending::final);
}

TEST_F(Http, ATransferThatStallsOrIsStoppedEnds) {
  const LoopbackServer server([](const HttpRequest&) { return Reply{"", Reply::After::hang}; });
  HttpOptions options;
  options.stall_timeout = std::chrono::seconds(1);
  Request request;
  request.url = server.url();
  EXPECT_EQ(HttpClient(options).send(request).ending, Ending::again);
  options.stop = [&] { return server.requests().size() == 2; };
  expect_error(ErrorKind::cancelled, {"stopped"}, [&] { HttpClient(options).send(request); });
}

TEST_F(Http, WhatASinkThrowsLeaves) {
  const LoopbackServer server([](const HttpRequest&) { return reply(200, "hello"); });
  Request request;
  request.url = server.url();
  const auto sink = [](const Response&, std::span<const std::byte>) { throw std::runtime_error("full"); };
  EXPECT_THROW(client.send(request, sink), std::runtime_error);
  EXPECT_EQ(get(server.url()).status, 200) << "and the client lives on";
}

TEST_F(Http, GoesThroughTheProxyOfTheEnvironment) {
  const LoopbackServer proxy([](const HttpRequest&) { return reply(200, "by proxy"); });
  setenv("http_proxy", proxy.url().c_str(), 1);
  EXPECT_EQ(get("http://hub.example/x").status, 200);
  unsetenv("http_proxy");
  EXPECT_EQ(body, "by proxy");
  EXPECT_EQ(proxy.requests()[0].target, "http://hub.example/x");
}

TEST(Backoff, WaitsLongerEachTimeAndAsLongAsItIsAsked) {
  std::vector<std::int64_t> waits;
  RetryPolicy policy;
  policy.attempts = 7;
  policy.sleep = [&](std::chrono::milliseconds time) {
    waits.push_back(time.count());
    return true;
  };
  Response failed;
  failed.ending = Ending::again;
  Backoff backoff(policy);
  while (backoff.again(failed)) {
  }
  ASSERT_EQ(waits.size(), 6U);
  for (std::size_t i = 0; i < waits.size(); ++i) {
    const std::int64_t full = std::min<std::int64_t>(8000, 500LL << i);
    EXPECT_GE(waits[i], full / 2);
    EXPECT_LE(waits[i], full);
  }
  backoff.progressed();
  failed.retry_after = std::chrono::seconds(90);
  EXPECT_TRUE(backoff.again(failed));
  EXPECT_EQ(waits.back(), 90'000);
  failed.retry_after = std::chrono::seconds(121);
  EXPECT_FALSE(backoff.again(failed));
  EXPECT_FALSE(Backoff(policy).again(Response{})) << "nothing failed";
}

TEST(Url, ResolvesAndComparesAsBrowsersDo) {
  EXPECT_EQ(resolve_url("https://a.example/b/c", "d?e"), "https://a.example/b/d?e");
  EXPECT_EQ(resolve_url("https://a.example/b/c", "//x.example/d"), "https://x.example/d");
  EXPECT_EQ(resolve_url("https://a.example/b", "javascript:x"), std::nullopt);
  EXPECT_EQ(resolve_url("https://a.example/b", "http://"), std::nullopt);
  EXPECT_EQ(resolve_url("https://a.example/b", std::string("/c\0d", 4)), std::nullopt);
  EXPECT_TRUE(same_origin("https://a.example/x", "https://A.example:443/y"));
  EXPECT_FALSE(same_origin("https://a.example", "http://a.example"));
  EXPECT_FALSE(same_origin("https://a.example", "https://a.example:8443"));
  EXPECT_FALSE(same_origin("https://a.example", "https://a.example.evil.example"));
  EXPECT_FALSE(same_origin("https://a.example", "https://a.example@evil.example"));
  EXPECT_FALSE(same_origin("nonsense://", "nonsense://"));
  EXPECT_EQ(percent_encode("a b/ü", "/"), "a%20b/%C3%BC");
  EXPECT_EQ(printable_url("https://me:pw@a.example/x?signature=secret#y"), "https://a.example/x");
}

}  // namespace
}  // namespace bitnet::net
