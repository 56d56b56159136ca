// Rules that ask other deciders: agents and deciders over sockets.

#include "server/server_fixture.h"
#include "server/test_decider.h"

namespace sluice::server {
namespace {

// Port 80 is accepted, port 25 is asked about.
std::string PolicyAsking(const std::vector<std::string>& addresses, const std::string& within) {
  std::string list;
  for (const std::string& address : addresses) {
    absl::StrAppend(&list, list.empty() ? "" : ", ", "\"", address, "\"");
  }
  return absl::StrCat("decider \"d\" at ", list, ";\n", "from any to any tcp port 80 accept;\n",
                      "from any to any tcp port 25 ask \"d\" within ", within,
                      " else reject notify tcp-reset;\n", "default reject;\n");
}

constexpr uint32_t kAsked = 25;

class AskTest : public ServerFixture {
 protected:
  // A server whose policy asks the deciders at those addresses, all of them connected.
  void StartAsking(const std::vector<std::string>& addresses, const std::string& within = "50s") {
    Start({}, PolicyAsking(addresses, within));
    control_ = Control();
    AwaitDeciders([](const v1::Decider& decider) { return decider.connected(); });
  }

  std::vector<v1::Decider> List() {
    v1::ListDecidersResponse response;
    EXPECT_TRUE(control_->ListDeciders(Context().get(), {}, &response).ok());
    return {response.deciders().begin(), response.deciders().end()};
  }
  // Waits until `ready` is true of all of them.
  void AwaitDeciders(const std::function<bool(const v1::Decider&)>& ready) {
    std::vector<v1::Decider> deciders;
    do {
      deciders = List();
    } while (!std::all_of(deciders.begin(), deciders.end(), ready));
  }

  // The next verdict on a stream, as text.
  static std::string NextVerdict(DecideClient& stream) {
    v1::DecideResponse response;
    do {
      if (!ReadVerdicts(stream, &response)) return "none";
    } while (response.verdicts().verdicts_size() == 0);
    EXPECT_EQ(response.verdicts().verdicts_size(), 1);
    const v1::Verdict& verdict = response.verdicts().verdicts(0);
    return absl::StrCat(verdict.transaction_id(), " ", v1::Action_Name(verdict.action()).substr(7),
                        " ", verdict.reason());
  }

  // The decisions in the log, as text, once there are `count`.
  static std::vector<std::string> Decisions(v1::ObserveService::Stub& observe, size_t count) {
    const auto context = Context();
    v1::ObserveDecisionsRequest request;
    request.set_last(100);
    request.set_follow(true);
    const auto reader = observe.ObserveDecisions(context.get(), request);
    std::vector<std::string> seen;
    v1::ObserveDecisionsResponse response;
    while (seen.size() < count && reader->Read(&response)) {
      const v1::Decision& decision = response.decision();
      seen.push_back(absl::StrCat(decision.gateway(), " ", decision.transaction_id(), " ",
                                  v1::Action_Name(decision.action()).substr(7), " ",
                                  decision.reason()));
    }
    context->TryCancel();
    return seen;
  }

