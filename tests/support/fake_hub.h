#pragma once
/// A hub with one model, for the library and for the program: the API's list, HEAD, ranges, a second host for large
/// files.

#include <fmt/format.h>

#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "hub/digest.h"
#include "support/loopback_server.h"

namespace bitnet::testing_support {

class FakeHub {
 public:
  struct File {
    std::string content;
    bool large = false;  ///< named by SHA-256 and served by the second host, as git-lfs files are

    [[nodiscard]] std::string etag() const {
      hub::Digest digest(std::string(large ? 64 : 40, '0'), static_cast<std::int64_t>(content.size()));
      digest.update(std::as_bytes(std::span(content)));
      return digest.finish();
    }
  };
  /// Answers in place of the hub, or not.
  using Fault = std::function<std::optional<Reply>(const HttpRequest&)>;

  inline static const std::string kCommit = "0123456789abcdef0123456789abcdef01234567";

  // Set before the first request. A fault is called by one thread at a time.
  std::map<std::string, File> files;
  std::string commit = kCommit;
  bool lists_blobs = true;  ///< the list has sizes and checksums
  Fault api_fault;
  Fault head_fault;
  Fault content_fault;  ///< of both hosts

  [[nodiscard]] std::string url() const { return hub_.url(); }
  [[nodiscard]] std::vector<HttpRequest> requests() const { return hub_.requests(); }
  [[nodiscard]] std::vector<HttpRequest> requests_of_second_host() const { return second_.requests(); }

  /// The part of `content` that the request wants: 206, or 200 when it names no range.
  static Reply content_reply(const std::string& content, const HttpRequest& request) {
    const std::string range = request.header("range");
    if (range.empty()) return reply(200, content);
    const std::size_t first = std::stoul(range.substr(range.find('=') + 1));
    const std::size_t last = std::stoul(range.substr(range.find('-') + 1));
    if (last >= content.size()) return reply(416);
    return reply(206, content.substr(first, last + 1 - first),
                 {{"Content-Range", fmt::format("bytes {}-{}/{}", first, last, content.size())}});
  }

 private:
  [[nodiscard]] Json list() const {
    Json siblings = Json::array();
    for (const auto& [name, file] : files) {
      Json entry = {{"rfilename", name}};
      if (lists_blobs) {
        entry["size"] = file.content.size();
        entry["blobId"] = std::string(40, 'b');  // of the pointer, where the file is large
        if (file.large) {
          entry["lfs"] = {{"sha256", file.etag()}, {"size", file.content.size()}};
        } else {
          entry["blobId"] = file.etag();
        }
      }
      siblings.push_back(entry);
    }
    return {{"id", "org/model"}, {"sha", commit}, {"siblings", siblings}};
  }

  Reply answer_hub(const HttpRequest& request) {
    if (request.target.starts_with("/api/models/org/model/revision/")) {
      if (api_fault) {
        if (auto fault = api_fault(request)) return *fault;
      }
      return reply(200, list().dump(-1, ' ', false, Json::error_handler_t::ignore));
    }
    const std::string prefix = "/org/model/resolve/" + commit + "/";
    const auto file =
        request.target.starts_with(prefix) ? files.find(request.target.substr(prefix.size())) : files.end();
    if (file == files.end()) return reply(404, "", {{"X-Error-Code", "EntryNotFound"}});
    if (request.method == "HEAD") {
      if (head_fault) {
        if (auto fault = head_fault(request)) return *fault;
      }
      const std::string quoted = "\"" + file->second.etag() + "\"";
      if (!file->second.large) {
        return reply(200, file->second.content, {{"ETag", quoted}, {"X-Repo-Commit", commit}});
      }
      return reply(302, "",
                   {{"Location", second_.url() + "/blob/" + file->first + "?signature=secret"},
                    {"X-Linked-Etag", quoted},
                    {"X-Linked-Size", std::to_string(file->second.content.size())},
                    {"X-Repo-Commit", commit}});
    }
    return content(file->second, request);
  }

  Reply answer_second(const HttpRequest& request) {
    const std::string name = request.target.substr(6, request.target.find('?') - 6);
    const auto file = files.find(name);
    return file == files.end() ? reply(404) : content(file->second, request);
  }

  Reply content(const File& file, const HttpRequest& request) {
    if (content_fault) {
      const std::lock_guard lock(fault_mutex_);  // two servers come here
      if (auto fault = content_fault(request)) return *fault;
    }
    return content_reply(file.content, request);
  }

  std::mutex fault_mutex_;
  LoopbackServer second_{[this](const HttpRequest& request) { return answer_second(request); }};
  LoopbackServer hub_{[this](const HttpRequest& request) { return answer_hub(request); }};
};

}  // namespace bitnet::testing_support
