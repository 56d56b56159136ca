#pragma once

#include <openssl/ssl.h>

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace sluice::server {

// A listener's side of TLS: its certificate and key.
class TlsContext final {
 public:
  // Reads PEM files: the certificate with its chain, and its key. TLS 1.2 and newer; HTTP/2 and
  // HTTP/1.1 by ALPN. Errors: INVALID_ARGUMENT, with the file and what is wrong with it.
  static absl::StatusOr<std::unique_ptr<TlsContext>> Create(const std::string& certificate_file,
                                                            const std::string& key_file);
  ~TlsContext();
  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;

  SSL_CTX* get() const { return context_; }

 private:
  explicit TlsContext(SSL_CTX* context) : context_(context) {}

  SSL_CTX* const context_;
};

// One connection's TLS, without its socket: encrypted bytes in and out on one side, plain ones on
// the other. Of one thread.
class TlsFilter final {
 public:
  explicit TlsFilter(const TlsContext& context);
  ~TlsFilter();
  TlsFilter(const TlsFilter&) = delete;
  TlsFilter& operator=(const TlsFilter&) = delete;

  enum class State { kHandshake, kOpen, kEnded, kBroken };

  // Takes encrypted bytes and appends what they say to `plain`.
  void Receive(std::string_view encrypted, std::string* plain);
  // Takes plain bytes to be sent, once the state is kOpen.
  void Send(std::string_view plain);
  // Says that nothing further will be sent.
  void SendEnd();
  // Appends encrypted bytes to be sent to `out`; false if there are none.
  bool Produce(std::string* out);

  State state() const { return state_; }
  // Whether HTTP/2 was agreed on.
  bool http2() const;

 private:
  void Read(std::string* plain);

  SSL* const ssl_;
  BIO* const in_;   // Owned by ssl_.
  BIO* const out_;  // Owned by ssl_.
  State state_ = State::kHandshake;
};

}  // namespace sluice::server
