// A load on a gRPC server, which answers well or badly: what is sent without gRPC is gRPC.

#include "tests/bench/raw_agents/server_load.h"

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>

#include "sluice/v1/decision.grpc.pb.h"

namespace sluice::bench {
namespace {

// Answers a batch.
using Answer = std::function<void(const v1::PacketBatch&, v1::VerdictBatch*)>;

void AcceptAll(const v1::PacketBatch& batch, v1::VerdictBatch* verdicts) {
  for (const v1::Packet& packet : batch.packets()) {
    v1::Verdict& verdict = *verdicts->add_verdicts();
    verdict.set_transaction_id(packet.transaction_id());
    verdict.set_action(v1::ACTION_ACCEPT);
  }
}

std::string Pem(const std::function<int(BIO*)>& write) {
  BIO* const bio = BIO_new(BIO_s_mem());
  EXPECT_EQ(write(bio), 1);
  char* data = nullptr;
  const auto size = static_cast<size_t>(BIO_get_mem_data(bio, &data));
  std::string text(data, size);
  BIO_free(bio);
  return text;
}

// A key, and a certificate that nobody signed.
grpc::SslServerCredentialsOptions::PemKeyCertPair MakeCertificate() {
  EVP_PKEY* const key = EVP_EC_gen("P-256");
  X509* const certificate = X509_new();
  X509_set_pubkey(certificate, key);
  X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
  X509_sign(certificate, key, EVP_sha256());
  const grpc::SslServerCredentialsOptions::PemKeyCertPair pair = {
      Pem([&](BIO* bio) {
        return PEM_write_bio_PrivateKey(bio, key, nullptr, nullptr, 0, nullptr, nullptr);
      }),
      Pem([&](BIO* bio) { return PEM_write_bio_X509(bio, certificate); })};
  X509_free(certificate);
  EVP_PKEY_free(key);
  return pair;
}

class FakeServer final : public v1::DecisionService::Service {
 public:
  FakeServer() {
    char folder[] = "/tmp/server_load_test_XXXXXX";
    folder_ = mkdtemp(folder);
  }
  ~FakeServer() override {
    if (server_ != nullptr) server_->Shutdown(std::chrono::system_clock::now());
    std::filesystem::remove_all(folder_);
  }

  Answer answer = AcceptAll;
  bool echoes = true;
  bool welcomes = true;
  // Decide streams end once they have had this many batches.
  uint64_t ends_after = UINT64_MAX;

  std::string Start() {
    const std::string address = "unix:" + folder_ + "/s";
    StartOn(address, grpc::InsecureServerCredentials());
    return address;
  }
  std::string StartTls() {
    grpc::SslServerCredentialsOptions options;
    options.pem_key_cert_pairs.push_back(MakeCertificate());
    const int port = StartOn("127.0.0.1:0", grpc::SslServerCredentials(options));
    return "127.0.0.1:" + std::to_string(port);
  }

 private:
  int StartOn(const std::string& address,
              const std::shared_ptr<grpc::ServerCredentials>& credentials) {
    int port = 0;
    grpc::ServerBuilder builder;
    builder.AddListeningPort(address, credentials, &port);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
    EXPECT_NE(server_, nullptr);
    return port;
  }
  grpc::Status Decide(
      grpc::ServerContext*,
      grpc::ServerReaderWriter<v1::DecideResponse, v1::DecideRequest>* call) override {
    v1::DecideRequest request;
    while (call->Read(&request)) {
      v1::DecideResponse response;
      if (request.has_hello()) {
        if (welcomes) {
          response.mutable_welcome();
        } else {
          response.mutable_retune();
        }
      } else if (request.has_packets()) {
        if (request.packets().batch() > ends_after) {
          return {grpc::StatusCode::UNAVAILABLE, "enough"};
        }
        answer(request.packets(), response.mutable_verdicts());
      } else if (!echoes) {
        continue;
      } else {
        *response.mutable_heartbeat() = request.heartbeat();
      }
      call->Write(response);
    }
    return grpc::Status::OK;
  }

