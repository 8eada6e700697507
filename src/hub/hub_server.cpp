#include "hub/hub_server.h"

#include <algorithm>
#include <charconv>

#include "base/fail.h"
#include "base/quote_name.h"
#include "net/url.h"

namespace bitnet::hub {
namespace {

constexpr std::size_t kMaxListBytes = std::size_t{16} << 20;

/// Sends until an answer is complete or trying again makes no sense.
net::Response send_patiently(net::HttpClient& client, const net::Request& request, const net::RetryPolicy& retry,
                             const net::BodySink& sink, const std::function<void()>& before) {
  net::Backoff backoff(retry);
  for (;;) {
    before();
    net::Response response = client.send(request, sink);
    if (!backoff.again(response)) return response;
  }
}

/// The first of two fields of an answer or of the redirects before it, which the hub's own answers are among.
const std::string* field(const net::Response& response, std::string_view name) {
  const std::string* early = response.on_the_way.find(name);
  return early != nullptr ? early : response.headers.find(name);
}

std::int64_t parse_size(const std::string& text, const std::string& source) {
  std::int64_t size = -1;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), size);
  if (error != std::errc{} || end != text.data() + text.size() || size < 0) {
    fail(ErrorKind::corrupt, "{}: the size is {}; expected a number of bytes", source, quote_name(text));
  }
  return size;
}

}  // namespace

HubServer::HubServer(const HubOptions& options, ModelId id)
    : endpoint_(options.endpoint), token_(options.token), id_(std::move(id)) {
  const auto is_printable = [](unsigned char c) { return c > 0x20 && c < 0x7f; };
  if (!std::all_of(token_.begin(), token_.end(), is_printable)) {
    fail(ErrorKind::invalid_argument, "the token of the hub has a space, a control character or a letter beyond ASCII");
  }
  if (!net::resolve_url(endpoint_, endpoint_)) {
    fail(ErrorKind::invalid_argument, "the hub's endpoint is {}; expected an http or https address",
         quote_name(endpoint_));
  }
}

RepoInfo HubServer::list(net::HttpClient& client, const net::RetryPolicy& retry) const {
  net::Request request;
  request.url =
      fmt::format("{}/api/models/{}/revision/{}?blobs=true", endpoint_, id_.name, net::percent_encode(id_.revision));
  request.token = token_;
  std::string body;
  const auto sink = [&](const net::Response& head, std::span<const std::byte> bytes) {
    if (body.size() + bytes.size() > kMaxListBytes) {
      fail(ErrorKind::limit, "{}: the answer has more than {} bytes", net::printable_url(head.url), kMaxListBytes);
    }
    body.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  };
  const net::Response response = send_patiently(client, request, retry, sink, [&] { body.clear(); });
  if (response.ending != net::Ending::complete) fail_refused(response, "the model");
  return parse_repo_info(body, net::printable_url(response.url));
}

FileSource HubServer::locate(net::HttpClient& client, const net::RetryPolicy& retry, const std::string& commit,
                             const RepoFile& file) const {
  net::Request request;
  request.url = fmt::format("{}/{}/resolve/{}/{}", endpoint_, id_.name, commit, net::percent_encode(file.name, "/"));
  request.token = token_;
  request.head = true;
  request.stay = true;
  const net::Response response = send_patiently(client, request, retry, {}, [] {});
  if (response.ending != net::Ending::complete) fail_refused(response, "the file " + quote_name(file.name));

  const std::string source = net::printable_url(request.url);
  if (const std::string* found = field(response, "x-repo-commit"); found != nullptr && *found != commit) {
    fail(ErrorKind::corrupt, "{}: the answer is of commit {}; asked for was {}", source, quote_name(*found), commit);
  }
  FileSource where;
  where.elsewhere = !response.next.empty();
  where.url = where.elsewhere ? response.next : response.url;
  const std::string* linked_etag = field(response, "x-linked-etag");
  const std::string* etag = linked_etag != nullptr ? linked_etag : response.headers.find("etag");
  where.etag = etag == nullptr ? file.etag : bare_etag(*etag);
  if (!is_checksum(where.etag)) {
    fail(ErrorKind::corrupt,
         "{}: the etag {} is neither a SHA-256 nor git's SHA-1, so that the content cannot be checked", source,
         quote_name(where.etag));
  }
  const std::string* linked_size = field(response, "x-linked-size");
  const std::string* length = where.elsewhere ? nullptr : response.headers.find("content-length");
  const std::string* size = linked_size != nullptr ? linked_size : length;
  if (size == nullptr && !file.size) fail(ErrorKind::corrupt, "{}: the answer does not say the file's size", source);
  where.size = size == nullptr ? *file.size : parse_size(*size, source);
  if (where.size != file.size.value_or(where.size) || (!file.etag.empty() && file.etag != where.etag)) {
    fail(ErrorKind::corrupt, "{}: {} bytes with checksum {}; the list of files says {} bytes, {}", source, where.size,
         where.etag, file.size.value_or(where.size), file.etag.empty() ? "nothing of it" : file.etag);
  }
  return where;
}

net::Request HubServer::content(const FileSource& source, net::ByteRange range) const {
  net::Request request;
  request.url = source.url;
  if (!source.elsewhere) request.token = token_;
  request.range = range;
  return request;
}

void HubServer::fail_refused(const net::Response& response, const std::string& what) const {
  const std::string where = net::printable_url(response.url);
  const std::string* code = field(response, "x-error-code");
  if (response.status == 404 && code != nullptr && *code == "RevisionNotFound") {
    fail(ErrorKind::not_found, "{}: {} has no revision {}", where, id_.name, quote_name(id_.revision));
  }
  if (response.status == 403 || (code != nullptr && *code == "GatedRepo")) {
    fail(ErrorKind::io,
         "{}: access to {} is refused (status {}); where {} has terms to accept, do so at {}/{}, and set HF_TOKEN to a "
         "token of that account",
         where, what, response.status, id_.name, net::printable_url(endpoint_), id_.name);
  }
  if (response.status == 404) fail(ErrorKind::not_found, "{}: {} does not exist (status 404)", where, what);
  if (response.status == 401) {
    fail(ErrorKind::not_found, "{}: {} does not exist or is private (status 401); {}", where, what,
         token_.empty() ? "for a private one set HF_TOKEN" : "the token that was sent may not read it");
  }
  if (response.retry_after && response.ending == net::Ending::again) {
    fail(ErrorKind::io, "{}: {}; the server asks to come back in {} s", where, response.problem,
         response.retry_after->count());
  }
  fail(ErrorKind::io, "{}: {}", where, response.problem);
}

}  // namespace bitnet::hub
