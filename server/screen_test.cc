// ControlService.Screen, with agents and screeners over sockets.

#include <atomic>
#include <set>

#include "server/server_fixture.h"

namespace sluice::server {
namespace {

using grpc::StatusCode;

using ScreenClient = AgentStream<v1::ScreenRequest, v1::ScreenResponse>;

class ScreenTest : public ServerFixture {
 protected:
  void SetUp() override { Start({}, "default reject;"); }

  std::unique_ptr<ScreenClient> OpenScreen(bool beats = true) {
    const std::shared_ptr<v1::ControlService::Stub> stub = Control();
    return std::make_unique<ScreenClient>(
        [&](grpc::ClientContext* context) { return stub->Screen(context); }, beats);
  }

  static v1::ScreenRequest Hello(const std::string& gateway) {
    v1::ScreenRequest request;
    request.mutable_hello()->set_gateway(gateway);
    return request;
  }

  // Sends the hello and reads the welcome.
  std::unique_ptr<ScreenClient> Screen(const std::string& gateway) {
    auto screen = OpenScreen();
    EXPECT_TRUE(screen->Write(Hello(gateway)));
    v1::ScreenResponse response;
    EXPECT_TRUE(screen->Read(&response) && response.has_welcome()) << response.ShortDebugString();
    return screen;
  }

  // The same once the gateway's last screener has left: the server learns of a cancelled call at
  // some time after its client.
  std::unique_ptr<ScreenClient> ScreenNext(const std::string& gateway) {
    while (true) {
      auto screen = OpenScreen();
      screen->Write(Hello(gateway));
      v1::ScreenResponse response;
      if (screen->Read(&response)) {
        EXPECT_TRUE(response.has_welcome()) << response.ShortDebugString();
        return screen;
      }
      const grpc::Status refused = screen->Finish();
      EXPECT_EQ(refused.error_code(), StatusCode::ALREADY_EXISTS) << refused.error_message();
    }
  }

  grpc::Status Say(const std::vector<v1::ScreenRequest>& requests) {
    auto screen = OpenScreen();
    for (const auto& request : requests) screen->Write(request);
    return screen->Finish();
  }

  // Packets with ten seconds left.
  static v1::DecideRequest Patient(uint64_t batch, const std::vector<uint64_t>& ids) {
    v1::DecideRequest request = Packets(batch, ids);
    request.mutable_packets()->mutable_time_left()->set_seconds(10);
    return request;
  }

  static v1::ScreenRequest Verdict(uint64_t id, v1::Action action, const std::string& reason = "") {
    v1::ScreenRequest request;
    v1::Verdict* verdict = request.mutable_verdicts()->add_verdicts();
    verdict->set_transaction_id(id);
    verdict->set_action(action);
    verdict->set_reason(reason);
    return request;
  }

  // The gateway's next verdict.
  static v1::Verdict Next(DecideClient& stream) {
    v1::DecideResponse response;
    while (ReadVerdicts(stream, &response)) {
      if (response.verdicts().verdicts_size() > 0) return response.verdicts().verdicts(0);
    }
    ADD_FAILURE() << "the stream ended";
    return {};
  }

