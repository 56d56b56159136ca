// Bytes that are not messages, and messages with altered bytes, on every stream and call. (Bytes of
// which nothing can be read end a stream with OK, because gRPC reports them like a half-close.)

#include <grpcpp/generic/generic_stub.h>

#include <map>
#include <random>

#include "server/server_fixture.h"

namespace sluice::server {
namespace {

class GarbageTest : public ServerFixture {
 protected:
  void SetUp() override { Start({}, "from any to any tcp port 80 accept log;"); }

  // Calls `method`, sends `messages` until the server ends the call, and waits for the end.
  static grpc::Status Say(const std::shared_ptr<grpc::Channel>& channel, const std::string& method,
                          const std::vector<std::string>& messages) {
    grpc::GenericStub stub(channel);
    grpc::CompletionQueue queue;
    const auto done = [&queue] {
      void* tag = nullptr;
      bool ok = false;
      return queue.Next(&tag, &ok) && ok;
    };
    const auto context = Context();
    auto call = stub.PrepareCall(context.get(), method, &queue);
    call->StartCall(nullptr);
    bool open = done();
    for (size_t i = 0; i < messages.size() && open; ++i) {
      grpc::Slice slice(messages[i]);
      call->Write(grpc::ByteBuffer(&slice, 1), nullptr);
      open = done();
    }
    if (open) {
      call->WritesDone(nullptr);
      done();
    }
    grpc::Status status;
    grpc::ByteBuffer answer;
    do {
      call->Read(&answer, nullptr);
    } while (done());
    call->Finish(&status, nullptr);
    done();
    queue.Shutdown();
    return status;
  }

  static std::string Alter(std::string bytes, std::minstd_rand& random) {
    for (int changes = static_cast<int>(random() % 4); changes >= 0 && !bytes.empty(); --changes) {
      const size_t at = random() % bytes.size();
      switch (random() % 3) {
        case 0:
          bytes[at] = static_cast<char>(random());
          break;
        case 1:
          bytes.erase(at, 1 + random() % 4);
          break;
        default:
          bytes.insert(at, 1 + random() % 4, static_cast<char>(random()));
      }
    }
    return bytes;
  }
};

// Such as from an agent of the time before names were escaped.
TEST_F(GarbageTest, AStringThatIsNotUtf8EndsItsStreamOnlyAndIsSaid) {
  auto well = Decide("well");
  v1::DecideRequest packets = Packets(1, {1, 2});
  packets.mutable_packets()->mutable_packets(1)->set_input_interface("caf\xe9");
  const auto channel = Connect();
  const grpc::Status status =
      Say(channel, "/sluice.v1.DecisionService/Decide",
          {DecideHello("gw").SerializeAsString(), packets.SerializeAsString()});
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_NE(status.error_message().find("not UTF-8"), std::string::npos) << status.error_message();
  v1::DecideResponse response;
  ASSERT_TRUE(well->Write(Packets(1, {1, 2})));
  ASSERT_TRUE(well->Read(&response));
  EXPECT_EQ(response.verdicts().verdicts_size(), 2);
}

TEST_F(GarbageTest, TheServerSurvives) {
  v1::ReportRequest events;
  events.mutable_events()->set_batch(1);
  v1::Event& event = *events.mutable_events()->add_events();
  event.mutable_conntrack()->set_type(v1::EVENT_TYPE_NEW);
  v1::Flow& flow = *event.mutable_conntrack()->mutable_flow();
  flow.set_id(1);
  flow.mutable_original()->set_source("1234");
  flow.mutable_original()->set_destination("1234");
  flow.mutable_original()->set_protocol(6);
  events.mutable_events()->add_events()->mutable_gap();
  events.mutable_events()->add_events()->mutable_resync_done();
  events.mutable_events()->add_events()->mutable_packet()->set_cause(v1::CAUSE_STALE);
  v1::ServeRequest reply;
  reply.mutable_reply()->set_id(1);
  reply.mutable_reply()->set_last(true);
  reply.mutable_reply()->mutable_error()->set_code(7);
  v1::ObserveDecisionsRequest decisions;
  decisions.set_last(5);
  decisions.mutable_filter()->mutable_source()->set_address("1234");
  v1::ObserveConnectionsRequest connections;
  connections.set_last(5);
  connections.mutable_filter()->mutable_source()->set_address("1234");
  v1::ApplyPolicyRequest policy;
  policy.mutable_policy()->set_text(
      "from host 10.0.0.1 to any tcp port 80 accept log; default reject;");
  const struct {
    std::string method;
    std::vector<std::string> messages;
  } kCalls[] = {
      {"/sluice.v1.DecisionService/Decide",
       {DecideHello("gw").SerializeAsString(), Packets(1, {1, 2, 3}).SerializeAsString(),
        Packets(2, {4}).SerializeAsString()}},
      {"/sluice.v1.EventService/Report",
       {ReportHello("gw").SerializeAsString(), events.SerializeAsString()}},
      {"/sluice.v1.CommandService/Serve",
       {ServeHello("gw").SerializeAsString(), reply.SerializeAsString()}},
      {"/sluice.v1.ObserveService/ObserveDecisions", {decisions.SerializeAsString()}},
      {"/sluice.v1.ObserveService/ObserveConnections", {connections.SerializeAsString()}},
      {"/sluice.v1.ControlService/ApplyPolicy", {policy.SerializeAsString()}},
      {"/sluice.v1.ControlService/GetPolicy", {""}},
      {"/sluice.v1.ControlService/NoSuchCall", {""}},
  };
  std::minstd_rand random(1);  // The same sequence each time.
  const auto channel = Connect();
  std::map<grpc::StatusCode, int> ends;
  for (const auto& call : kCalls) {
    for (int round = 0; round < 150; ++round) {
      std::vector<std::string> messages = call.messages;
      // The first messages are often right, so that the server looks at those that follow.
      const size_t from = random() % messages.size();
      for (size_t i = from; i < messages.size(); ++i) messages[i] = Alter(messages[i], random);
      if (call.method.find("Observe") != std::string::npos && round % 2 == 0) {
        messages[0] = std::string(random() % 40, '\xff');
      }
      ++ends[Say(channel, call.method, messages).error_code()];
    }
  }
  EXPECT_GT(ends[grpc::StatusCode::OK], 0);
  EXPECT_GT(ends[grpc::StatusCode::INVALID_ARGUMENT], 0);
  EXPECT_EQ(ends[grpc::StatusCode::DEADLINE_EXCEEDED], 0);
  // The server still serves.
  auto stream = Decide("well");
  v1::DecideResponse response;
  ASSERT_TRUE(stream->Write(Packets(1, {1, 2})));
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_EQ(response.verdicts().verdicts_size(), 2);
}

}  // namespace
}  // namespace sluice::server
