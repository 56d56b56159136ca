#include "server/edge/tls.h"

#include <openssl/err.h>

#include <cstdint>

#include "absl/strings/str_cat.h"

namespace sluice::server {
namespace {

// What OpenSSL says of its last error, and forgets.
std::string LastError() {
  const unsigned long code = ERR_peek_last_error();  // NOLINT(google-runtime-int): OpenSSL's type.
  const char* const reason = ERR_reason_error_string(code);
  ERR_clear_error();
  return reason == nullptr ? "unknown reason" : reason;
}

int ChooseProtocol(SSL*, const unsigned char** chosen, unsigned char* length,
                   const unsigned char* offered, unsigned int offered_length, void*) {
  static constexpr unsigned char kOurs[] = "\x02h2\x08http/1.1";
  unsigned char* found = nullptr;
  if (SSL_select_next_proto(&found, length, kOurs, sizeof kOurs - 1, offered, offered_length) !=
      OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }
  *chosen = found;
  return SSL_TLSEXT_ERR_OK;
}

}  // namespace

absl::StatusOr<std::unique_ptr<TlsContext>> TlsContext::Create(const std::string& certificate_file,
                                                               const std::string& key_file) {
  ERR_clear_error();
  SSL_CTX* const context = SSL_CTX_new(TLS_server_method());
  std::unique_ptr<TlsContext> made(new TlsContext(context));
  SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
  // Renegotiation lets a peer cost much for little, and HTTP/2 forbids it.
  SSL_CTX_set_options(
      context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  // 34 KiB less for each connection that is idle.
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_alpn_select_cb(context, &ChooseProtocol, nullptr);
  if (SSL_CTX_use_certificate_chain_file(context, certificate_file.c_str()) != 1) {
    return absl::InvalidArgumentError(absl::StrCat(
        certificate_file, ": no certificate can be read from it (PEM): ", LastError()));
  }
  if (SSL_CTX_use_PrivateKey_file(context, key_file.c_str(), SSL_FILETYPE_PEM) != 1) {
    return absl::InvalidArgumentError(absl::StrCat(key_file, ": no key for ", certificate_file,
                                                   " can be read from it (PEM): ", LastError()));
  }
  if (SSL_CTX_check_private_key(context) != 1) {
    return absl::InvalidArgumentError(
        absl::StrCat(key_file, " is not the key of ", certificate_file, ": ", LastError()));
  }
  return made;
}

TlsContext::~TlsContext() { SSL_CTX_free(context_); }

TlsFilter::TlsFilter(const TlsContext& context)
    : ssl_(SSL_new(context.get())), in_(BIO_new(BIO_s_mem())), out_(BIO_new(BIO_s_mem())) {
  SSL_set_bio(ssl_, in_, out_);
  SSL_set_accept_state(ssl_);
}

TlsFilter::~TlsFilter() { SSL_free(ssl_); }

void TlsFilter::Receive(std::string_view encrypted, std::string* plain) {
  if (state_ == State::kBroken || state_ == State::kEnded) return;
  BIO_write(in_, encrypted.data(), static_cast<int>(encrypted.size()));
  ERR_clear_error();
  if (state_ == State::kHandshake) {
    const int result = SSL_do_handshake(ssl_);
    if (result == 1) {
      state_ = State::kOpen;
    } else {
      if (SSL_get_error(ssl_, result) != SSL_ERROR_WANT_READ) state_ = State::kBroken;
      return;
    }
  }
  Read(plain);
}

void TlsFilter::Read(std::string* plain) {
  constexpr size_t kRecord = 16 << 10;  // TLS's largest
  while (true) {
    const size_t before = plain->size();
    plain->resize(before + kRecord);
    const int length = SSL_read(ssl_, plain->data() + before, kRecord);
    plain->resize(before + static_cast<size_t>(length > 0 ? length : 0));
    if (length > 0) continue;
    const int error = SSL_get_error(ssl_, length);
    if (error == SSL_ERROR_ZERO_RETURN) {
      state_ = State::kEnded;
    } else if (error != SSL_ERROR_WANT_READ) {
      state_ = State::kBroken;
    }
    return;
  }
}

void TlsFilter::Send(std::string_view plain) {
  if (plain.empty() || state_ != State::kOpen) return;
  ERR_clear_error();
  // Memory takes all of it.
  if (SSL_write(ssl_, plain.data(), static_cast<int>(plain.size())) <= 0) state_ = State::kBroken;
}

void TlsFilter::SendEnd() {
  if (state_ != State::kOpen) return;
  ERR_clear_error();
  SSL_shutdown(ssl_);
}

bool TlsFilter::Produce(std::string* out) {
  char* bytes = nullptr;
  const long length = BIO_get_mem_data(out_, &bytes);  // NOLINT(google-runtime-int): OpenSSL's.
  if (length <= 0) return false;
  out->append(bytes, static_cast<size_t>(length));
  BIO_reset(out_);
  return true;
}

bool TlsFilter::http2() const {
  const unsigned char* protocol = nullptr;
  unsigned int length = 0;
  SSL_get0_alpn_selected(ssl_, &protocol, &length);
  return std::string_view(reinterpret_cast<const char*>(protocol), length) == "h2";
}

}  // namespace sluice::server
