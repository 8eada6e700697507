#include "net/curl_library.h"

#include "base/fail.h"
#include "net/shared_library.h"

namespace bitnet::net {
namespace {

CurlLibrary load() {
  const SharedLibrary library("libcurl.so.4", "libcurl 7.85 or later (Debian: libcurl4)");
  CurlLibrary curl{};
  library.find("curl_global_init", curl.global_init);
  library.find("curl_easy_init", curl.easy_init);
  library.find("curl_easy_reset", curl.easy_reset);
  library.find("curl_easy_setopt", curl.easy_setopt);
  library.find("curl_easy_perform", curl.easy_perform);
  library.find("curl_easy_getinfo", curl.easy_getinfo);
  library.find("curl_easy_strerror", curl.easy_strerror);
  library.find("curl_easy_cleanup", curl.easy_cleanup);
  library.find("curl_slist_append", curl.slist_append);
  library.find("curl_slist_free_all", curl.slist_free_all);
  library.find("curl_url", curl.url);
  library.find("curl_url_set", curl.url_set);
  library.find("curl_url_get", curl.url_get);
  library.find("curl_url_cleanup", curl.url_cleanup);
  library.find("curl_free", curl.free);
  if (curl.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) fail(ErrorKind::limit, "libcurl cannot be initialised");
  return curl;
}

}  // namespace

const CurlLibrary& curl_library() {
  static const CurlLibrary library = load();
  return library;
}

}  // namespace bitnet::net