  std::string folder_;
  std::unique_ptr<grpc::Server> server_;
};

ServerLoadOptions Options(const std::string& address) {
  ServerLoadOptions options;
  options.address = address;
  options.server = ServerAddress::Parse(address).value();
  options.agents = 3;
  options.batch = 4;
  options.idle = std::chrono::milliseconds(300);
  options.warm_up = std::chrono::milliseconds(50);
  options.measure = std::chrono::milliseconds(300);
  return options;
}

ServerLoadReport RunLoad(const ServerLoadOptions& options) {
  absl::StatusOr<ServerLoadReport> report = RunServerLoad(options);
  EXPECT_TRUE(report.ok()) << report.status();
  return *std::move(report);
}

void ExpectAllAnswered(const ServerLoadReport& report) {
  const loadgen::Report& load = report.load;
  EXPECT_TRUE(load.ok()) << loadgen::Shortcomings(load);
  EXPECT_EQ(load.connected, 3u);
  EXPECT_GT(load.answered, 24u);
  EXPECT_GT(load.sent, load.answered);
  EXPECT_EQ(load.accepted, load.sent);
  EXPECT_EQ(report.batches, load.sent / 4);
  EXPECT_GT(report.heartbeats, 3u);
  EXPECT_GT(load.fewest, 0u);
  EXPECT_GT(load.p50_us, 0);
  EXPECT_GE(load.max_us, load.p99_us);
}

TEST(ServerLoadTest, EveryPacketIsAnsweredOnce) {
  FakeServer server;
  ServerLoadOptions options = Options(server.Start());
  options.server_pid = getpid();
  const ServerLoadReport report = RunLoad(options);
  ExpectAllAnswered(report);
  const loadgen::Phase& busy = *report.load.busy;
  ASSERT_TRUE(report.load.idle.server.has_value() && busy.server.has_value());
  // Here the server's process is our own.
  EXPECT_NEAR(busy.server->cpu_seconds, busy.own_cpu_seconds, 0.02);
  EXPECT_NE(ToJson(report).find("\"transport\": \"unix\""), std::string::npos) << ToJson(report);
  EXPECT_EQ(ToJson(report).find("null"), std::string::npos) << ToJson(report);
}

TEST(ServerLoadTest, EveryPacketIsAnsweredOnceByTls) {
  signal(SIGPIPE, SIG_IGN);
  FakeServer server;
  ServerLoadOptions options = Options(server.StartTls());
  options.tls = true;
  // Records as long as they can be, and more than one a message.
  options.batch = 256;
  const ServerLoadReport report = RunLoad(options);
  EXPECT_TRUE(report.load.ok()) << loadgen::Shortcomings(report.load);
  EXPECT_EQ(report.load.accepted, report.load.sent);
  EXPECT_GT(report.load.answered, 0u);
  EXPECT_NE(ToJson(report).find("\"cpu_us_per_message\": null"), std::string::npos)
      << ToJson(report);
}

TEST(ServerLoadTest, PlaintextWhereTlsIsSpokenIsRefused) {
  FakeServer server;
  EXPECT_EQ(RunLoad(Options(server.StartTls())).load.refused, 3u);
}

TEST(ServerLoadTest, EndsAfterSoManyBatches) {
  FakeServer server;
  ServerLoadOptions options = Options(server.Start());
  options.idle = {};
  options.measure = std::chrono::hours(1);
  options.batches = 1000;
  const ServerLoadReport report = RunLoad(options);
  EXPECT_TRUE(report.load.ok()) << loadgen::Shortcomings(report.load);
  EXPECT_GE(report.batches, 1000u);
  // What was under way is answered too, and what one turn of the loop brought.
  EXPECT_LE(report.batches, 1000u + 3 * 10);
}

TEST(ServerLoadTest, SecondAndInventedAnswersAreCounted) {
  FakeServer server;
  server.answer = [](const v1::PacketBatch& batch, v1::VerdictBatch* verdicts) {
    AcceptAll(batch, verdicts);
    verdicts->add_verdicts()->set_transaction_id(batch.packets(0).transaction_id());
    verdicts->add_verdicts()->set_transaction_id(UINT64_MAX);
    verdicts->add_verdicts()->set_transaction_id(0);
  };
  const loadgen::Report load = RunLoad(Options(server.Start())).load;
  EXPECT_FALSE(load.ok());
  EXPECT_EQ(load.stale, 0u);
  EXPECT_EQ(load.unknown, load.sent / 4 * 3);
}

TEST(ServerLoadTest, WhatIsNotAnsweredIsStale) {
  FakeServer server;
  server.answer = [](const v1::PacketBatch& batch, v1::VerdictBatch* verdicts) {
    AcceptAll(batch, verdicts);
    // A hold is not an answer.
    verdicts->mutable_verdicts(3)->set_action(v1::ACTION_HOLD);
  };
  const loadgen::Report load = RunLoad(Options(server.Start())).load;
  EXPECT_EQ(load.stale, load.sent / 4);
  EXPECT_EQ(load.accepted, load.sent / 4 * 3);
  EXPECT_EQ(load.unknown, 0u);
  EXPECT_EQ(load.lost, 0u);
}

TEST(ServerLoadTest, AServerThatEndsTheStreamsIsReported) {
  FakeServer server;
  server.ends_after = 5;
  const loadgen::Report load = RunLoad(Options(server.Start())).load;
  EXPECT_EQ(load.lost, 3u);
  EXPECT_EQ(load.reasons.at("status 14: enough"), 3u);
  EXPECT_EQ(load.accepted, 3u * 5 * 4);
  EXPECT_EQ(load.stale, load.sent - load.accepted);
}

TEST(ServerLoadTest, ASilentServerIsLost) {
  FakeServer server;
  server.echoes = false;
  ServerLoadOptions options = Options(server.Start());
  options.idle = std::chrono::hours(1);  // The run must end earlier.
  const loadgen::Report load = RunLoad(options).load;
  EXPECT_EQ(load.lost, 3u);
  EXPECT_EQ(load.reasons.at("it was silent for 600 ms"), 3u);
}

TEST(ServerLoadTest, WithPatienceASilentServerIsKept) {
  FakeServer server;
  server.echoes = false;
  ServerLoadOptions options = Options(server.Start());
  options.idle = std::chrono::seconds(1);
  options.patience = 1000;
  const ServerLoadReport report = RunLoad(options);
  EXPECT_TRUE(report.load.ok()) << loadgen::Shortcomings(report.load);
  EXPECT_EQ(report.heartbeats, 0u);
}

TEST(ServerLoadTest, AServerThatDoesNotWelcomeRefuses) {
  FakeServer server;
  server.welcomes = false;
  const loadgen::Report load = RunLoad(Options(server.Start())).load;
  EXPECT_EQ(load.connected, 0u);
  EXPECT_EQ(load.refused, 3u);
  EXPECT_EQ(load.reasons.at("it did not begin with a welcome"), 3u);
}

TEST(ServerLoadTest, NobodyIsThere) {
  const loadgen::Report load = RunLoad(Options("unix:/nowhere/at/all")).load;
  EXPECT_FALSE(load.ok());
  EXPECT_EQ(load.reasons.at("connecting: No such file or directory"), 3u);
}

TEST(ServerLoadTest, NoSuchProcess) {
  ServerLoadOptions options = Options("unix:/nowhere/at/all");
  options.server_pid = 1 << 30;
  EXPECT_EQ(RunServerLoad(options).status().code(), absl::StatusCode::kNotFound);
}

TEST(ServerAddressTest, WhatIsNoAddress) {
  EXPECT_TRUE(ServerAddress::Parse("127.0.0.1:65535").ok());
  for (const char* text : {"", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:x",
                           "localhost:1", "[::1]:1", "unix:"}) {
    EXPECT_FALSE(ServerAddress::Parse(text).ok()) << text;
  }
  EXPECT_FALSE(ServerAddress::Parse("unix:/" + std::string(200, 'x')).ok());
}

}  // namespace
}  // namespace sluice::bench
