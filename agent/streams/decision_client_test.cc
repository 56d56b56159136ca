// Tests against a real gRPC server on a unix socket, whose side of the conversation each test
// plays.

#include "agent/streams/decision_client.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "agent/streams/clock.h"

namespace sluice::agent {
namespace {

using ServerStream = grpc::ServerReaderWriter<v1::DecideResponse, v1::DecideRequest>;

// A decider that plays its part as the test says.
class Decider final : public v1::DecisionService::Service {
 public:
  using Play = std::function<grpc::Status(ServerStream& stream)>;
  explicit Decider(Play play) : play_(std::move(play)) {}
  grpc::Status Decide(grpc::ServerContext*, ServerStream* stream) override {
    ++streams;
    return play_(*stream);
  }
  std::atomic<int> streams = 0;

 private:
  const Play play_;
};

v1::DecideResponse Welcome() {
  v1::DecideResponse response;
  response.mutable_welcome();
  return response;
}

// Echoes heartbeats, answers and acknowledges every batch.
grpc::Status PlayOn(ServerStream& stream) {
  v1::DecideRequest request;
  while (stream.Read(&request)) {
    v1::DecideResponse response;
    if (request.has_heartbeat()) {
      *response.mutable_heartbeat() = request.heartbeat();
    } else if (request.has_packets()) {
      response.mutable_verdicts()->set_received_batch(request.packets().batch());
      for (const v1::Packet& packet : request.packets().packets()) {
        response.mutable_verdicts()->add_verdicts()->set_transaction_id(packet.transaction_id());
      }
    } else {
      continue;
    }
    stream.Write(response);
  }
  return grpc::Status::OK;
}

// The whole conversation as it should be.
grpc::Status PlayWell(ServerStream& stream) {
  v1::DecideRequest request;
  stream.Read(&request);
  EXPECT_TRUE(request.has_hello());
  stream.Write(Welcome());
  return PlayOn(stream);
}

class Recorder final : public DecisionListener {
 public:
  absl::Status OnWelcome(uint32_t, const v1::DecideWelcome&) override {
    ++welcomes;
    return refusal;
  }
  absl::Status OnRetune(const v1::Retune&) override {
    ++retunes;
    return absl::OkStatus();
  }
  void OnVerdicts(uint32_t stream, const v1::VerdictBatch& batch) override {
    last_stream = stream;
    for (const v1::Verdict& verdict : batch.verdicts())
      answered.push_back(verdict.transaction_id());
  }
  void OnLost() override { ++lost; }
  void OnNobody() override {}
  bool TakeErrors(v1::VerdictErrors&) override { return false; }

  absl::Status refusal;
  int welcomes = 0;
  int retunes = 0;
  int lost = 0;
  uint32_t last_stream = 0;
  std::vector<uint64_t> answered;
};

class DecisionClientTest : public testing::Test {
 protected:
  // Not in Bazel's folder for temporary files: a socket's path has at most 107 bytes.
  DecisionClientTest() { EXPECT_NE(mkdtemp(folder_.data()), nullptr); }
  ~DecisionClientTest() override { std::filesystem::remove_all(folder_); }

