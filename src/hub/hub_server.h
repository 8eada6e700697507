#pragma once

#include <cstdint>
#include <string>

#include "bitnet/hub.h"
#include "hub/model_id.h"
#include "hub/repo_info.h"
#include "net/backoff.h"
#include "net/http_client.h"

namespace bitnet::hub {

/// How requests are made; tests wait less and cut files smaller.
struct Plumbing {
  net::HttpOptions http;
  net::RetryPolicy retry;
  std::int64_t smallest_segment = std::int64_t{1} << 20;  ///< bytes that one request asks for
  std::int64_t largest_segment = std::int64_t{4} << 20;
  int window = 16;  ///< segments in memory at most
};

/// Where a file's content is.
struct FileSource {
  std::string etag;  ///< is_checksum
  std::int64_t size = 0;
  std::string url;
  bool elsewhere = false;  ///< `url` is on another host: it gets no token, and may expire
};

/// The questions that are asked of the hub. Const functions may be called from several threads, each with its client.
/// They throw Error as pull() does.
class HubServer {
 public:
  HubServer(const HubOptions& options, ModelId id);

  /// Which commit the revision is, and its files.
  [[nodiscard]] RepoInfo list(net::HttpClient& client, const net::RetryPolicy& retry) const;
  /// HEAD, and checked against what list() said of the file.
  [[nodiscard]] FileSource locate(net::HttpClient& client, const net::RetryPolicy& retry, const std::string& commit,
                                  const RepoFile& file) const;
  /// The request for bytes of a file.
  [[nodiscard]] net::Request content(const FileSource& source, net::ByteRange range) const;
  /// Says what a failed request means. `what`: "the file \"x\"", "the model".
  [[noreturn]] void fail_refused(const net::Response& response, const std::string& what) const;

 private:
  std::string endpoint_;
  std::string token_;
  ModelId id_;
};

}  // namespace bitnet::hub
