#include "net/http_client.h"

#include <algorithm>
#include <cctype>
#include <csignal>
#include <ctime>
#include <exception>

#include "base/fail.h"
#include "net/curl_library.h"
#include "net/url.h"

namespace bitnet::net {
namespace {

constexpr std::size_t kMaxHeaderBytes = std::size_t{64} << 10;
constexpr int kMaxRedirects = 5;
constexpr long kReceiveBytes = 256L << 10;  // few system calls, and the second-level cache still holds them

/// TLS libraries write to sockets without MSG_NOSIGNAL: a peer that has gone would end the process.
class NoSigpipe {
 public:
  NoSigpipe() {
    sigemptyset(&pipe_);
    sigaddset(&pipe_, SIGPIPE);
    sigset_t pending;
    sigpending(&pending);
    was_pending_ = sigismember(&pending, SIGPIPE) == 1;
    pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  NoSigpipe(const NoSigpipe&) = delete;
  NoSigpipe& operator=(const NoSigpipe&) = delete;
  ~NoSigpipe() {
    const timespec now{};
    if (!was_pending_) sigtimedwait(&pipe_, nullptr, &now);
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }

 private:
  sigset_t pipe_{};
  sigset_t before_{};
  bool was_pending_ = false;
};

struct FreeList {
  void operator()(curl_slist* list) const noexcept { curl_library().slist_free_all(list); }
};

/// One hop of a request, while curl works on it.
struct Transfer {
  Response& response;
  const BodySink& sink;
  const std::function<bool()>& stop;
  std::size_t header_bytes = 0;
  std::string problem;        // why a callback ended the transfer
  std::exception_ptr thrown;  // by the sink
};

bool stopped(const std::function<bool()>& stop) { return stop && stop(); }

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kSpace = " \t\r\n";
  const std::size_t begin = text.find_first_not_of(kSpace);
  if (begin == text.npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpace) + 1 - begin);
}

std::size_t on_header(char* data, std::size_t /*one*/, std::size_t size, void* user) {
  auto& transfer = *static_cast<Transfer*>(user);
  transfer.header_bytes += size;
  if (transfer.header_bytes > kMaxHeaderBytes) {
    transfer.problem = fmt::format("more than {} bytes of headers", kMaxHeaderBytes);
    return 0;
  }
  const std::string_view line = trimmed({data, size});
  if (line.starts_with("HTTP/")) {  // an interim answer (100, 103) came before
    transfer.response.headers = {};
    return size;
  }
  const std::size_t colon = line.find(':');
  if (colon == line.npos) return size;
  std::string name(trimmed(line.substr(0, colon)));
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
  transfer.response.headers.add(std::move(name), std::string(trimmed(line.substr(colon + 1))));
  return size;
}

struct BodyTarget {
  Transfer& transfer;
  CURL* curl;
};

std::size_t on_body(char* data, std::size_t /*one*/, std::size_t size, void* user) {
  auto& [transfer, curl] = *static_cast<BodyTarget*>(user);
  long status = 0;
  curl_library().easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  transfer.response.status = static_cast<int>(status);
  if (!transfer.response.success() || !transfer.sink) return size == 0 ? 0 : CURL_WRITEFUNC_ERROR;
  try {
    transfer.sink(transfer.response, std::as_bytes(std::span(data, size)));
  } catch (...) {
    transfer.thrown = std::current_exception();
    return CURL_WRITEFUNC_ERROR;
  }
  return size;
}

int on_progress(void* user, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  auto& transfer = *static_cast<Transfer*>(user);
  try {
    return stopped(transfer.stop) ? 1 : 0;
  } catch (...) {
    transfer.thrown = std::current_exception();
    return 1;
  }
}

bool may_pass(CURLcode code) {
  switch (code) {
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_PARTIAL_FILE:
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_SSL_CONNECT_ERROR:
      return true;
    default:
      return false;
  }
}

bool may_pass(int status) { return status == 408 || status == 429 || status >= 500; }

bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

}  // namespace

const std::string* Headers::find(std::string_view name) const {
  const auto it = std::find_if(fields_.begin(), fields_.end(), [&](const auto& field) { return field.first == name; });
  return it == fields_.end() ? nullptr : &it->second;
}

struct HttpClient::State {
  HttpOptions options;
  const CurlLibrary& api = curl_library();
  CURL* curl = api.easy_init();
  char error[CURL_ERROR_SIZE] = {};

