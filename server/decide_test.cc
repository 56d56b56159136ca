// DecisionService, driven by a client over a socket.

#include <numeric>
#include <set>

#include "server/server_fixture.h"

namespace sluice::server {
namespace {

using grpc::StatusCode;

constexpr char kPolicy[] = "from any to any tcp port 80 accept;\ndefault reject notify;\n";

class DecideTest : public ServerFixture {
 protected:
  void SetUp() override { Start({}, kPolicy); }

  // Sends `requests` on a new stream and returns the status it ends with.
  grpc::Status Say(const std::vector<v1::DecideRequest>& requests) {
    auto stream = OpenDecide();
    for (const auto& request : requests) stream->Write(request);
    return stream->Finish();
  }
};

TEST_F(DecideTest, AnswersEveryPacketWithItsReason) {
  auto stream = OpenDecide();
  ASSERT_TRUE(stream->Write(DecideHello("gw")));
  v1::DecideResponse response;
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_EQ(response.welcome().policy_label(), "1");

  ASSERT_TRUE(stream->Write(Packets(1, {7, 8})));
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_EQ(response.verdicts().received_batch(), 1u);
  ASSERT_EQ(response.verdicts().verdicts_size(), 2);
  EXPECT_EQ(response.verdicts().verdicts(0).transaction_id(), 7u);
  EXPECT_EQ(response.verdicts().verdicts(0).action(), v1::ACTION_ACCEPT);
  EXPECT_EQ(response.verdicts().verdicts(0).reason(), "rule 1, line 1");
  EXPECT_EQ(response.verdicts().verdicts(0).notify(), v1::NOTIFY_UNSPECIFIED);
  EXPECT_EQ(response.verdicts().verdicts(1).transaction_id(), 8u);

  ASSERT_TRUE(stream->Write(Packets(2, {9}, 81)));
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_EQ(response.verdicts().received_batch(), 2u);
  ASSERT_EQ(response.verdicts().verdicts_size(), 1);
  EXPECT_EQ(response.verdicts().verdicts(0).action(), v1::ACTION_DROP);
  EXPECT_EQ(response.verdicts().verdicts(0).notify(), v1::NOTIFY_HOST_UNREACHABLE);
  EXPECT_EQ(response.verdicts().verdicts(0).reason(), "default");

  // An empty batch is acknowledged all the same.
  ASSERT_TRUE(stream->Write(Packets(3, {})));
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_EQ(response.verdicts().received_batch(), 3u);
  EXPECT_EQ(response.verdicts().verdicts_size(), 0);
}

TEST_F(DecideTest, EchoesHeartbeatsUnchanged) {
  auto stream = Decide("gw");
  for (const uint64_t sequence : {1, 2, 77}) {
    v1::DecideRequest request;
    request.mutable_heartbeat()->set_sequence(sequence);
    ASSERT_TRUE(stream->Write(request));
    v1::DecideResponse response;
    ASSERT_TRUE(stream->Read(&response));
    EXPECT_EQ(response.heartbeat().sequence(), sequence);
  }
}

TEST_F(DecideTest, ANewPolicyDecidesTheNextBatch) {
  auto stream = Decide("gw");
  v1::DecideResponse response;
  ASSERT_TRUE(stream->Write(Packets(1, {1}, 81)));
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_EQ(response.verdicts().verdicts(0).action(), v1::ACTION_DROP);
  policies_->Apply(PolicyOf("default accept;", "test"), std::chrono::system_clock::now());
  ASSERT_TRUE(stream->Write(Packets(2, {2}, 81)));
  ASSERT_TRUE(ReadVerdicts(*stream, &response));
  EXPECT_EQ(response.verdicts().verdicts(0).action(), v1::ACTION_ACCEPT);
}

TEST_F(DecideTest, TellsEveryStreamOfANewPolicy) {
  auto one = Decide("gw");
  auto other = Decide("gw2");
  for (const char* version : {"2", "3"}) {
    policies_->Apply(PolicyOf("default accept;", "test"), std::chrono::system_clock::now());
    for (DecideClient* stream : {one.get(), other.get()}) {
      v1::DecideResponse response;
      ASSERT_TRUE(stream->Read(&response));
      ASSERT_TRUE(response.has_retune()) << response.ShortDebugString();
      EXPECT_EQ(response.retune().policy_label(), version);
      EXPECT_FALSE(response.retune().has_packet_options());
    }
  }
  auto late = OpenDecide();
  ASSERT_TRUE(late->Write(DecideHello("gw")));
  v1::DecideResponse response;
  ASSERT_TRUE(late->Read(&response));
  EXPECT_EQ(response.welcome().policy_label(), "3");
}

// An agent forgets what it remembers once it hears of another policy; so no verdict of the old
// policy may come after the Retune.
TEST_F(DecideTest, NoVerdictComesBehindTheWordOfALaterPolicy) {
  auto stream = Decide("gw");
  std::thread writer([&] {
    for (uint64_t batch = 1; batch <= 300; ++batch) {
      ASSERT_TRUE(stream->Write(Packets(batch, {batch}, 81)));
      if (batch == 150) {
        policies_->Apply(PolicyOf("default accept;", "test"), std::chrono::system_clock::now());
      }
    }
  });
  std::string version = "1";
  int answered = 0;
  while (answered < 300 || version == "1") {  // The word may come behind the last verdict.
    v1::DecideResponse response;
    ASSERT_TRUE(stream->Read(&response));
    if (response.has_retune()) version = response.retune().policy_label();
    for (const auto& verdict : response.verdicts().verdicts()) {
      ++answered;
      if (verdict.action() == v1::ACTION_DROP) {
        EXPECT_EQ(version, "1");
      }
    }
  }
  writer.join();
  EXPECT_EQ(version, "2");
  EXPECT_EQ(answered, 300);
}

TEST_F(DecideTest, MergesWhatPilesUpAndAnswersEachOnce) {
  auto stream = Decide("gw");
  constexpr uint64_t kBatches = 200;
  constexpr uint64_t kEach = 30;
  for (uint64_t batch = 1; batch <= kBatches; ++batch) {
    std::vector<uint64_t> ids(kEach);
    std::iota(ids.begin(), ids.end(), (batch - 1) * kEach);
    ASSERT_TRUE(stream->Write(Packets(batch, ids)));
  }
  stream->WritesDone();
  std::set<uint64_t> answered;
  uint64_t received = 0;
  v1::DecideResponse response;
  while (stream->Read(&response)) {
    EXPECT_GE(response.verdicts().received_batch(), received);
    received = response.verdicts().received_batch();
    for (const auto& verdict : response.verdicts().verdicts()) {
      EXPECT_TRUE(answered.insert(verdict.transaction_id()).second);
      EXPECT_LT(verdict.transaction_id(), received * kEach);
    }
  }
  EXPECT_EQ(received, kBatches);
  EXPECT_EQ(answered.size(), kBatches * kEach);
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(DecideTest, EndsABrokenConversation) {
  v1::DecideRequest crowd = Packets(1, {});
  for (int i = 0; i < 1025; ++i) crowd.mutable_packets()->add_packets();
  const std::vector<std::vector<v1::DecideRequest>> kBroken = {
      {Packets(1, {1})},
      {v1::DecideRequest()},
      {DecideHello("gw"), DecideHello("gw")},
      {DecideHello("gw"), Packets(0, {1})},
      {DecideHello("gw"), Packets(2, {1})},
      {DecideHello("gw"), Packets(1, {1}), Packets(1, {2})},
      {DecideHello("gw"), Packets(1, {1}), Packets(3, {2})},
      {DecideHello("gw"), crowd},
      {DecideHello("")},
      {DecideHello("no name\n")},
  };
  for (const auto& requests : kBroken) {
    const grpc::Status status = Say(requests);
    EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT) << status.error_message();
    EXPECT_NE(status.error_message(), "");
  }
}

TEST_F(DecideTest, TakesWhatItDoesNotKnow) {
  auto stream = Decide("gw");
  v1::DecideRequest errors;
  errors.mutable_errors()->set_suppressed(~0ull);
  ASSERT_TRUE(stream->Write(errors));
  errors.mutable_errors()->add_entries()->set_error(static_cast<v1::VerdictError>(99));
  ASSERT_TRUE(stream->Write(errors));
  ASSERT_TRUE(stream->Write(v1::DecideRequest()));
  v1::DecideRequest odd = Packets(1, {5, 5});
  odd.mutable_packets()->mutable_packets(0)->clear_headers();
  odd.mutable_packets()->mutable_packets(1)->mutable_headers()->set_source("odd");
  odd.mutable_packets()->mutable_packets(1)->mutable_headers()->set_protocol(~0u);
  odd.mutable_packets()->mutable_packets(1)->set_input_interface(std::string(1000, 'x'));
  odd.mutable_packets()->mutable_packets(1)->set_family(static_cast<v1::Family>(-7));
  ASSERT_TRUE(stream->Write(odd));
  v1::DecideResponse response;
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_EQ(response.verdicts().verdicts_size(), 2);
}

TEST_F(DecideTest, EndsASilentStream) {
  // First a stream that is silent from the start, then one that is silent after the hello.
  auto mute = OpenDecide(/*beats=*/false);
  EXPECT_EQ(mute->Finish().error_code(), StatusCode::DEADLINE_EXCEEDED);
  auto stream = Decide("gw");
  const auto started = std::chrono::steady_clock::now();
  stream->StopBeating();
  const grpc::Status status = stream->Finish();
  EXPECT_EQ(status.error_code(), StatusCode::DEADLINE_EXCEEDED);
  EXPECT_NE(status.error_message().find("600 ms"), std::string::npos);
  EXPECT_GE(std::chrono::steady_clock::now() - started, std::chrono::milliseconds(400));
}

TEST_F(DecideTest, DropsAPeerThatNeverReads) {
  auto stream = Decide("gw");
  std::vector<uint64_t> ids(1024);
  std::iota(ids.begin(), ids.end(), 0);
  uint64_t batch = 0;
  // Writes until the server stops reading and then ends the stream.
  while (stream->Write(Packets(++batch, ids))) {
  }
  EXPECT_GT(batch, 8u);
  // Other streams are still served.
  v1::DecideResponse response;
  auto other = Decide("gw");
  ASSERT_TRUE(other->Write(Packets(1, {1})));
  EXPECT_TRUE(other->Read(&response));
}

TEST_F(DecideTest, CancelledStreamsLeave) {
  {
    auto stream = Decide("gw");
    stream->Cancel();
    EXPECT_EQ(stream->Finish().error_code(), StatusCode::CANCELLED);
  }
  const auto control = Control();
  v1::ListGatewaysResponse list;
  do {
    ASSERT_TRUE(control->ListGateways(Context().get(), {}, &list).ok());
    ASSERT_EQ(list.gateways_size(), 1);
  } while (list.gateways(0).decide_streams() > 0);
}

TEST_F(DecideTest, StoppingEndsStreamsWithUnavailable) {
  auto stream = Decide("gw");
  auto idle = OpenDecide(/*beats=*/false);
  server_->Stop(std::chrono::seconds(5));
  const grpc::Status status = stream->Finish();
  EXPECT_EQ(status.error_code(), StatusCode::UNAVAILABLE);
  EXPECT_NE(status.error_message().find("going down"), std::string::npos);
}

TEST_F(DecideTest, ServesManyStreamsAtOnce) {
  std::vector<std::thread> agents;
  for (int agent = 0; agent < 8; ++agent) {
    agents.emplace_back([this, agent] {
      auto stream = Decide("gw" + std::to_string(agent % 3));
      v1::DecideResponse response;
      for (uint64_t batch = 1; batch <= 50; ++batch) {
        ASSERT_TRUE(stream->Write(Packets(batch, {batch, batch + 1000})));
        ASSERT_TRUE(ReadVerdicts(*stream, &response));
        EXPECT_EQ(response.verdicts().received_batch(), batch);
        EXPECT_EQ(response.verdicts().verdicts_size(), 2);
      }
      stream->WritesDone();
      EXPECT_TRUE(stream->Finish().ok());
    });
  }
  for (int i = 0; i < 20; ++i) {
    policies_->Apply(PolicyOf(kPolicy, "test"), std::chrono::system_clock::now());
  }
  for (auto& agent : agents) agent.join();
}

}  // namespace
}  // namespace sluice::server
