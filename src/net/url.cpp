#include "net/url.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <memory>

#include "base/quote_name.h"
#include "net/curl_library.h"

namespace bitnet::net {
namespace {

struct FreeUrl {
  void operator()(CURLU* url) const noexcept { curl_library().url_cleanup(url); }
};
using Url = std::unique_ptr<CURLU, FreeUrl>;

std::string part(const Url& url, CURLUPart which, unsigned flags) {
  char* text = nullptr;
  if (curl_library().url_get(url.get(), which, &text, flags) != CURLUE_OK) return {};
  std::string copy(text);
  curl_library().free(text);
  return copy;
}

/// Null when it is malformed. A relative `text` is taken from where `url` is.
Url moved(Url url, const std::string& text) {
  if (url == nullptr || text.find('\0') != std::string::npos) return nullptr;
  if (curl_library().url_set(url.get(), CURLUPART_URL, text.c_str(), CURLU_URLENCODE) != CURLUE_OK) return nullptr;
  return url;
}

Url parse(const std::string& text) { return moved(Url(curl_library().url()), text); }

/// "https://host:443"
std::string origin(const Url& url) {
  std::string text = part(url, CURLUPART_SCHEME, 0) + "://" + part(url, CURLUPART_HOST, 0) + ":" +
                     part(url, CURLUPART_PORT, CURLU_DEFAULT_PORT);
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

}  // namespace

std::string percent_encode(std::string_view text, std::string_view kept) {
  constexpr std::string_view kUnreserved = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
  std::string out;
  for (const char c : text) {
    if (kUnreserved.find(c) != kUnreserved.npos || kept.find(c) != kept.npos) {
      out += c;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

std::optional<std::string> resolve_url(const std::string& base, const std::string& reference) {
  const Url url = moved(parse(base), reference);
  if (url == nullptr) return std::nullopt;
  const std::string scheme = part(url, CURLUPART_SCHEME, 0);
  if (scheme != "http" && scheme != "https") return std::nullopt;
  return part(url, CURLUPART_URL, 0);
}

bool same_origin(const std::string& one, const std::string& other) {
  const Url a = parse(one);
  const Url b = parse(other);
  return a != nullptr && b != nullptr && origin(a) == origin(b);
}

std::string printable_url(const std::string& text) {
  const Url url = parse(text);
  if (url == nullptr) return "a malformed address";
  for (const CURLUPart secret : {CURLUPART_USER, CURLUPART_PASSWORD, CURLUPART_QUERY, CURLUPART_FRAGMENT}) {
    curl_library().url_set(url.get(), secret, nullptr, 0);
  }
  const std::string quoted = quote_name(part(url, CURLUPART_URL, 0));
  return quoted.substr(1, quoted.size() - 2);
}

}  // namespace bitnet::net