  explicit State(const HttpOptions& wanted) : options(wanted) {
    if (curl == nullptr) fail(ErrorKind::limit, "libcurl cannot be initialised: out of memory");
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() { api.easy_cleanup(curl); }

  void set_up(const Request& request, const std::string& url, curl_slist* fields, Transfer& transfer,
              BodyTarget& target);
  void hop(const Request& request, bool with_token, Response& response, const BodySink& sink);
};

void HttpClient::State::set_up(const Request& request, const std::string& url, curl_slist* fields, Transfer& transfer,
                               BodyTarget& target) {
  api.easy_reset(curl);  // keeps connections
  api.easy_setopt(curl, CURLOPT_URL, url.c_str());
  api.easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  api.easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  api.easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
  // Parallel ranges want connections of their own; HTTP/2 would have one window for all.
  api.easy_setopt(curl, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  api.easy_setopt(curl, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  api.easy_setopt(curl, CURLOPT_HTTP09_ALLOWED, 0L);
  api.easy_setopt(curl, CURLOPT_USERAGENT, "bitnet");
  api.easy_setopt(curl, CURLOPT_BUFFERSIZE, kReceiveBytes);
  api.easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, static_cast<long>(options.connect_timeout.count()));
  api.easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
  api.easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, static_cast<long>(options.stall_timeout.count()));
  api.easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L);
  api.easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L);
  if (!options.ca_file.empty()) api.easy_setopt(curl, CURLOPT_CAINFO, options.ca_file.c_str());
  api.easy_setopt(curl, CURLOPT_ERRORBUFFER, error);
  error[0] = '\0';
  api.easy_setopt(curl, CURLOPT_HTTPHEADER, fields);
  api.easy_setopt(curl, CURLOPT_NOBODY, request.head ? 1L : 0L);
  if (request.range) {
    const std::string range = fmt::format("{}-{}", request.range->first, request.range->last);
    api.easy_setopt(curl, CURLOPT_RANGE, range.c_str());
  }
  api.easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
  api.easy_setopt(curl, CURLOPT_HEADERDATA, &transfer);
  api.easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
  api.easy_setopt(curl, CURLOPT_WRITEDATA, &target);
  api.easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
  api.easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
  api.easy_setopt(curl, CURLOPT_XFERINFODATA, &transfer);
}

/// Asks response.url and fills the rest of `response`.
void HttpClient::State::hop(const Request& request, bool with_token, Response& response, const BodySink& sink) {
  // Ranges and checksums are of the content itself.
  std::unique_ptr<curl_slist, FreeList> fields(api.slist_append(nullptr, "Accept-Encoding: identity"));
  if (with_token) api.slist_append(fields.get(), ("Authorization: Bearer " + request.token).c_str());
  Transfer transfer{response, sink, options.stop, 0, {}, {}};
  BodyTarget target{transfer, curl};
  set_up(request, response.url, fields.get(), transfer, target);
  const CURLcode code = api.easy_perform(curl);
  api.easy_setopt(curl, CURLOPT_HTTPHEADER, nullptr);  // the list goes away here
  if (transfer.thrown) std::rethrow_exception(transfer.thrown);
  if (code == CURLE_ABORTED_BY_CALLBACK || stopped(options.stop)) fail(ErrorKind::cancelled, "stopped");
  long status = 0;
  api.easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  response.status = static_cast<int>(status);
  curl_off_t seconds = 0;
  if (api.easy_getinfo(curl, CURLINFO_RETRY_AFTER, &seconds) == CURLE_OK && seconds > 0) {
    response.retry_after = std::chrono::seconds(seconds);
  }
  // The body of a refusal is not read: WRITE_ERROR without a reason of our own.
  const bool unread = code == CURLE_WRITE_ERROR && transfer.problem.empty();
  if (code == CURLE_OK || unread) {
    if (response.success() || is_redirect(response.status)) return;
    response.problem = fmt::format("status {}", response.status);
    response.ending = may_pass(response.status) ? Ending::again : Ending::final;
    return;
  }
  response.problem = !transfer.problem.empty() ? transfer.problem : error[0] != '\0' ? error : api.easy_strerror(code);
  response.ending = may_pass(code) ? Ending::again : Ending::final;
}

HttpClient::HttpClient(const HttpOptions& options) : state_(std::make_unique<State>(options)) {}
HttpClient::HttpClient(HttpClient&&) noexcept = default;
HttpClient::~HttpClient() = default;

Response HttpClient::send(const Request& request, const BodySink& sink) {
  const NoSigpipe guard;
  Headers on_the_way;
  std::string url = request.url;
  for (int hops = 0;; ++hops) {
    Response response;
    response.url = url;
    if (stopped(state_->options.stop)) fail(ErrorKind::cancelled, "stopped");
    state_->hop(request, !request.token.empty() && same_origin(url, request.url), response, sink);
    response.on_the_way = on_the_way;
    if (response.ending != Ending::complete || !is_redirect(response.status)) return response;
    const auto refuse = [&](std::string why) {
      response.ending = Ending::final;
      response.problem = std::move(why);
      return response;
    };
    if (hops == kMaxRedirects) return refuse(fmt::format("more than {} redirects", kMaxRedirects));
    const std::string* location = response.headers.find("location");
    const auto next = location == nullptr ? std::nullopt : resolve_url(url, *location);
    if (!next) return refuse("a redirect to no valid http address");
    if (url.starts_with("https:") && !next->starts_with("https:")) return refuse("a redirect from https to http");
    if (request.stay && !same_origin(*next, request.url)) {
      response.next = *next;
      return response;
    }
    on_the_way.append(response.headers);
    url = *next;
  }
}

}  // namespace bitnet::net
