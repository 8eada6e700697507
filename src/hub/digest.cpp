#include "hub/digest.h"

#include <openssl/evp.h>

#include <array>

#include "base/fail.h"

namespace bitnet::hub {
namespace {

void require(int result) {
  if (result != 1) fail(ErrorKind::limit, "OpenSSL cannot compute a checksum: out of memory, or without SHA-1");
}

}  // namespace

struct Digest::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();

  State() = default;
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() { EVP_MD_CTX_free(context); }
};

Digest::Digest(std::string_view etag, std::int64_t size) : state_(std::make_unique<State>()) {
  const bool is_git = etag.size() == 40;
  require(state_->context != nullptr ? 1 : 0);
  require(EVP_DigestInit_ex(state_->context, is_git ? EVP_sha1() : EVP_sha256(), nullptr));
  if (is_git) {
    const std::string header = fmt::format("blob {}", size) + '\0';
    update(std::as_bytes(std::span(header)));
  }
}

Digest::Digest(Digest&&) noexcept = default;
Digest& Digest::operator=(Digest&&) noexcept = default;
Digest::~Digest() = default;

void Digest::update(std::span<const std::byte> bytes) {
  require(EVP_DigestUpdate(state_->context, bytes.data(), bytes.size()));
}

std::string Digest::finish() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> value{};
  unsigned size = 0;
  require(EVP_DigestFinal_ex(state_->context, value.data(), &size));
  std::string text;
  for (unsigned i = 0; i < size; ++i) text += fmt::format("{:02x}", value[i]);
  return text;
}

}  // namespace bitnet::hub
