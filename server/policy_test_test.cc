// ControlService.TestPolicy: what verdicts recorded packets would get.

#include "server/control/policy_test_stream.h"
#include "server/server_fixture.h"

namespace sluice::server {
namespace {

using grpc::StatusCode;

class PolicyTestTest : public ServerFixture {
 protected:
  using Stream = grpc::ClientReaderWriter<v1::TestPolicyRequest, v1::TestPolicyResponse>;

  void SetUp() override {
    Start({}, "from any to any tcp port 80 accept;");
    control_ = Control();
  }

  // A call together with its context, which must live as long.
  struct Call {
    std::unique_ptr<grpc::ClientContext> context = Context();
    std::unique_ptr<Stream> stream;
    v1::TestPolicyResponse response;

    bool Say(const v1::TestPolicyRequest& request) {
      return stream->Write(request) && stream->Read(&response);
    }
    grpc::Status End() {
      stream->WritesDone();
      return stream->Finish();
    }
  };

  Call Test() {
    Call call;
    call.stream = control_->TestPolicy(call.context.get());
    return call;
  }

  static v1::TestPolicyRequest Policy(const std::string& text) {
    v1::TestPolicyRequest request;
    request.mutable_policy()->set_text(text);
    return request;
  }

  // TCP from 10.0.0.1 to 10.0.0.2 with these destination ports.
  static v1::TestPolicyRequest Packets(const std::vector<uint16_t>& ports) {
    v1::TestPolicyRequest request;
    for (const uint16_t port : ports) {
      std::string bytes("\x45\0\0\x28\0\0\x40\0\x40\x06\0\0\x0a\0\0\x01\x0a\0\0\x02\x04\0", 22);
      bytes += static_cast<char>(port >> 8);
      bytes += static_cast<char>(port & 255);
      bytes += std::string("\0\0\0\0\0\0\0\0\x50\x02\xff\xff\0\0\0\0", 16);
      request.add_packets()->set_payload(bytes);
    }
    return request;
  }

  std::unique_ptr<v1::ControlService::Stub> control_;
};

TEST_F(PolicyTestTest, EachPacketGetsItsResultInOrder) {
  Call call = Test();
  ASSERT_TRUE(call.Say(Policy("from any to any tcp port 25 accept;")));
  EXPECT_EQ(call.response.results_size(), 0);
  for (int round = 0; round < 3; ++round) {
    ASSERT_TRUE(call.Say(Packets({25, 80, 25})));
    ASSERT_EQ(call.response.results_size(), 3);
    for (int i = 0; i < 3; ++i) {
      const auto& result = call.response.results(i);
      EXPECT_EQ(result.ruling().action(), i == 1 ? v1::ACTION_DROP : v1::ACTION_ACCEPT);
      EXPECT_EQ(result.ruling().reason(), i == 1 ? "default" : "rule 1, line 1");
      EXPECT_EQ(result.headers().destination_port(), i == 1 ? 80u : 25u);
    }
  }
  ASSERT_TRUE(call.Say({}));
  EXPECT_EQ(call.response.results_size(), 0);
  EXPECT_TRUE(call.End().ok());
  // Testing did not change the policy in force.
  EXPECT_EQ(policies_->Current()->version, 1u);
}

TEST_F(PolicyTestTest, WithoutAPolicyTheOneNowIsTested) {
  Call call = Test();
  ASSERT_TRUE(call.Say({}));
  policies_->Apply(PolicyOf("default reject;", "later"), std::chrono::system_clock::now());
  ASSERT_TRUE(call.Say(Packets({80})));
  // The policy is the one at the beginning of the test.
  EXPECT_EQ(call.response.results(0).ruling().action(), v1::ACTION_ACCEPT);
  EXPECT_TRUE(call.End().ok());
}

TEST_F(PolicyTestTest, WhatIsNoTestEndsIt) {
  const struct {
    std::vector<v1::TestPolicyRequest> requests;
    std::string why;
  } cases[] = {
      {{Policy("from nowhere;")}, "1:6: "},
      {{Packets({80})}, "the first message"},
      {{{}, Policy("default accept;")}, "a second policy"},
      {{{}, Packets(std::vector<uint16_t>(PolicyTestStream::kMostPackets + 1))}, "packets in a"},
  };
  for (const auto& c : cases) {
    Call call = Test();
    for (size_t i = 0; i + 1 < c.requests.size(); ++i) ASSERT_TRUE(call.Say(c.requests[i]));
    EXPECT_FALSE(call.Say(c.requests.back()));
    const grpc::Status status = call.End();
    EXPECT_EQ(status.error_code(), StatusCode::INVALID_ARGUMENT);
    EXPECT_NE(status.error_message().find(c.why), std::string::npos) << status.error_message();
  }
}

TEST_F(PolicyTestTest, AMessageFullOfNothingIsAnswered) {
  Call call = Test();
  ASSERT_TRUE(call.Say(Policy("rule \"" + std::string(64, 'n') + "\" from any to any reject;")));
  v1::TestPolicyRequest request;
  for (int i = 0; i < PolicyTestStream::kMostPackets; ++i) request.add_packets();
  ASSERT_TRUE(call.Say(request));
  EXPECT_EQ(call.response.results_size(), PolicyTestStream::kMostPackets);
  EXPECT_TRUE(call.End().ok());
}

TEST_F(PolicyTestTest, ThereIsRoomForSome) {
  // All come over a unix socket, so they share what one peer gets.
  std::vector<Call> calls(PolicyTestStream::kMost / 4);
  for (Call& call : calls) {
    call = Test();
    ASSERT_TRUE(call.Say({}));
  }
  Call one_more = Test();
  EXPECT_FALSE(one_more.Say({}));
  EXPECT_EQ(one_more.End().error_code(), StatusCode::RESOURCE_EXHAUSTED);
  // A call that ends makes room, as soon as the server has noticed.
  EXPECT_TRUE(calls.back().End().ok());
  calls.pop_back();
  bool entered = false;
  for (const auto end = std::chrono::steady_clock::now() + kPatience;
       !entered && std::chrono::steady_clock::now() < end;) {
    Call again = Test();
    entered = again.Say({});
    again.End();
  }
  EXPECT_TRUE(entered);
}

TEST_F(PolicyTestTest, TheServerGoesDownInTheMiddle) {
  Call call = Test();
  ASSERT_TRUE(call.Say({}));
  server_->Stop(std::chrono::milliseconds(500));
  EXPECT_FALSE(call.Say(Packets({80})));
  EXPECT_EQ(call.End().error_code(), StatusCode::UNAVAILABLE);
}

}  // namespace
}  // namespace sluice::server