  std::vector<v1::Decision> Decisions() {
    v1::ObserveDecisionsRequest request;
    request.set_last(100);
    const auto context = Context();
    const auto reader = Observe()->ObserveDecisions(context.get(), request);
    std::vector<v1::Decision> decisions;
    v1::ObserveDecisionsResponse response;
    while (reader->Read(&response)) decisions.push_back(response.decision());
    return decisions;
  }
};

TEST_F(ScreenTest, ThePacketsAreTheScreenersUntilItCloses) {
  auto gateway = Decide("gw");
  auto screen = Screen("gw");
  ASSERT_TRUE(gateway->Write(Patient(1, {1, 2, 3})));
  v1::ScreenResponse given;
  ASSERT_TRUE(screen->Read(&given));
  ASSERT_EQ(given.packets().packets_size(), 3);
  EXPECT_EQ(given.packets().batch(), 1u);
  EXPECT_EQ(given.packets().packets(0).transaction_id(), 1u);
  EXPECT_EQ(given.packets().packets(0).headers().destination_port(), 80u);
  EXPECT_GT(given.packets().time_left().seconds(), 5);

  v1::ScreenRequest drop = Verdict(2, v1::ACTION_DROP);
  drop.mutable_verdicts()->mutable_verdicts(0)->set_notify(v1::NOTIFY_TCP_RESET);
  drop.mutable_verdicts()->mutable_verdicts(0)->set_mark(7);
  ASSERT_TRUE(screen->Write(drop));
  v1::Verdict verdict = Next(*gateway);
  EXPECT_EQ(verdict.transaction_id(), 2u);
  EXPECT_EQ(verdict.action(), v1::ACTION_DROP);
  EXPECT_EQ(verdict.notify(), v1::NOTIFY_TCP_RESET);
  EXPECT_EQ(verdict.mark(), 7u);
  EXPECT_EQ(verdict.reason(), "by screen");
  ASSERT_TRUE(screen->Write(Verdict(1, v1::ACTION_ACCEPT, "a friend")));
  verdict = Next(*gateway);
  EXPECT_EQ(verdict.transaction_id(), 1u);
  EXPECT_EQ(verdict.action(), v1::ACTION_ACCEPT);
  EXPECT_EQ(verdict.reason(), "by screen: a friend");

  // The screener leaves packet 3 and all later ones to the policy.
  screen->WritesDone();
  EXPECT_TRUE(screen->Finish().ok());
  verdict = Next(*gateway);
  EXPECT_EQ(verdict.transaction_id(), 3u);
  EXPECT_EQ(verdict.reason(), "default");
  ASSERT_TRUE(gateway->Write(Patient(2, {4})));
  EXPECT_EQ(Next(*gateway).reason(), "default");

  gateway->WritesDone();
  EXPECT_TRUE(gateway->Finish().ok());
  const auto decisions = Decisions();
  ASSERT_EQ(decisions.size(), 4u);
  EXPECT_EQ(decisions[0].reason(), "by screen");
  EXPECT_EQ(decisions[0].action(), v1::ACTION_DROP);
  EXPECT_EQ(decisions[0].notify(), v1::NOTIFY_TCP_RESET);
  EXPECT_EQ(decisions[0].headers().source_port(), 2u);
  EXPECT_EQ(decisions[0].policy_version(), 0u);
  EXPECT_EQ(decisions[0].queue(), 3u);
  EXPECT_EQ(decisions[1].reason(), "by screen: a friend");
  EXPECT_EQ(decisions[2].reason(), "default");
  EXPECT_EQ(decisions[3].policy_version(), 1u);
}

TEST_F(ScreenTest, TheGatewayIsToldThatItIsScreened) {
  auto gateway = Decide("gw");
  auto screen = Screen("gw");
  v1::DecideResponse response;
  ASSERT_TRUE(gateway->Read(&response));
  EXPECT_EQ(response.retune().policy_label(), "1 (screened)");
  screen->Cancel();
  ASSERT_TRUE(gateway->Read(&response));
  EXPECT_EQ(response.retune().policy_label(), "1");
}

TEST_F(ScreenTest, BatchesAreAcknowledgedWhileTheScreenerThinks) {
  auto gateway = Decide("gw");
  auto screen = Screen("gw");
  for (uint64_t batch = 1; batch <= 3; ++batch) {
    ASSERT_TRUE(gateway->Write(Patient(batch, {batch})));
    v1::DecideResponse response;
    ASSERT_TRUE(ReadVerdicts(*gateway, &response));
    EXPECT_EQ(response.verdicts().received_batch(), batch);
    EXPECT_EQ(response.verdicts().verdicts_size(), 0);
  }
  ASSERT_TRUE(screen->Write(Verdict(2, v1::ACTION_ACCEPT)));
  v1::DecideResponse response;
  ASSERT_TRUE(ReadVerdicts(*gateway, &response));
  EXPECT_EQ(response.verdicts().received_batch(), 3u);
  EXPECT_EQ(response.verdicts().verdicts(0).transaction_id(), 2u);
}

TEST_F(ScreenTest, SaysWhatRanOutOfTimeAndWhatCouldNotBeAnswered) {
  auto gateway = Decide("gw");
  auto screen = Screen("gw");
  v1::DecideRequest brief = Packets(1, {1});
  brief.mutable_packets()->mutable_time_left()->set_nanos(1'000'000);
  ASSERT_TRUE(gateway->Write(brief));
  v1::ScreenResponse response;
  ASSERT_TRUE(screen->Read(&response));
  EXPECT_EQ(response.packets().packets_size(), 1);
  ASSERT_TRUE(screen->Read(&response));
  ASSERT_EQ(response.gone().transaction_ids_size(), 1);
  EXPECT_EQ(response.gone().transaction_ids(0), 1u);
  ASSERT_TRUE(screen->Write(Verdict(1, v1::ACTION_ACCEPT)));
  ASSERT_TRUE(screen->Read(&response));
  ASSERT_EQ(response.errors().entries_size(), 1);
  EXPECT_EQ(response.errors().entries(0).error(), v1::VERDICT_ERROR_UNKNOWN);

  // The agent's errors about verdicts are passed on.
  v1::DecideRequest errors;
  errors.mutable_errors()->add_entries()->set_transaction_id(9);
  errors.mutable_errors()->mutable_entries(0)->set_error(v1::VERDICT_ERROR_INVALID);
  ASSERT_TRUE(gateway->Write(errors));
  ASSERT_TRUE(screen->Read(&response));
  ASSERT_EQ(response.errors().entries_size(), 1);
  EXPECT_EQ(response.errors().entries(0).error(), v1::VERDICT_ERROR_INVALID);
}

TEST_F(ScreenTest, OutlivesTheGatewaysConnection) {
  auto gateway = Decide("gw");
  auto screen = Screen("gw");
  ASSERT_TRUE(gateway->Write(Patient(1, {1})));
  v1::ScreenResponse response;
  ASSERT_TRUE(screen->Read(&response));
  gateway->Cancel();
  ASSERT_TRUE(screen->Read(&response));
  EXPECT_EQ(response.gone().transaction_ids_size(), 1);
  auto again = Decide("gw");
  ASSERT_TRUE(again->Write(Patient(1, {1})));
  ASSERT_TRUE(screen->Read(&response));
  EXPECT_EQ(response.packets().packets(0).transaction_id(), 1u);
  ASSERT_TRUE(screen->Write(Verdict(1, v1::ACTION_ACCEPT)));
  EXPECT_EQ(Next(*again).reason(), "by screen");
}

TEST_F(ScreenTest, RefusesWhatCannotBeScreened) {
  EXPECT_EQ(Say({Hello("gw")}).error_code(), StatusCode::NOT_FOUND);
  auto serve = Serve("gw");
  EXPECT_EQ(Say({Hello("gw")}).error_code(), StatusCode::UNAVAILABLE);
  auto gateway = Decide("gw");
  auto screen = Screen("gw");
  const grpc::Status second = Say({Hello("gw")});
  EXPECT_EQ(second.error_code(), StatusCode::ALREADY_EXISTS);
  EXPECT_NE(second.error_message().find("at unix"), std::string::npos) << second.error_message();
  // The first screener is not affected.
  ASSERT_TRUE(gateway->Write(Patient(1, {1})));
  v1::ScreenResponse response;
  ASSERT_TRUE(screen->Read(&response));
  EXPECT_EQ(response.packets().packets_size(), 1);
}

TEST_F(ScreenTest, EndsABrokenOrSilentConversation) {
  auto gateway = Decide("gw");
  EXPECT_EQ(Say({v1::ScreenRequest()}).error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(Say({Verdict(1, v1::ACTION_ACCEPT)}).error_code(), StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(Say({Hello("gw"), Hello("gw")}).error_code(), StatusCode::INVALID_ARGUMENT);
  auto screen = Screen("gw");
  screen->StopBeating();
  EXPECT_EQ(screen->Finish().error_code(), StatusCode::DEADLINE_EXCEEDED);
  ASSERT_TRUE(gateway->Write(Patient(1, {1})));
  EXPECT_EQ(Next(*gateway).reason(), "default");
}

TEST_F(ScreenTest, ManyPacketsAndScreenersThatComeAndGo) {
  auto gateway = Decide("gw");
  std::atomic<bool> done = false;
  std::thread screeners([this, &done] {
    for (int i = 0; i < 10; ++i) {
      auto screen = ScreenNext("gw");
      v1::ScreenResponse response;
      for (int message = 0; message < 10 && screen->Read(&response); ++message) {
        for (const auto& packet : response.packets().packets()) {
          screen->Write(Verdict(packet.transaction_id(), v1::ACTION_ACCEPT));
        }
      }
      if (i % 2 == 0) {
        screen->Cancel();
      } else {
        screen->WritesDone();
      }
      screen->Finish();
    }
    done = true;
  });
  // Every packet gets one verdict, whoever decides.
  for (uint64_t batch = 1; !done; ++batch) {
    std::set<uint64_t> unanswered = {batch * 10, batch * 10 + 1, batch * 10 + 2};
    ASSERT_TRUE(gateway->Write(Patient(batch, {unanswered.begin(), unanswered.end()})));
    while (!unanswered.empty()) {
      v1::DecideResponse response;
      ASSERT_TRUE(ReadVerdicts(*gateway, &response));
      for (const auto& verdict : response.verdicts().verdicts()) {
        EXPECT_EQ(unanswered.erase(verdict.transaction_id()), 1u);
      }
    }
  }
  screeners.join();
}

TEST_F(ScreenTest, StoppingEndsItWithUnavailable) {
  auto gateway = Decide("gw");
  auto screen = Screen("gw");
  ASSERT_TRUE(gateway->Write(Patient(1, {1})));
  server_->Stop(std::chrono::seconds(5));
  EXPECT_EQ(screen->Finish().error_code(), StatusCode::UNAVAILABLE);
}

}  // namespace
}  // namespace sluice::server
