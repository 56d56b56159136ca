#pragma once

#include <openssl/ssl.h>
#include <sys/socket.h>

#include <cstddef>
#include <memory>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace sluice::bench {

// Where a server listens.
struct ServerAddress {
  // Reads "192.0.2.1:7654" or "unix:/path". INVALID_ARGUMENT if it is neither.
  static absl::StatusOr<ServerAddress> Parse(const std::string& text);

  sockaddr_storage address = {};
  socklen_t size = 0;
  std::string authority;  // Of an HTTP request to it.
};

// The client's side of TLS: HTTP/2 by ALPN, any certificate. Who answers does not matter to a load.
class TlsClient final {
 public:
  TlsClient();
  ~TlsClient();
  TlsClient(const TlsClient&) = delete;
  TlsClient& operator=(const TlsClient&) = delete;

  SSL_CTX* get() const { return context_; }

 private:
  SSL_CTX* const context_;
};

// A socket to the server that never blocks, with TLS or without. Used by one thread. Its errors are
// final: what failed, in words for the report. SIGPIPE must be ignored.
class Connection final {
 public:
  // Begins to connect. `tls` may be null; it is not owned.
  static absl::StatusOr<std::unique_ptr<Connection>> Begin(const ServerAddress& server,
                                                           const TlsClient* tls);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  int fd() const { return fd_; }
  // Something is waiting until the socket can be written to.
  bool wants_write() const { return wants_write_; }

  // Goes on with connecting; true once bytes can be exchanged. Call it again once the socket is
  // ready.
  absl::StatusOr<bool> Establish();
  // Reads what there is; 0 if there is nothing now. The peer's end is an error.
  absl::StatusOr<size_t> Read(std::span<char> buffer);
  // Bytes may have been taken off the socket that Read has not returned.
  bool buffered() const { return ssl_ != nullptr && SSL_has_pending(ssl_) == 1; }
  // Writes what the socket takes and removes it from `bytes`.
  absl::Status Write(std::string* bytes);

 private:
  explicit Connection(int fd) : fd_(fd) {}
  absl::Status TlsError(int result, const char* what) const;

  const int fd_;
  SSL* ssl_ = nullptr;
  bool connected_ = false;  // The socket; TLS may be under way.
  bool wants_write_ = true;
};

}  // namespace sluice::bench
