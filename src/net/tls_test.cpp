/// Certificates are verified: against a server on the loopback that made its own.

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <thread>

#include "net/http_client.h"
#include "support/temporary_folder.h"

namespace bitnet::net {
namespace {

template <auto Free>
struct Freed {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using Certificate = std::unique_ptr<X509, Freed<X509_free>>;
using Context = std::unique_ptr<SSL_CTX, Freed<SSL_CTX_free>>;

void require(bool holds) {
  if (!holds) throw std::runtime_error("the TLS server cannot be set up");
}

/// `name` as in a certificate's subjectAltName: "IP:127.0.0.1".
Certificate self_signed(EVP_PKEY* key, const char* name) {
  Certificate certificate(X509_new());
  X509_set_version(certificate.get(), 2);
  X509_gmtime_adj(X509_getm_notBefore(certificate.get()), -60);
  X509_gmtime_adj(X509_getm_notAfter(certificate.get()), 3600);
  X509_set_pubkey(certificate.get(), key);
  X509_NAME* subject = X509_get_subject_name(certificate.get());
  X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>("test"), -1, -1, 0);
  X509_set_issuer_name(certificate.get(), subject);
  X509_EXTENSION* names = X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name, name);
  require(names != nullptr && X509_add_ext(certificate.get(), names, -1) == 1);
  X509_EXTENSION_free(names);
  require(X509_sign(certificate.get(), key, EVP_sha256()) > 0);
  return certificate;
}

/// Answers one connection: a handshake, and if that works one request.
class TlsServer {
 public:
  explicit TlsServer(const char* name) {
    const Key key(EVP_EC_gen("P-256"));
    const Certificate certificate = self_signed(key.get(), name);
    std::unique_ptr<FILE, Freed<std::fclose>> file(std::fopen(certificate_file().c_str(), "w"));
    require(file != nullptr && PEM_write_X509(file.get(), certificate.get()) == 1);
    require(SSL_CTX_use_certificate(context_.get(), certificate.get()) == 1);
    require(SSL_CTX_use_PrivateKey(context_.get(), key.get()) == 1);
    listener_ = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    require(bind(listener_, reinterpret_cast<sockaddr*>(&address), length) == 0 && listen(listener_, 4) == 0);
    require(getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &length) == 0);
    url_ = "https://127.0.0.1:" + std::to_string(ntohs(address.sin_port)) + "/";
    thread_ = std::thread([this] { answer(); });
  }
  ~TlsServer() {
    shutdown(listener_, SHUT_RDWR);
    thread_.join();
    close(listener_);
  }
  [[nodiscard]] const std::string& url() const { return url_; }
  [[nodiscard]] std::string certificate_file() const { return (folder_.path() / "certificate.pem").string(); }

 private:
  void answer() {
    const int socket = accept(listener_, nullptr, nullptr);
    if (socket < 0) return;
    std::unique_ptr<SSL, Freed<SSL_free>> ssl(SSL_new(context_.get()));
    SSL_set_fd(ssl.get(), socket);
    char request[4096];
    if (SSL_accept(ssl.get()) == 1 && SSL_read(ssl.get(), request, sizeof request) > 0) {
      constexpr std::string_view kAnswer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
      SSL_write(ssl.get(), kAnswer.data(), static_cast<int>(kAnswer.size()));
      SSL_shutdown(ssl.get());
    }
    close(socket);
  }

  testing_support::TemporaryFolder folder_;
  Context context_{SSL_CTX_new(TLS_server_method())};
  int listener_ = -1;
  std::string url_;
  std::thread thread_;
};

Response get(const TlsServer& server, const std::string& ca_file) {
  setenv("no_proxy", "127.0.0.1", 1);
  std::signal(SIGPIPE, SIG_IGN);  // the server's own, when the client turns away
  HttpOptions options;
  options.ca_file = ca_file;
  Request request;
  request.url = server.url();
  return HttpClient(options).send(request);
}

TEST(Tls, AnUnknownCertificateIsRefused) {
  const TlsServer server("IP:127.0.0.1");
  const Response response = get(server, "");
  EXPECT_EQ(response.ending, Ending::final);
  EXPECT_EQ(response.status, 0);
  EXPECT_NE(response.problem.find("certificate"), std::string::npos) << response.problem;
}

TEST(Tls, ACertificateOfAnotherHostIsRefused) {
  const TlsServer server("DNS:other.example");
  const Response response = get(server, server.certificate_file());
  EXPECT_EQ(response.ending, Ending::final);
  EXPECT_EQ(response.status, 0);
}

TEST(Tls, ATrustedCertificateIsAccepted) {
  const TlsServer server("IP:127.0.0.1");
  const Response response = get(server, server.certificate_file());
  EXPECT_EQ(response.ending, Ending::complete) << response.problem;
  EXPECT_EQ(response.status, 200);
}

}  // namespace
}  // namespace bitnet::net
