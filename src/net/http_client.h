#pragma once
/// HTTP requests on libcurl: GET and HEAD, ranges, streaming bodies, redirects.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace bitnet::net {

struct HttpOptions {
  std::chrono::seconds connect_timeout{10};
  std::chrono::seconds stall_timeout{30};  ///< a transfer that brings nothing for so long has failed; whole seconds
  std::string ca_file;                     ///< certificates to trust; empty: the system's
  std::function<bool()> stop;              ///< asked at least once a second; true ends a transfer with Error(cancelled)
};

/// Bytes first to last of a resource, both included.
struct ByteRange {
  std::int64_t first = 0;
  std::int64_t last = 0;
};

struct Request {
  std::string url;
  bool head = false;
  std::string token;               ///< sent as "Authorization: Bearer" to the origin of `url` and to no other
  std::optional<ByteRange> range;  ///< the server may ignore it: status 200 in place of 206
  bool stay = false;               ///< returns a redirect that leads to another origin and does not follow it
};

class Headers {
 public:
  /// The first field of that name, which is given in lower case; null when there is none.
  [[nodiscard]] const std::string* find(std::string_view name) const;
  void add(std::string name, std::string value) { fields_.emplace_back(std::move(name), std::move(value)); }
  void append(const Headers& more) { fields_.insert(fields_.end(), more.fields_.begin(), more.fields_.end()); }

 private:
  std::vector<std::pair<std::string, std::string>> fields_;
};

/// How a request ended. `again` is a failure that may pass: no connection, a cut one, a stalled one, status 429 or 5xx.
enum class Ending { complete, again, final };

struct Response {
  Ending ending = Ending::complete;
  std::string problem;  ///< why it is not complete, for a message: "status 503", "the connection was cut"
  int status = 0;       ///< 0: no answer came
  Headers headers;
  Headers on_the_way;  ///< of the redirects that led here, the first ones first
  std::string url;     ///< where the answer came from
  std::string next;    ///< with Request::stay: where it redirects to; else empty
  std::optional<std::chrono::seconds> retry_after;

  [[nodiscard]] bool success() const { return status >= 200 && status < 300; }
};

/// Takes a body as it arrives, only of a successful answer. What it throws ends the transfer and leaves send().
using BodySink = std::function<void(const Response& head, std::span<const std::byte> bytes)>;

/// One request at a time, over a connection that is kept. For one thread at a time; several clients are independent.
/// Proxies come from the environment (http_proxy, https_proxy, all_proxy, no_proxy). Certificates are verified.
class HttpClient {
 public:
  explicit HttpClient(const HttpOptions& options);
  HttpClient(HttpClient&&) noexcept;
  HttpClient& operator=(HttpClient&&) = delete;
  ~HttpClient();

  /// Follows at most five redirects, never from https to http. Headers of more than 64 KiB, a malformed answer and a
  /// status that is neither 2xx nor worth another try are Ending::final. Throws Error(cancelled), and what sink throws.
  Response send(const Request& request, const BodySink& sink = {});

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace bitnet::net
