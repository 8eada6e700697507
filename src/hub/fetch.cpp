#include "hub/fetch.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/fail.h"
#include "base/quote_name.h"
#include "net/url.h"

namespace bitnet::hub {
namespace {

/// After so many bytes a failure is a new one, not the next in a row.
constexpr std::int64_t kProgressBytes = std::int64_t{1} << 20;

/// An address of another host that was good for some time only.
bool looks_expired(int status) { return status == 401 || status == 403 || status == 404 || status == 410; }

}  // namespace

Fetch::Fetch(const HubServer& server, const net::RetryPolicy& retry, FileSource source, std::string commit,
             RepoFile file, Events events)
    : server_(server),
      retry_(retry),
      source_(std::move(source)),
      commit_(std::move(commit)),
      file_(std::move(file)),
      events_(std::move(events)) {}

std::string Fetch::name() const {
  return fmt::format("{} ({})", quote_name(file_.name), net::printable_url(source_.url));
}

void Fetch::check_head(const net::Response& head) {
  skip_ = 0;
  const bool partial = head.status == 206;
  if (!partial && !undecided_ && !serial_) {
    fail(ErrorKind::corrupt, "{}: the server answers ranges and then does not (status {})", name(), head.status);
  }
  const std::string* found = head.headers.find(partial ? "content-range" : "content-length");
  if (partial) {
    const std::int64_t last = (serial_ ? source_.size : segment_.end) - 1;
    const std::string expected = fmt::format("bytes {}-{}/{}", segment_.position(), last, source_.size);
    if (found == nullptr || *found != expected) {
      fail(ErrorKind::corrupt, "{}: the answer is the range {}; expected {}", name(),
           found == nullptr ? "that it does not say" : quote_name(*found), expected);
    }
  } else {
    if (found != nullptr && *found != std::to_string(source_.size)) {
      fail(ErrorKind::corrupt, "{}: the answer has {} bytes; expected {}", name(), quote_name(*found), source_.size);
    }
    skip_ = segment_.position();
  }
  if (undecided_) {
    undecided_ = false;
    serial_ = !partial;
    events_.on_kind(partial);
  }
}

void Fetch::take(const net::Response& head, std::span<const std::byte> bytes) {
  if (std::exchange(first_bytes_, false)) check_head(head);
  const auto skipped = static_cast<std::size_t>(std::min<std::int64_t>(skip_, std::ssize(bytes)));
  skip_ -= static_cast<std::int64_t>(skipped);
  bytes = bytes.subspan(skipped);
  while (!bytes.empty()) {
    if (has_all()) fail(ErrorKind::corrupt, "{}: the server sent more than {} bytes", name(), segment_.end);
    if (segment_.full()) {
      const std::int64_t begin = segment_.end;
      events_.on_full(std::move(segment_));
      segment_ = events_.next_segment(begin);
    }
    const std::int64_t count = std::min<std::int64_t>(segment_.end - segment_.position(), std::ssize(bytes));
    std::memcpy(segment_.data.get() + segment_.have, bytes.data(), static_cast<std::size_t>(count));
    segment_.have += count;
    bytes = bytes.subspan(static_cast<std::size_t>(count));
    events_.on_bytes(count);
  }
}

/// Where the content is now. It must be the same content.
void Fetch::refresh(net::HttpClient& client) {
  FileSource now = server_.locate(client, retry_, commit_, file_);
  if (now.etag != source_.etag || now.size != source_.size) {
    fail(ErrorKind::corrupt, "{}: the content of this commit changed while it was downloaded, from {} to {}", name(),
         source_.etag, now.etag);
  }
  source_ = std::move(now);
  events_.on_moved(source_);
}

void Fetch::run(net::HttpClient& client, Segment segment, bool may_be_serial) {
  segment_ = std::move(segment);
  undecided_ = may_be_serial;
  net::Backoff backoff(retry_);
  bool refreshed = false;
  while (!has_all()) {
    const std::int64_t begin = segment_.position();
    const std::int64_t last = (serial_ ? source_.size : segment_.end) - 1;
    first_bytes_ = true;
    net::Response response = client.send(server_.content(source_, {begin, last}),
                                         [this](const auto& head, auto bytes) { take(head, bytes); });
    if (has_all()) break;
    if (segment_.position() - begin >= kProgressBytes) backoff.progressed();
    if (response.ending == net::Ending::complete) {
      response.ending = net::Ending::again;
      response.problem =
          fmt::format("the answer ended after {} of {} bytes", segment_.position() - begin, last + 1 - begin);
    }
    if (source_.elsewhere && looks_expired(response.status) && !std::exchange(refreshed, true)) {
      refresh(client);
    } else if (response.status == 416) {
      fail(ErrorKind::corrupt, "{}: the server has no byte {}; the file should have {}", name(), begin, source_.size);
    } else if (!backoff.again(response)) {
      server_.fail_refused(response, "the file " + quote_name(file_.name));
    }
  }
  events_.on_full(std::move(segment_));
}

}  // namespace bitnet::hub
