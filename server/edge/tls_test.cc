#include "server/edge/tls.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <cstdio>
#include <memory>
#include <random>
#include <string>
#include <string_view>

namespace sluice::server {
namespace {

using State = TlsFilter::State;

constexpr std::string_view kBoth = "\x02h2\x08http/1.1";

// A certificate that signed itself, and its key, as PEM files.
struct Identity {
  explicit Identity(const std::string& name)
      : certificate(testing::TempDir() + "/" + name + ".crt"),
        key(testing::TempDir() + "/" + name + ".key") {
    EVP_PKEY* const pair = EVP_EC_gen("P-256");
    X509* const x509 = X509_new();
    ASN1_INTEGER_set(X509_get_serialNumber(x509), 1);
    X509_gmtime_adj(X509_getm_notBefore(x509), 0);
    X509_gmtime_adj(X509_getm_notAfter(x509), 3600);
    X509_set_pubkey(x509, pair);
    X509_NAME* const subject = X509_get_subject_name(x509);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(name.c_str()), -1, -1, 0);
    X509_set_issuer_name(x509, subject);
    X509_sign(x509, pair, EVP_sha256());
    std::FILE* file = std::fopen(certificate.c_str(), "w");
    PEM_write_X509(file, x509);
    std::fclose(file);
    file = std::fopen(key.c_str(), "w");
    PEM_write_PrivateKey(file, pair, nullptr, nullptr, 0, nullptr, nullptr);
    std::fclose(file);
    X509_free(x509);
    EVP_PKEY_free(pair);
  }

  const std::string certificate;
  const std::string key;
};

// OpenSSL's own client, in memory.
class TlsClient final {
 public:
  explicit TlsClient(std::string_view alpn, int newest = TLS1_3_VERSION)
      : context_(SSL_CTX_new(TLS_client_method())) {
    SSL_CTX_set_min_proto_version(context_, TLS1_VERSION);
    SSL_CTX_set_max_proto_version(context_, newest);
    SSL_CTX_set_security_level(context_, 0);  // TLS 1.1 too, so that the server has to refuse it.
    ssl_ = SSL_new(context_);
    SSL_set_bio(ssl_, in_, out_);
    SSL_set_connect_state(ssl_);
    if (!alpn.empty()) {
      SSL_set_alpn_protos(ssl_, reinterpret_cast<const unsigned char*>(alpn.data()),
                          static_cast<unsigned int>(alpn.size()));
    }
  }
  ~TlsClient() {
    SSL_free(ssl_);
    SSL_CTX_free(context_);
  }
  TlsClient(const TlsClient&) = delete;
  TlsClient& operator=(const TlsClient&) = delete;

  // True once the handshake is done.
  bool Handshake() { return SSL_do_handshake(ssl_) == 1; }
  void Send(std::string_view plain) {
    EXPECT_EQ(SSL_write(ssl_, plain.data(), static_cast<int>(plain.size())),
              static_cast<int>(plain.size()));
  }
  void SendEnd() { SSL_shutdown(ssl_); }
  bool got_end() const { return (SSL_get_shutdown(ssl_) & SSL_RECEIVED_SHUTDOWN) != 0; }
  std::string Read() {
    std::string plain;
    char part[1000];
    int length = 0;
    while ((length = SSL_read(ssl_, part, sizeof part)) > 0) {
      plain.append(part, static_cast<size_t>(length));
    }
    return plain;
  }
  std::string Take() {
    std::string bytes;
    char part[1000];
    int length = 0;
    while ((length = BIO_read(out_, part, sizeof part)) > 0) {
      bytes.append(part, static_cast<size_t>(length));
    }
    return bytes;
  }
  void Give(std::string_view bytes) {
    if (!bytes.empty()) BIO_write(in_, bytes.data(), static_cast<int>(bytes.size()));
  }
  std::string alpn() const {
    const unsigned char* chosen = nullptr;
    unsigned int length = 0;
    SSL_get0_alpn_selected(ssl_, &chosen, &length);
    return {reinterpret_cast<const char*>(chosen), length};
  }

