// A load against a test server, which answers well or badly.

#include "clients/loadgen/load.h"

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>

#include "sluice/v1/control.grpc.pb.h"
#include "sluice/v1/decision.grpc.pb.h"
#include "sluice/v1/event.grpc.pb.h"

namespace sluice::loadgen {
namespace {

using DecideCall = grpc::ServerReaderWriter<v1::DecideResponse, v1::DecideRequest>;

// Answers a batch.
using Answer = std::function<void(const v1::PacketBatch&, v1::VerdictBatch*)>;

void AcceptAll(const v1::PacketBatch& batch, v1::VerdictBatch* verdicts) {
  for (const v1::Packet& packet : batch.packets()) {
    v1::Verdict& verdict = *verdicts->add_verdicts();
    verdict.set_transaction_id(packet.transaction_id());
    verdict.set_action(v1::ACTION_ACCEPT);
  }
}

class FakeServer final : public v1::DecisionService::Service,
                         public v1::EventService::Service,
                         public v1::ControlService::Service {
 public:
  FakeServer() {
    char folder[] = "/tmp/loadgen_test_XXXXXX";
    folder_ = mkdtemp(folder);
  }
  ~FakeServer() override {
    if (server_ != nullptr) server_->Shutdown(std::chrono::system_clock::now());
    std::filesystem::remove_all(folder_);
  }

  Answer answer = AcceptAll;
  bool echoes = true;
  bool welcomes = true;
  bool reports = false;
  // Decide streams end once they have had this many batches.
  uint64_t ends_after = UINT64_MAX;
  std::atomic<int> hellos = 0;
  std::atomic<int> stats = 0;

  std::string Start() {
    const std::string address = "unix:" + folder_ + "/s";
    grpc::ServerBuilder builder;
    builder.AddListeningPort(address, grpc::InsecureServerCredentials());
    builder.RegisterService(static_cast<v1::DecisionService::Service*>(this));
    if (reports) {
      builder.RegisterService(static_cast<v1::EventService::Service*>(this));
      builder.RegisterService(static_cast<v1::ControlService::Service*>(this));
    }
    server_ = builder.BuildAndStart();
    return address;
  }

 private:
  grpc::Status Decide(grpc::ServerContext*, DecideCall* call) override {
    v1::DecideRequest request;
    while (call->Read(&request)) {
      v1::DecideResponse response;
      if (request.has_hello()) {
        ++hellos;
        if (welcomes) {
          response.mutable_welcome();
        } else {
          response.mutable_retune();
        }
      } else if (request.has_packets()) {
        if (request.packets().batch() > ends_after) return grpc::Status::OK;
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
  grpc::Status Report(
      grpc::ServerContext*,
      grpc::ServerReaderWriter<v1::ReportResponse, v1::ReportRequest>* call) override {
    v1::ReportRequest request;
    while (call->Read(&request)) {
      v1::ReportResponse response;
      if (request.has_hello()) response.mutable_welcome();
      if (request.has_heartbeat()) *response.mutable_heartbeat() = request.heartbeat();
      if (request.has_stats()) ++stats;
      if (request.has_hello() || request.has_heartbeat()) call->Write(response);
    }
    return grpc::Status::OK;
  }
  grpc::Status GetServer(grpc::ServerContext*, const v1::GetServerRequest*,
                         v1::GetServerResponse* response) override {
    // Each call adds a second of CPU and a megabyte.
    response->mutable_cpu_time()->set_seconds(++asked_);
    response->set_resident_bytes(static_cast<uint64_t>(asked_) * 1'000'000);
    return grpc::Status::OK;
  }

  std::string folder_;
  std::unique_ptr<grpc::Server> server_;
  std::atomic<int> asked_ = 0;
};

LoadOptions Options(const std::string& server) {
  LoadOptions options;
  options.server = server;
  options.agents = 3;
  options.batch = 4;
  options.in_flight = 2;
  options.phase = std::chrono::milliseconds(300);
  return options;
}

TEST(LoadTest, EveryPacketIsAnsweredOnce) {
  FakeServer server;
  server.reports = true;
  const loadgen::Report report = RunLoad(Options(server.Start()));
  EXPECT_TRUE(report.ok()) << ToText(report);
  EXPECT_EQ(report.connected, 3u);
  EXPECT_EQ(server.hellos, 3);
  EXPECT_GT(server.stats, 0);
  EXPECT_EQ(report.only_deciding, 3u);  // The server has no CommandService.
  EXPECT_GT(report.sent, 24u);
  EXPECT_EQ(report.accepted, report.sent);
  EXPECT_GT(report.fewest, 0u);
  EXPECT_GT(report.p50_us, 0);
  EXPECT_GE(report.max_us, report.p99_us);
  ASSERT_TRUE(report.idle.server.has_value() && report.busy->server.has_value());
  EXPECT_EQ(report.idle.server->cpu_seconds, 1);
  EXPECT_EQ(report.busy->server->cpu_seconds, 1);
  EXPECT_EQ(report.busy->server->memory_bytes, 4'000'000);
}

TEST(LoadTest, AtARateSoManyAreAskedAndNoMore) {
  FakeServer server;
  LoadOptions options = Options(server.Start());
  options.in_flight = 0;
  options.rate = 4000;
  const loadgen::Report report = RunLoad(options);
  EXPECT_TRUE(report.ok()) << ToText(report);
  EXPECT_GT(report.answered, 0u);
  // One batch of each worker is due at once.
  EXPECT_LE(static_cast<double>(report.answered), 4000 * report.busy->seconds + 3 * 4);
  EXPECT_FALSE(report.idle.server.has_value());
  EXPECT_EQ(report.no_usage, "it offers no ControlService.GetServer");
}

TEST(LoadTest, IdleAgentsAskNothing) {
  FakeServer server;
  LoadOptions options = Options(server.Start());
  options.in_flight = 0;
  const loadgen::Report report = RunLoad(options);
  EXPECT_TRUE(report.ok()) << ToText(report);
  EXPECT_FALSE(report.busy.has_value());
  EXPECT_EQ(report.sent, 0u);
}

TEST(LoadTest, SecondAndInventedAnswersAreCounted) {
  FakeServer server;
  server.answer = [](const v1::PacketBatch& batch, v1::VerdictBatch* verdicts) {
    AcceptAll(batch, verdicts);
    verdicts->add_verdicts()->set_transaction_id(batch.packets(0).transaction_id());
    verdicts->add_verdicts()->set_transaction_id(UINT64_MAX);
    verdicts->add_verdicts()->set_transaction_id(0);
  };
  const loadgen::Report report = RunLoad(Options(server.Start()));
  EXPECT_FALSE(report.ok());
  EXPECT_EQ(report.stale, 0u);
  EXPECT_EQ(report.unknown, report.sent / 4 * 3);
}

TEST(LoadTest, WhatIsNotAnsweredIsStale) {
  FakeServer server;
  server.answer = [](const v1::PacketBatch& batch, v1::VerdictBatch* verdicts) {
    AcceptAll(batch, verdicts);
    verdicts->mutable_verdicts()->RemoveLast();
    // A hold is not an answer.
    v1::Verdict& hold = *verdicts->add_verdicts();
    hold.set_transaction_id(batch.packets(3).transaction_id());
    hold.set_action(v1::ACTION_HOLD);
  };
  const loadgen::Report report = RunLoad(Options(server.Start()));
  EXPECT_EQ(report.stale, report.sent / 4);
  EXPECT_EQ(report.accepted, report.sent / 4 * 3);
  EXPECT_EQ(report.unknown, 0u);
  EXPECT_EQ(report.lost, 0u);
}

TEST(LoadTest, AServerThatEndsTheStreamsIsReported) {
  FakeServer server;
  server.ends_after = 5;
  const loadgen::Report report = RunLoad(Options(server.Start()));
  EXPECT_EQ(report.lost, 3u);
  EXPECT_EQ(report.reasons.at("Decide: it ended the stream"), 3u);
  EXPECT_EQ(report.accepted, 3u * 5 * 4);
  EXPECT_EQ(report.stale, report.sent - report.accepted);
}

TEST(LoadTest, ASilentServerIsLost) {
  FakeServer server;
  server.echoes = false;
  LoadOptions options = Options(server.Start());
  options.phase = std::chrono::hours(1);  // The run must end earlier.
  options.in_flight = 0;
  const loadgen::Report report = RunLoad(options);
  EXPECT_EQ(report.lost, 3u);
  EXPECT_EQ(report.reasons.at("Decide: it was silent for 600 ms"), 3u);
  EXPECT_LT(report.idle.seconds, 3600);
}

TEST(LoadTest, AServerThatDoesNotWelcomeRefuses) {
  FakeServer server;
  server.welcomes = false;
  const loadgen::Report report = RunLoad(Options(server.Start()));
  EXPECT_EQ(report.connected, 0u);
  EXPECT_EQ(report.refused, 3u);
  EXPECT_EQ(report.reasons.at("Decide: it did not begin with a welcome"), 3u);
}

TEST(LoadTest, NobodyIsThere) {
  const loadgen::Report report = RunLoad(Options("unix:/nowhere/at/all"));
  EXPECT_FALSE(report.ok());
  EXPECT_EQ(report.refused, 3u);
  EXPECT_EQ(report.sent, 0u);
  EXPECT_FALSE(report.reasons.empty());
}

}  // namespace
}  // namespace sluice::loadgen