  std::string Address() const { return "unix:" + folder_ + "/decider"; }
  void Serve(Decider::Play play) {
    decider_ = std::make_unique<Decider>(std::move(play));
    grpc::ServerBuilder builder;
    builder.AddListeningPort(Address(), grpc::InsecureServerCredentials());
    builder.RegisterService(decider_.get());
    server_ = builder.BuildAndStart();
    ASSERT_NE(server_, nullptr);
  }
  void StopServer() {
    server_->Shutdown(std::chrono::system_clock::now());
    server_.reset();
  }
  DecisionClient& Client() {
    if (client_ == nullptr) {
      v1::DecideHello hello;
      hello.mutable_agent()->set_gateway("gw");
      client_ = std::make_unique<DecisionClient>(hello, std::vector<std::string>{Address()},
                                                 &recorder_, &poller_);
    }
    return *client_;
  }
  // Does the loop's part until `done`; false if that takes more than ten seconds.
  bool RunUntil(const std::function<bool()>& done) {
    for (const int64_t end = MonotonicNow() + 10'000'000'000; MonotonicNow() < end;) {
      Client().Run(MonotonicNow());
      if (done()) return true;
      Client().EndTurn(/*pending=*/true);
      EXPECT_TRUE(poller_.Wait({}, Client().NextTimer()));
    }
    return false;
  }
  // A batch of one packet.
  void Send(uint64_t id) {
    v1::PacketBatch batch;
    batch.add_packets()->set_transaction_id(id);
    Client().Send(batch);
  }
  void TearDown() override {
    client_.reset();
    if (server_ != nullptr) StopServer();
  }