 private:
  SSL_CTX* const context_;
  SSL* ssl_ = nullptr;
  BIO* const in_ = BIO_new(BIO_s_mem());   // Owned by ssl_.
  BIO* const out_ = BIO_new(BIO_s_mem());  // Owned by ssl_.
};

class TlsTest : public testing::Test {
 protected:
  TlsTest() {
    absl::StatusOr<std::unique_ptr<TlsContext>> made =
        TlsContext::Create(identity_.certificate, identity_.key);
    EXPECT_TRUE(made.ok()) << made.status();
    context_ = std::move(*made);
  }

  // Carries bytes both ways, at most so many at once, until neither has any more. What the server
  // got in plain is appended to `plain`.
  static void Carry(TlsClient* client, TlsFilter* server, std::string* plain,
                    size_t at_once = 100'000) {
    bool moved = true;
    while (moved) {
      client->Handshake();
      const std::string up = client->Take();
      for (size_t i = 0; i < up.size(); i += at_once) server->Receive(up.substr(i, at_once), plain);
      std::string down;
      while (server->Produce(&down)) {
      }
      client->Give(down);
      moved = !up.empty() || !down.empty();
    }
  }

  const Identity identity_{"one"};
  std::unique_ptr<TlsContext> context_;
};

TEST_F(TlsTest, CarriesBytesBothWaysHoweverTheyAreSplit) {
  const std::string large(100'000, 'x');  // Several records of TLS.
  for (const int newest : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    for (const size_t at_once : {1u, 7u, 100'000u}) {
      TlsClient client(kBoth, newest);
      TlsFilter server(*context_);
      std::string plain;
      server.Send("too early");
      EXPECT_EQ(server.state(), State::kHandshake);
      Carry(&client, &server, &plain, at_once);
      ASSERT_EQ(server.state(), State::kOpen);
      EXPECT_EQ(client.alpn(), "h2");
      EXPECT_TRUE(server.http2());
      client.Send("hello");
      client.Send(large);
      Carry(&client, &server, &plain, at_once);
      EXPECT_EQ(plain, "hello" + large);
      server.Send("answer");
      server.Send("");
      server.Send(large);
      Carry(&client, &server, &plain, at_once);
      EXPECT_EQ(client.Read(), "answer" + large);
    }
  }
}

// What comes with the end of the handshake is not lost.
TEST_F(TlsTest, TakesBytesThatCameWithTheHandshake) {
  TlsClient client(kBoth);
  TlsFilter server(*context_);
  std::string plain;
  client.Handshake();
  server.Receive(client.Take(), &plain);
  std::string down;
  EXPECT_TRUE(server.Produce(&down));
  EXPECT_FALSE(server.Produce(&down));
  client.Give(down);
  ASSERT_TRUE(client.Handshake());
  client.Send("at once");
  server.Receive(client.Take(), &plain);
  EXPECT_EQ(server.state(), State::kOpen);
  EXPECT_EQ(plain, "at once");
}

TEST_F(TlsTest, ChoosesTheProtocol) {
  struct {
    std::string_view offered;
    std::string chosen;
  } const kCases[] = {
      {kBoth, "h2"},
      {"\x08http/1.1\x02h2", "h2"},  // Ours is the better one.
      {"\x08http/1.1", "http/1.1"},
      {"\x06spdy/1\x08http/1.1", "http/1.1"},
      {"", ""},
  };
  for (const auto& [offered, chosen] : kCases) {
    TlsClient client(offered);
    TlsFilter server(*context_);
    std::string plain;
    Carry(&client, &server, &plain);
    EXPECT_EQ(server.state(), State::kOpen);
    EXPECT_EQ(client.alpn(), chosen);
    EXPECT_EQ(server.http2(), chosen == "h2");
  }
}

TEST_F(TlsTest, RefusesCallersWithoutAProtocolOfOurs) {
  TlsClient client("\x06spdy/1");
  TlsFilter server(*context_);
  std::string plain;
  Carry(&client, &server, &plain);
  EXPECT_EQ(server.state(), State::kBroken);
  EXPECT_FALSE(client.Handshake());
}

TEST_F(TlsTest, RefusesOldVersions) {
  TlsClient client(kBoth, TLS1_1_VERSION);
  TlsFilter server(*context_);
  std::string plain;
  Carry(&client, &server, &plain);
  EXPECT_EQ(server.state(), State::kBroken);
}

TEST_F(TlsTest, EndsBothWays) {
  TlsClient client(kBoth);
  TlsFilter server(*context_);
  std::string plain;
  Carry(&client, &server, &plain);
  server.Send("last");
  server.SendEnd();
  std::string down;
  EXPECT_TRUE(server.Produce(&down));
  client.Give(down);
  EXPECT_EQ(client.Read(), "last");
  EXPECT_TRUE(client.got_end());
  client.Send("also last");
  client.SendEnd();
  server.Receive(client.Take(), &plain);
  EXPECT_EQ(plain, "also last");
  EXPECT_EQ(server.state(), State::kEnded);
  server.Receive("more", &plain);
  EXPECT_EQ(server.state(), State::kEnded);
}

TEST_F(TlsTest, IsBrokenByGarbage) {
  std::mt19937 random(1);
  for (int i = 0; i < 200; ++i) {
    std::string garbage(1 + random() % 2000, '\0');
    for (char& c : garbage) c = static_cast<char>(random());
    // A kind of record that there is not; SSL 2 has no place for it either.
    garbage[0] = '\x7f';
    TlsFilter server(*context_);
    std::string plain;
    server.Receive(garbage + "         ", &plain);
    EXPECT_EQ(server.state(), State::kBroken);
    server.Send("x");
    server.SendEnd();
    server.Receive(garbage, &plain);
    EXPECT_EQ(plain, "");
  }
}

TEST_F(TlsTest, IsBrokenByGarbageAfterTheHandshake) {
  TlsClient client(kBoth);
  TlsFilter server(*context_);
  std::string plain;
  Carry(&client, &server, &plain);
  client.Send("before");
  std::string bytes = client.Take();
  server.Receive(bytes, &plain);
  client.Send("after");
  bytes = client.Take();
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  server.Receive(bytes, &plain);
  EXPECT_EQ(plain, "before");
  EXPECT_EQ(server.state(), State::kBroken);
}

TEST_F(TlsTest, IsBrokenByPlainHttp) {
  TlsFilter server(*context_);
  std::string plain;
  server.Receive("GET / HTTP/1.1\r\nHost: a\r\n\r\n", &plain);
  EXPECT_EQ(server.state(), State::kBroken);
}

TEST_F(TlsTest, SaysWhatIsWrongWithItsFiles) {
  const Identity other("other");
  const auto error = [](const std::string& certificate, const std::string& key) {
    const auto made = TlsContext::Create(certificate, key);
    EXPECT_EQ(made.status().code(), absl::StatusCode::kInvalidArgument);
    return std::string(made.status().message());
  };
  const auto names = [](const std::string& message, const std::string& file) {
    EXPECT_EQ(message.rfind(file, 0), 0u) << message;
  };
  names(error(identity_.certificate, other.key), other.key);
  names(error("/nonexistent", identity_.key), "/nonexistent: no certificate");
  names(error(identity_.certificate, "/nonexistent"), "/nonexistent: no key");
  names(error(identity_.key, identity_.key), identity_.key + ": no certificate");
  names(error(identity_.certificate, identity_.certificate), identity_.certificate + ": no key");
}

}  // namespace
}  // namespace sluice::server