  std::unique_ptr<v1::ControlService::Stub> control_;
};

TEST_F(AskTest, TheDecidersAnswerHolds) {
  TestDecider decider(TestDecider::Accept);
  StartAsking({decider.address()});
  auto stream = Decide("gw");
  ASSERT_TRUE(stream->Write(Packets(1, {7}, kAsked)));
  EXPECT_EQ(NextVerdict(*stream), "7 ACCEPT asked \"d\": seen");
  EXPECT_TRUE(decider.hello().relay());
  EXPECT_EQ(decider.hello().agent().gateway(), "sluice-server");
  EXPECT_EQ(decider.gateways(), std::set<std::string>{"gw"});
  EXPECT_EQ(Decisions(*Observe(), 1), std::vector<std::string>{"gw 7 ACCEPT asked \"d\": seen"});
  const auto list = List();
  ASSERT_EQ(list.size(), 1u);
  EXPECT_EQ(list[0].name(), "d");
  EXPECT_EQ(list[0].address(), decider.address());
  EXPECT_EQ(list[0].asked(), 1u);
  EXPECT_EQ(list[0].answered(), 1u);
}

TEST_F(AskTest, ADeciderThatIsMuteKeepsNobodyElseWaiting) {
  TestDecider mute(TestDecider::Nothing, /*mute=*/true);
  StartAsking({mute.address()});
  auto stream = Decide("gw");
  v1::DecideRequest batch = Packets(1, {1}, kAsked);
  batch.mutable_packets()->MergeFrom(Packets(1, {2}).packets());
  ASSERT_TRUE(stream->Write(batch));
  v1::DecideResponse response;
  ASSERT_TRUE(ReadVerdicts(*stream, &response));
  EXPECT_EQ(response.verdicts().received_batch(), 1u);
  ASSERT_EQ(response.verdicts().verdicts_size(), 1);
  EXPECT_EQ(response.verdicts().verdicts(0).transaction_id(), 2u);
  // Further batches are answered as well.
  for (uint64_t number = 2; number <= 5; ++number) {
    ASSERT_TRUE(stream->Write(Packets(number, {number * 10})));
    ASSERT_TRUE(ReadVerdicts(*stream, &response));
    EXPECT_EQ(response.verdicts().received_batch(), number);
    EXPECT_EQ(response.verdicts().verdicts(0).transaction_id(), number * 10);
  }
  // The decider's silence is then taken for death.
  EXPECT_EQ(NextVerdict(*stream), "1 DROP \"d\" went away: rule 2, line 3");
  EXPECT_EQ(List()[0].failed(), 1u);
}

TEST_F(AskTest, WhatIsAnsweredLateGotWhatTheRuleSays) {
  TestDecider slow;
  StartAsking({slow.address()}, "30ms");
  auto stream = Decide("gw");
  ASSERT_TRUE(stream->Write(Packets(1, {1}, kAsked)));
  EXPECT_EQ(NextVerdict(*stream), "1 DROP \"d\" did not answer in time: rule 2, line 3");
  slow.Answer(slow.Await(1)[0], v1::ACTION_ACCEPT);
  AwaitDeciders([](const v1::Decider& decider) { return decider.late() == 1; });
  // The gateway gets no second verdict.
  ASSERT_TRUE(stream->Write(Packets(2, {2})));
  EXPECT_EQ(NextVerdict(*stream), "2 ACCEPT rule 1, line 2");
  EXPECT_EQ(List()[0].timed_out(), 1u);
  EXPECT_EQ(slow.AwaitErrors().entries(0).error(), v1::VERDICT_ERROR_UNKNOWN);
}

TEST_F(AskTest, WhatIsLeftOfTheGatewaysTimeIsEnough) {
  TestDecider slow;
  StartAsking({slow.address()}, "60s");
  auto stream = Decide("gw");
  v1::DecideRequest batch = Packets(1, {1}, kAsked);
  batch.mutable_packets()->mutable_time_left()->set_nanos(100'000'000);
  const auto started = std::chrono::steady_clock::now();
  ASSERT_TRUE(stream->Write(batch));
  EXPECT_EQ(NextVerdict(*stream), "1 DROP \"d\" did not answer in time: rule 2, line 3");
  EXPECT_GE(std::chrono::steady_clock::now() - started, std::chrono::milliseconds(90));
}

TEST_F(AskTest, TheOtherIsAskedWhenOneDies) {
  auto one = std::make_unique<TestDecider>();
  TestDecider other;
  StartAsking({one->address(), other.address()});
  auto stream = Decide("gw");
  ASSERT_TRUE(stream->Write(Packets(1, {1, 2, 3, 4}, kAsked)));
  ASSERT_EQ(one->Await(2).size(), 2u);
  ASSERT_EQ(other.Await(2).size(), 2u);
  one->Stop();
  for (const uint64_t id : other.Await(4)) other.Answer(id, v1::ACTION_ACCEPT, "mine");
  std::set<std::string> answers;
  while (answers.size() < 4) {
    v1::DecideResponse response;
    ASSERT_TRUE(ReadVerdicts(*stream, &response));
    for (const auto& verdict : response.verdicts().verdicts()) {
      answers.insert(absl::StrCat(verdict.transaction_id(), " ", verdict.reason()));
    }
  }
  EXPECT_EQ(answers, (std::set<std::string>{"1 asked \"d\": mine", "2 asked \"d\": mine",
                                            "3 asked \"d\": mine", "4 asked \"d\": mine"}));
  const auto list = List();
  ASSERT_EQ(list.size(), 2u);
  EXPECT_FALSE(list[0].connected());
  EXPECT_EQ(list[0].failed(), 2u);
  EXPECT_EQ(list[1].asked(), 4u);
  EXPECT_EQ(list[1].answered(), 4u);
}

TEST_F(AskTest, ABadAnswerIsNone) {
  TestDecider decider;
  StartAsking({decider.address()});
  auto stream = Decide("gw");
  ASSERT_TRUE(stream->Write(Packets(1, {1}, kAsked)));
  // This agent's hello has no hold_limit.
  decider.Answer(decider.Await(1)[0], v1::ACTION_HOLD);
  EXPECT_EQ(NextVerdict(*stream), "1 DROP \"d\" gave a bad answer: rule 2, line 3");
  EXPECT_EQ(List()[0].invalid(), 1u);
  EXPECT_EQ(decider.AwaitErrors().entries(0).error(), v1::VERDICT_ERROR_INVALID);
}

TEST_F(AskTest, AHoldIsPassedOnAndTheAnswerBehindItAsWell) {
  TestDecider decider;
  StartAsking({decider.address()}, "40ms");
  auto stream = OpenDecide();
  v1::DecideRequest hello = DecideHello("gw");
  hello.mutable_hello()->mutable_hold_limit()->set_seconds(50);
  ASSERT_TRUE(stream->Write(hello));
  ASSERT_TRUE(stream->Write(Packets(1, {1}, kAsked)));
  v1::DecideResponse hold;
  v1::Verdict* verdict = hold.mutable_verdicts()->add_verdicts();
  verdict->set_transaction_id(decider.Await(1)[0]);
  verdict->set_action(v1::ACTION_HOLD);
  verdict->mutable_hold_for()->set_seconds(40);
  decider.Say(hold);
  v1::DecideResponse welcome;
  ASSERT_TRUE(stream->Read(&welcome));
  // On a very slow machine the hold comes too late.
  const std::string first = NextVerdict(*stream);
  if (first == "1 DROP \"d\" did not answer in time: rule 2, line 3") return;
  EXPECT_EQ(first, "1 HOLD asked \"d\"");
  decider.Answer(decider.Await(1)[0], v1::ACTION_ACCEPT, "at last");
  EXPECT_EQ(NextVerdict(*stream), "1 ACCEPT asked \"d\": at last");
  EXPECT_EQ(Decisions(*Observe(), 1), std::vector<std::string>{"gw 1 ACCEPT asked \"d\": at last"});
}

TEST_F(AskTest, WithoutAConnectionNobodyIsAsked) {
  TestDecider decider;
  const std::string address = decider.address();
  decider.Stop();
  Start({}, PolicyAsking({address}, "50s"));
  control_ = Control();
  auto stream = Decide("gw");
  ASSERT_TRUE(stream->Write(Packets(1, {1}, kAsked)));
  EXPECT_EQ(NextVerdict(*stream), "1 DROP \"d\" not connected: rule 2, line 3");
  EXPECT_EQ(List()[0].unasked(), 1u);
}

TEST_F(AskTest, APolicyThatDoesNotNameItDropsItsConnection) {
  TestDecider decider;
  StartAsking({decider.address()});
  auto stream = Decide("gw");
  ASSERT_TRUE(stream->Write(Packets(1, {1}, kAsked)));
  decider.Await(1);
  policies_->Apply(PolicyOf("default accept;", "test"), std::chrono::system_clock::now());
  EXPECT_EQ(NextVerdict(*stream), "1 DROP \"d\" went away: rule 2, line 3");
  decider.AwaitNobody();
  EXPECT_TRUE(List().empty());
}

TEST_F(AskTest, WhatComesAgainIsAskedAgain) {
  TestDecider decider;
  StartAsking({decider.address()});
  {
    auto lost = Decide("gw");
    ASSERT_TRUE(lost->Write(Packets(1, {7}, kAsked)));
    decider.Await(1);
    lost->Cancel();
    lost->Finish();
  }
  auto stream = Decide("gw");
  ASSERT_TRUE(stream->Write(Packets(1, {7}, kAsked)));
  const std::vector<uint64_t> ids = decider.Await(2);
  ASSERT_NE(ids[0], ids[1]);
  decider.Answer(ids[0], v1::ACTION_DROP, "to nobody");
  decider.Answer(ids[1], v1::ACTION_ACCEPT, "again");
  EXPECT_EQ(NextVerdict(*stream), "7 ACCEPT asked \"d\": again");
  EXPECT_EQ(List()[0].answered(), 2u);
}

TEST_F(AskTest, GatewaysHearThatADecidersPolicyIsAnother) {
  TestDecider decider(TestDecider::Accept);
  StartAsking({decider.address()});
  auto stream = Decide("gw");
  ASSERT_TRUE(stream->Write(Packets(1, {1}, kAsked)));
  EXPECT_EQ(NextVerdict(*stream), "1 ACCEPT asked \"d\": seen");
  v1::DecideResponse other;
  other.mutable_retune()->set_policy_token("2");
  decider.Say(other);
  v1::DecideResponse response;
  ASSERT_TRUE(stream->Read(&response));
  EXPECT_EQ(response.retune().policy_label(), "1 (deciders: 1)");
}

// A second server, as the decider.
class ChainTest : public AskTest {
 protected:
  // The first server asks the second; `policy` is the second's, in which FIRST is the first.
  void StartChain(std::string policy) {
    upper_policies_ = std::make_unique<PolicyStore>(std::chrono::system_clock::now());
    ServerOptions options;
    options.listen = {{.address = {.host = "127.0.0.1"}}};
    auto upper = Server::Create(options, upper_policies_.get());
    ASSERT_TRUE(upper.ok()) << upper.status();
    upper_ = *std::move(upper);
    const std::string address = absl::StrCat("127.0.0.1:", upper_->ports()[0]);
    channel_ = grpc::CreateChannel(address, grpc::InsecureChannelCredentials());
    ServerOptions lower;
    lower.name = "lower";
    Start(lower, PolicyAsking({address}, "50s"));
    if (const size_t at = policy.find("FIRST"); at != std::string::npos) {
      policy.replace(at, 5, target_);
    }
    const auto applied =
        upper_policies_->Apply(PolicyOf(policy, "test"), std::chrono::system_clock::now());
    ASSERT_TRUE(applied.problems.empty()) << applied.problems[0].message();
    control_ = Control();
    AwaitDeciders([](const v1::Decider& decider) { return decider.connected(); });
  }