  std::string folder_ = "/tmp/decision-client-XXXXXX";
  StreamPoller poller_;
  Recorder recorder_;
  std::unique_ptr<Decider> decider_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<DecisionClient> client_;
};

TEST_F(DecisionClientTest, AsksAndIsAnswered) {
  Serve(PlayWell);
  ASSERT_TRUE(RunUntil([&] { return Client().connected(); }));
  for (uint64_t id = 1; id <= 5; ++id) {
    ASSERT_TRUE(RunUntil([&] { return Client().CanSend(); }));
    Send(id);
  }
  ASSERT_TRUE(RunUntil([&] { return recorder_.answered.size() == 5; }));
  EXPECT_EQ(recorder_.answered, (std::vector<uint64_t>{1, 2, 3, 4, 5}));
  EXPECT_TRUE(RunUntil([&] { return Client().round_trip_ns() > 0; })) << "from the first heartbeat";
  EXPECT_EQ(Client().connects(), 1u);
  EXPECT_EQ(recorder_.lost, 0);
}

TEST_F(DecisionClientTest, KeepsNoMoreBatchesUnderWayThanTheCap) {
  Serve([](ServerStream& stream) {
    v1::DecideRequest request;
    stream.Read(&request);
    stream.Write(Welcome());
    // Echoes heartbeats but acknowledges nothing.
    while (stream.Read(&request)) {
      if (!request.has_heartbeat()) continue;
      v1::DecideResponse response;
      *response.mutable_heartbeat() = request.heartbeat();
      stream.Write(response);
    }
    return grpc::Status::OK;
  });
  ASSERT_TRUE(RunUntil([&] { return Client().connected(); }));
  ASSERT_TRUE(RunUntil([&] { return Client().CanSend(); }));
  Send(1);
  // The end of the write comes and time passes: either might let a second batch go, and must not.
  ASSERT_TRUE(RunUntil([&] { return Client().round_trip_ns() > 0; }));
  EXPECT_FALSE(Client().CanSend()) << "no round trip of a batch was measured";
  EXPECT_TRUE(Client().connected()) << "slow is not silent";
}

TEST_F(DecisionClientTest, IsDueWhenTheWindowOpens) {
  Serve([](ServerStream& stream) {
    v1::DecideRequest request;
    stream.Read(&request);
    stream.Write(Welcome());
    while (stream.Read(&request)) {
      if (!request.has_packets() || request.packets().batch() != 1) continue;
      v1::DecideResponse response;
      response.mutable_verdicts()->set_received_batch(1);
      response.mutable_verdicts()->add_verdicts();
      stream.Write(response);
    }
    return grpc::Status::OK;
  });
  ASSERT_TRUE(RunUntil([&] { return Client().connected(); }));
  int64_t now = MonotonicNow();
  const auto run_until = [&](const std::function<bool()>& done) {
    for (int i = 0; i < 100; ++i) {
      Client().Run(now);
      if (done()) return true;
      Client().EndTurn(/*pending=*/true);
      EXPECT_TRUE(poller_.Wait({}, MonotonicNow() + 100'000'000));
    }
    return false;
  };
  const auto can_send = [&] { return Client().CanSend(); };
  ASSERT_TRUE(run_until(can_send));
  Send(1);
  EXPECT_EQ(Client().NextTimer(), now + 5'000'000) << "an answer may come and wake nobody";
  now += 128'000'000;
  ASSERT_TRUE(run_until([&] { return !recorder_.answered.empty(); }));
  ASSERT_TRUE(run_until(can_send));
  Send(2);
  EXPECT_FALSE(Client().CanSend());
  now += 4'000'000;  // a 32nd of the round trip
  EXPECT_EQ(Client().NextTimer(), now);
  ASSERT_TRUE(run_until(can_send));
}

// Welcomes, echoes heartbeats and answers packets, but acknowledges no batch; in the first `mute`
// streams it does not answer either.
Decider::Play AcknowledgeNothing(std::atomic<int>& mute) {
  return [&mute](ServerStream& stream) {
    v1::DecideRequest request;
    stream.Read(&request);
    stream.Write(Welcome());
    const bool answer = --mute < 0;
    while (stream.Read(&request)) {
      v1::DecideResponse response;
      if (request.has_heartbeat()) *response.mutable_heartbeat() = request.heartbeat();
      if (request.has_packets()) {
        if (!answer) continue;
        for (const v1::Packet& packet : request.packets().packets()) {
          response.mutable_verdicts()->add_verdicts()->set_transaction_id(packet.transaction_id());
        }
      }
      stream.Write(response);
    }
    return grpc::Status::OK;
  };
}

TEST_F(DecisionClientTest, ABatchThatIsAnsweredIsAcknowledged) {
  std::atomic<int> mute = 0;
  Serve(AcknowledgeNothing(mute));
  ASSERT_TRUE(RunUntil([&] { return Client().connected(); }));
  for (uint64_t id = 1; id <= 200; ++id) {
    ASSERT_TRUE(RunUntil([&] { return Client().CanSend(); }));
    Send(id);
  }
  ASSERT_TRUE(RunUntil([&] { return recorder_.answered.size() == 200; }));
  EXPECT_EQ(recorder_.lost, 0);
}

TEST_F(DecisionClientTest, ADeciderThatAcknowledgesNothingIsDialledAnew) {
  std::atomic<int> mute = 1;
  Serve(AcknowledgeNothing(mute));
  ASSERT_TRUE(RunUntil([&] { return Client().CanSend(); }));
  Send(1);
  ASSERT_TRUE(RunUntil([&] { return recorder_.lost == 1; }));
  ASSERT_TRUE(RunUntil([&] { return Client().CanSend(); }));
  Send(1);
  ASSERT_TRUE(RunUntil([&] { return recorder_.answered.size() == 1; }));
  // With nothing under way nothing has to be acknowledged: wait for longer than it took above.
  const uint64_t connects = Client().connects();
  const int64_t end = MonotonicNow() + 2'500'000'000;
  ASSERT_TRUE(RunUntil([&] { return MonotonicNow() > end; }));
  EXPECT_EQ(Client().connects(), connects);
}

TEST_F(DecisionClientTest, TakesASilentDeciderForDead) {
  Serve([](ServerStream& stream) {
    v1::DecideRequest request;
    stream.Read(&request);
    stream.Write(Welcome());
    while (stream.Read(&request)) {
    }
    return grpc::Status::OK;
  });
  ASSERT_TRUE(RunUntil([&] { return Client().connected(); }));
  ASSERT_TRUE(RunUntil([&] { return recorder_.lost == 1; }));
  ASSERT_TRUE(RunUntil([&] { return recorder_.welcomes == 2; })) << "it dials again";
}

TEST_F(DecisionClientTest, FindsADeciderThatComesLate) {
  ASSERT_FALSE(Client().connected());
  Client().Run(MonotonicNow());
  Serve(PlayWell);
  ASSERT_TRUE(RunUntil([&] { return Client().connected(); }));
  StopServer();
  ASSERT_TRUE(RunUntil([&] { return recorder_.lost == 1; }));
  Serve(PlayWell);
  ASSERT_TRUE(RunUntil([&] { return Client().connected(); }));
  EXPECT_EQ(Client().connects(), 2u);
}

struct Breach {
  std::string name;
  Decider::Play play;
};

class BreachTest : public DecisionClientTest, public testing::WithParamInterface<Breach> {};

TEST_P(BreachTest, EndsTheStreamAndDialsAgain) {
  Serve(GetParam().play);
  ASSERT_TRUE(RunUntil([&] { return decider_->streams >= 2; }));
  EXPECT_FALSE(Client().connected() && recorder_.lost == 0);
}

INSTANTIATE_TEST_SUITE_P(DecisionClient, BreachTest,
                         testing::Values(Breach{"NoWelcome",
                                                [](ServerStream& stream) {
                                                  v1::DecideRequest request;
                                                  stream.Read(&request);
                                                  v1::DecideResponse response;
                                                  response.mutable_verdicts();
                                                  stream.Write(response);
                                                  while (stream.Read(&request)) {
                                                  }
                                                  return grpc::Status::OK;
                                                }},
                                         Breach{"TwoWelcomes",
                                                [](ServerStream& stream) {
                                                  v1::DecideRequest request;
                                                  stream.Read(&request);
                                                  stream.Write(Welcome());
                                                  stream.Write(Welcome());
                                                  while (stream.Read(&request)) {
                                                  }
                                                  return grpc::Status::OK;
                                                }},
                                         Breach{"AcknowledgesWhatWasNotSent",
                                                [](ServerStream& stream) {
                                                  v1::DecideRequest request;
                                                  stream.Read(&request);
                                                  stream.Write(Welcome());
                                                  v1::DecideResponse response;
                                                  response.mutable_verdicts()->set_received_batch(
                                                      7);
                                                  stream.Write(response);
                                                  while (stream.Read(&request)) {
                                                  }
                                                  return grpc::Status::OK;
                                                }},
                                         Breach{"Refuses",
                                                [](ServerStream&) {
                                                  return grpc::Status(
                                                      grpc::StatusCode::FAILED_PRECONDITION,
                                                      "not for this gateway");
                                                }}),
                         [](const auto& breach) { return breach.param.name; });

TEST_F(DecisionClientTest, EndsTheStreamOfADeciderThatAsksTheImpossible) {
  recorder_.refusal = absl::UnimplementedError("rewriting payload");
  Serve(PlayWell);
  ASSERT_TRUE(RunUntil([&] { return recorder_.welcomes == 2; }));
  EXPECT_FALSE(Client().connected());
  EXPECT_EQ(Client().connects(), 0u);
}

TEST_F(DecisionClientTest, AFloodOfMessagesIsReadNoFasterThanItIsHandled) {
  constexpr int kMessages = 5000;
  Serve([](ServerStream& stream) {
    v1::DecideRequest request;
    stream.Read(&request);
    stream.Write(Welcome());
    v1::DecideResponse retune;
    retune.mutable_retune();
    for (int i = 0; i < kMessages; ++i) stream.Write(retune);
    return PlayOn(stream);
  });
  ASSERT_TRUE(RunUntil([&] { return recorder_.retunes == kMessages; }));
}

TEST_F(DecisionClientTest, EndsWhileADeciderFloods) {
  Serve([](ServerStream& stream) {
    v1::DecideRequest request;
    stream.Read(&request);
    stream.Write(Welcome());
    v1::DecideResponse retune;
    retune.mutable_retune();
    while (stream.Write(retune)) {
    }
    return grpc::Status::OK;
  });
  ASSERT_TRUE(RunUntil([&] { return recorder_.retunes > 100; }));
  client_.reset();
}

}  // namespace
}  // namespace sluice::agent
