#include "hub/digest.h"

#include <openssl/evp.h>

#include <array>

#include "base/fail.h"
#include "net/shared_library.h"

namespace bitnet::hub {
namespace {

/// The functions of OpenSSL's libcrypto that are called here.
struct CryptoLibrary {
  decltype(&EVP_MD_CTX_new) context_new;
  decltype(&EVP_MD_CTX_free) context_free;
  decltype(&EVP_DigestInit_ex) init;
  decltype(&EVP_DigestUpdate) update;
  decltype(&EVP_DigestFinal_ex) final;
  decltype(&EVP_sha256) sha256;
  decltype(&EVP_sha1) sha1;
};

CryptoLibrary load() {
  const net::SharedLibrary library("libcrypto.so.3", "OpenSSL 3 (Debian: libssl3)");
  CryptoLibrary crypto{};
  library.find("EVP_MD_CTX_new", crypto.context_new);
  library.find("EVP_MD_CTX_free", crypto.context_free);
  library.find("EVP_DigestInit_ex", crypto.init);
  library.find("EVP_DigestUpdate", crypto.update);
  library.find("EVP_DigestFinal_ex", crypto.final);
  library.find("EVP_sha256", crypto.sha256);
  library.find("EVP_sha1", crypto.sha1);
  return crypto;
}

const CryptoLibrary& crypto_library() {
  static const CryptoLibrary library = load();
  return library;
}

void require(int result) {
  if (result != 1) fail(ErrorKind::limit, "OpenSSL cannot compute a checksum: out of memory, or without SHA-1");
}

}  // namespace

struct Digest::State {
  const CryptoLibrary& api = crypto_library();
  EVP_MD_CTX* context = api.context_new();

  State() = default;
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() { api.context_free(context); }
};

Digest::Digest(std::string_view etag, std::int64_t size) : state_(std::make_unique<State>()) {
  const bool is_git = etag.size() == 40;
  require(state_->context != nullptr ? 1 : 0);
  const CryptoLibrary& api = state_->api;
  require(api.init(state_->context, is_git ? api.sha1() : api.sha256(), nullptr));
  if (is_git) {
    const std::string header = fmt::format("blob {}", size) + '\0';
    update(std::as_bytes(std::span(header)));
  }
}

Digest::Digest(Digest&&) noexcept = default;
Digest& Digest::operator=(Digest&&) noexcept = default;
Digest::~Digest() = default;

void Digest::update(std::span<const std::byte> bytes) {
  require(state_->api.update(state_->context, bytes.data(), bytes.size()));
}

std::string Digest::finish() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> value{};
  unsigned size = 0;
  require(state_->api.final(state_->context, value.data(), &size));
  std::string text;
  for (unsigned i = 0; i < size; ++i) text += fmt::format("{:02x}", value[i]);
  return text;
}

}  // namespace bitnet::hub