  std::unique_ptr<PolicyStore> upper_policies_;
  std::unique_ptr<Server> upper_;
  std::shared_ptr<grpc::Channel> channel_;
};

TEST_F(ChainTest, AServerServesAnother) {
  StartChain("from any to any tcp port 25 accept;\ndefault reject;\n");
  auto one = Decide("gw1");
  auto other = Decide("gw2");
  ASSERT_TRUE(one->Write(Packets(1, {7}, kAsked)));
  EXPECT_EQ(NextVerdict(*one), "7 ACCEPT asked \"d\": rule 1, line 1");
  ASSERT_TRUE(other->Write(Packets(1, {7}, kAsked)));
  EXPECT_EQ(NextVerdict(*other), "7 ACCEPT asked \"d\": rule 1, line 1");
  // Each gateway keeps its own name there.
  const auto observe = v1::ObserveService::NewStub(channel_);
  const auto seen = Decisions(*observe, 2);
  ASSERT_EQ(seen.size(), 2u);
  EXPECT_EQ(seen[0].substr(0, 4), "gw1 ");
  EXPECT_EQ(seen[1].substr(0, 4), "gw2 ");
  v1::ListGatewaysResponse gateways;
  ASSERT_TRUE(
      v1::ControlService::NewStub(channel_)->ListGateways(Context().get(), {}, &gateways).ok());
  ASSERT_EQ(gateways.gateways_size(), 3);
  EXPECT_EQ(gateways.gateways(0).name(), "gw1");
  EXPECT_EQ(gateways.gateways(0).decide_streams(), 0u);
  EXPECT_EQ(gateways.gateways(2).name(), "lower");
}

TEST_F(ChainTest, ServersThatAskEachOtherComeToAnEnd) {
  StartChain(
      "decider \"back\" at \"FIRST\";\n"
      "from any to any tcp port 25 ask \"back\" within 10s else accept;\n"
      "default reject;\n");
  const auto control = v1::ControlService::NewStub(channel_);
  auto stream = Decide("gw");
  ASSERT_TRUE(stream->Write(Packets(1, {7}, kAsked)));
  EXPECT_EQ(NextVerdict(*stream), "7 ACCEPT asked \"d\": rule 1, line 2");
  v1::ListDecidersResponse deciders;
  do {
    ASSERT_TRUE(control->ListDeciders(Context().get(), {}, &deciders).ok());
    ASSERT_EQ(deciders.deciders_size(), 1);
  } while (deciders.deciders(0).unasked() == 0);
  EXPECT_EQ(deciders.deciders(0).unasked(), 1u);
  EXPECT_EQ(deciders.deciders(0).asked(), 0u);
}

}  // namespace
}  // namespace sluice::server
