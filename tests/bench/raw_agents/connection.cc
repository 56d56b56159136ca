#include "tests/bench/raw_agents/connection.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace sluice::bench {
namespace {

// HTTP/2, as ALPN names it: behind its length.
constexpr unsigned char kAlpn[] = {2, 'h', '2'};
// Bytes that OpenSSL reads at once: several records.
constexpr size_t kTlsBuffer = 32 << 10;

absl::Status SystemError(const char* what, int error) {
  return absl::UnavailableError(absl::StrCat(what, ": ", std::strerror(error)));
}

template <typename Address>
ServerAddress Made(const Address& address, const std::string& authority) {
  ServerAddress server;
  std::memcpy(&server.address, &address, sizeof(address));
  server.size = sizeof(address);
  server.authority = authority;
  return server;
}

}  // namespace

absl::StatusOr<ServerAddress> ServerAddress::Parse(const std::string& text) {
  if (absl::StartsWith(text, "unix:")) {
    const std::string path = text.substr(5);
    sockaddr_un name = {};
    name.sun_family = AF_UNIX;
    if (!path.empty() && path.size() < sizeof(name.sun_path)) {
      path.copy(name.sun_path, sizeof(name.sun_path) - 1);
      return Made(name, "localhost");
    }
  } else {
    const size_t colon = text.rfind(':');
    sockaddr_in name = {};
    name.sin_family = AF_INET;
    uint32_t port = 0;
    if (colon != std::string::npos && absl::SimpleAtoi(text.substr(colon + 1), &port) &&
        port >= 1 && port <= 65'535 &&
        inet_pton(AF_INET, text.substr(0, colon).c_str(), &name.sin_addr) == 1) {
      name.sin_port = htons(static_cast<uint16_t>(port));
      return Made(name, text);
    }
  }
  return absl::InvalidArgumentError(
      absl::StrCat("\"", text, "\" is neither IPV4:PORT nor unix:/PATH"));
}

TlsClient::TlsClient() : context_(SSL_CTX_new(TLS_client_method())) {
  SSL_CTX_set_alpn_protos(context_, kAlpn, sizeof(kAlpn));
  SSL_CTX_set_verify(context_, SSL_VERIFY_NONE, nullptr);
  SSL_CTX_set_mode(context_, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  // Otherwise each record takes two system calls.
  SSL_CTX_set_read_ahead(context_, 1);
  SSL_CTX_set_default_read_buffer_len(context_, kTlsBuffer);
}

TlsClient::~TlsClient() { SSL_CTX_free(context_); }

absl::StatusOr<std::unique_ptr<Connection>> Connection::Begin(const ServerAddress& server,
                                                              const TlsClient* tls) {
  const int family = server.address.ss_family;
  const int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return SystemError("a socket", errno);
  auto connection = std::unique_ptr<Connection>(new Connection(fd));
  const int one = 1;
  if (family == AF_INET) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
  if (connect(fd, reinterpret_cast<const sockaddr*>(&server.address), server.size) != 0 &&
      errno != EINPROGRESS) {
    return SystemError("connecting", errno);
  }
  if (tls != nullptr) {
    connection->ssl_ = SSL_new(tls->get());
    SSL_set_fd(connection->ssl_, fd);
    SSL_set_connect_state(connection->ssl_);
  }
  return connection;
}

Connection::~Connection() {
  SSL_free(ssl_);
  close(fd_);
}

absl::StatusOr<bool> Connection::Establish() {
  if (!connected_) {
    int error = 0;
    socklen_t size = sizeof(error);
    getsockopt(fd_, SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) return SystemError("connecting", error);
    connected_ = true;
    wants_write_ = false;
  }
  if (ssl_ == nullptr) return true;
  ERR_clear_error();
  const int result = SSL_do_handshake(ssl_);
  if (result != 1) {
    const int why = SSL_get_error(ssl_, result);
    wants_write_ = why == SSL_ERROR_WANT_WRITE;
    if (why == SSL_ERROR_WANT_READ || wants_write_) return false;
    return TlsError(result, "TLS");
  }
  wants_write_ = false;
  const unsigned char* chosen = nullptr;
  unsigned length = 0;
  SSL_get0_alpn_selected(ssl_, &chosen, &length);
  if (length != sizeof(kAlpn) - 1 || std::memcmp(chosen, kAlpn + 1, length) != 0) {
    return absl::UnavailableError("TLS: the server does not choose HTTP/2");
  }
  return true;
}

absl::StatusOr<size_t> Connection::Read(std::span<char> buffer) {
  if (ssl_ == nullptr) {
    const ssize_t length = recv(fd_, buffer.data(), buffer.size(), 0);
    if (length > 0) return static_cast<size_t>(length);
    if (length == 0) return absl::UnavailableError("it closed the connection");
    if (errno == EAGAIN || errno == EINTR) return 0;
    return SystemError("reading", errno);
  }
  ERR_clear_error();
  size_t length = 0;
  const int result = SSL_read_ex(ssl_, buffer.data(), buffer.size(), &length);
  if (result == 1) return length;
  const int why = SSL_get_error(ssl_, result);
  // The other direction never waits: nothing is negotiated anew.
  if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) return 0;
  if (why == SSL_ERROR_ZERO_RETURN) return absl::UnavailableError("it closed the connection");
  return TlsError(result, "reading");
}

absl::Status Connection::Write(std::string* bytes) {
  size_t written = 0;
  wants_write_ = false;
  while (written < bytes->size()) {
    const char* const from = bytes->data() + written;
    const size_t size = bytes->size() - written;
    if (ssl_ == nullptr) {
      const ssize_t length = send(fd_, from, size, MSG_NOSIGNAL);
      if (length < 0 && errno == EINTR) continue;
      if (length < 0 && errno != EAGAIN) return SystemError("writing", errno);
      if (length < 0) wants_write_ = true;
      if (length < 0) break;
      written += static_cast<size_t>(length);
      continue;
    }
    ERR_clear_error();
    size_t length = 0;
    const int result = SSL_write_ex(ssl_, from, size, &length);
    if (result != 1) {
      const int why = SSL_get_error(ssl_, result);
      if (why != SSL_ERROR_WANT_WRITE && why != SSL_ERROR_WANT_READ) {
        return TlsError(result, "writing");
      }
      wants_write_ = true;
      break;
    }
    written += length;
  }
  bytes->erase(0, written);
  return absl::OkStatus();
}

absl::Status Connection::TlsError(int result, const char* what) const {
  const int why = SSL_get_error(ssl_, result);
  const unsigned long error = ERR_peek_last_error();  // NOLINT(runtime/int): OpenSSL's type.
  if (why == SSL_ERROR_SYSCALL && errno != 0) return SystemError(what, errno);
  const char* const reason = ERR_reason_error_string(error);
  return absl::UnavailableError(
      absl::StrCat(what, ": ", reason != nullptr ? reason : "it closed the connection"));
}

}  // namespace sluice::bench
