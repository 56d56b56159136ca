#include "server/gateways/registry.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace sluice::server {
namespace {

using Time = Registry::WallTime;

Time At(int second) { return Time(std::chrono::seconds(second)); }

v1::AgentIdentity Agent(const std::string& gateway, uint64_t incarnation) {
  v1::AgentIdentity agent;
  agent.set_gateway(gateway);
  agent.set_incarnation(incarnation);
  agent.set_agent_version("1.2");
  return agent;
}

v1::ServeHello Hello(const std::string& gateway, uint64_t incarnation) {
  v1::ServeHello hello;
  *hello.mutable_agent() = Agent(gateway, incarnation);
  hello.set_mode(v1::MODE_ON);
  return hello;
}

v1::DecideHello DecideHello(const std::string& gateway, uint64_t incarnation,
                            std::initializer_list<v1::Scope> scopes = {}) {
  v1::DecideHello hello;
  *hello.mutable_agent() = Agent(gateway, incarnation);
  for (const v1::Scope scope : scopes) hello.mutable_capabilities()->add_scopes(scope);
  return hello;
}

class FakeStream final : public CommandStream {
 public:
  void End(const absl::Status& why) override { ended = why; }
  absl::Status Send(v1::Command command, std::chrono::steady_clock::time_point,
                    Done& done) override {
    sent.push_back(std::move(command));
    done(absl::OkStatus(), {});
    return absl::OkStatus();
  }
  std::optional<absl::Status> ended;
  std::vector<v1::Command> sent;
};

TEST(RegistryTest, ListsWhoIsConnected) {
  Registry registry;
  FakeStream serve;
  FakeStream report;
  ASSERT_TRUE(registry.JoinServe(Hello("gw2", 7), "192.0.2.1:5", At(10), &serve).ok());
  ASSERT_TRUE(registry.JoinReport(Agent("gw2", 7), "192.0.2.1:6", At(11), &report).ok());
  ASSERT_TRUE(registry.JoinDecide(DecideHello("gw2", 7), "192.0.2.1:7", At(12)).ok());
  ASSERT_TRUE(registry.JoinDecide(DecideHello("gw1", 8), "192.0.2.2:7", At(13)).ok());
  auto list = registry.List();
  ASSERT_EQ(list.size(), 2u);
  EXPECT_EQ(list[0].name(), "gw1");
  EXPECT_FALSE(list[0].connected());
  EXPECT_EQ(list[0].decide_streams(), 1u);
  EXPECT_EQ(list[1].name(), "gw2");
  EXPECT_TRUE(list[1].connected());
  EXPECT_TRUE(list[1].reporting());
  EXPECT_EQ(list[1].incarnation(), 7u);
  EXPECT_EQ(list[1].mode(), v1::MODE_ON);
  EXPECT_EQ(list[1].agent_version(), "1.2");
  EXPECT_EQ(list[1].first_seen().seconds(), 10);
  EXPECT_EQ(list[1].last_seen().seconds(), 12);

  registry.RecordMode("gw2", v1::MODE_OFF);
  registry.RecordMode("gw2", v1::MODE_UNSPECIFIED);
  registry.Heard("gw2", At(14));
  registry.LeaveServe("gw2", &serve, At(15));
  registry.LeaveReport("gw2", &report, At(16));
  registry.LeaveDecide("gw2", At(17));
  list = registry.List();
  EXPECT_FALSE(list[1].connected());
  EXPECT_FALSE(list[1].reporting());
  EXPECT_EQ(list[1].decide_streams(), 0u);
  EXPECT_EQ(list[1].mode(), v1::MODE_OFF);
  EXPECT_EQ(list[1].last_seen().seconds(), 17);
}

// With half a character in it, the list could not be sent to anybody.
TEST(RegistryTest, AVersionIsCutBetweenCharacters) {
  Registry registry;
  FakeStream serve;
  v1::ServeHello hello = Hello("gw", 1);
  hello.mutable_agent()->set_agent_version(std::string(63, 'v') + "é");
  ASSERT_TRUE(registry.JoinServe(hello, "", At(1), &serve).ok());
  EXPECT_EQ(registry.List()[0].agent_version(), std::string(63, 'v'));
}

TEST(RegistryTest, ANewerAgentTakesTheName) {
  Registry registry;
  FakeStream old_serve;
  FakeStream old_report;
  FakeStream new_serve;
  ASSERT_TRUE(registry.JoinServe(Hello("gw", 1), "", At(1), &old_serve).ok());
  ASSERT_TRUE(registry.JoinReport(Agent("gw", 1), "", At(1), &old_report).ok());
  ASSERT_TRUE(registry.JoinServe(Hello("gw", 2), "", At(2), &new_serve).ok());
  ASSERT_TRUE(old_serve.ended.has_value());
  EXPECT_EQ(old_serve.ended->code(), absl::StatusCode::kAborted);
  ASSERT_TRUE(old_report.ended.has_value());
  EXPECT_EQ(registry.List()[0].incarnation(), 2u);

  // The older agent calls again; the newer one keeps the name.
  FakeStream again;
  EXPECT_EQ(registry.JoinServe(Hello("gw", 1), "", At(3), &again).code(),
            absl::StatusCode::kAborted);
  EXPECT_FALSE(new_serve.ended.has_value());
  // When the old stream leaves, the new one stays.
  registry.LeaveServe("gw", &old_serve, At(4));
  registry.LeaveReport("gw", &old_report, At(4));
  EXPECT_TRUE(registry.List()[0].connected());

  // Once the newer agent has gone, the older one may have the name back.
  registry.LeaveServe("gw", &new_serve, At(5));
  EXPECT_TRUE(registry.JoinServe(Hello("gw", 1), "", At(6), &again).ok());
  EXPECT_EQ(registry.List()[0].incarnation(), 1u);
}

TEST(RegistryTest, ALaterStreamOfTheSameAgentReplacesItsOld) {
  Registry registry;
  FakeStream first;
  FakeStream second;
  ASSERT_TRUE(registry.JoinServe(Hello("gw", 1), "", At(1), &first).ok());
  ASSERT_TRUE(registry.JoinServe(Hello("gw", 1), "", At(2), &second).ok());
  ASSERT_TRUE(first.ended.has_value());
  EXPECT_EQ(first.ended->code(), absl::StatusCode::kAborted);
  registry.LeaveServe("gw", &first, At(3));
  CommandStream::Done done = [](const absl::Status&, const GatewayAnswer&) {};
  EXPECT_TRUE(registry.Send("gw", {}, {}, done).ok());
  EXPECT_EQ(second.sent.size(), 1u);
}

TEST(RegistryTest, SaysWhyACommandCannotBeSent) {
  Registry registry;
  CommandStream::Done done = [](const absl::Status&, const GatewayAnswer&) { FAIL(); };
  EXPECT_EQ(registry.Send("gw", {}, {}, done).code(), absl::StatusCode::kNotFound);
  ASSERT_TRUE(registry.JoinDecide(DecideHello("gw", 1), "", At(1)).ok());
  EXPECT_EQ(registry.Send("gw", {}, {}, done).code(), absl::StatusCode::kUnavailable);
}

TEST(RegistryTest, KeepsWhatGatewaysHaveCounted) {
  Registry registry;
  v1::GatewayStats stats;
  stats.set_gateway("says it is another");
  stats.set_asked(7);
  stats.set_mode(v1::MODE_ON);
  registry.SetStats("gw", stats);
  EXPECT_TRUE(registry.Stats().empty()) << "nobody knows it";
  ASSERT_TRUE(registry.JoinDecide(DecideHello("gw", 1), "", At(1)).ok());
  registry.SetStats("gw", stats);
  ASSERT_EQ(registry.Stats().size(), 1u);
  EXPECT_EQ(registry.Stats().front()->gateway(), "gw");
  EXPECT_EQ(registry.Stats().front()->asked(), 7u);
  EXPECT_EQ(registry.List().front().mode(), v1::MODE_ON);
  stats.add_queues()->set_decider(std::string(100'000, 'x'));
  stats.set_asked(8);
  registry.SetStats("gw", stats);
  EXPECT_EQ(registry.Stats().front()->asked(), 7u) << "more than any agent has to say";
}

TEST(RegistryTest, RefusesNamesUnfitForAGateway) {
  Registry registry;
  for (const std::string& name :
       {std::string(), std::string("two words"), std::string("line\n"), std::string("\xff"),
        std::string("nul\0", 4), std::string(254, 'x')}) {
    EXPECT_EQ(registry.JoinDecide(DecideHello(name, 1), "", At(1)).code(),
              absl::StatusCode::kInvalidArgument);
  }
  EXPECT_TRUE(registry.JoinDecide(DecideHello(std::string(253, 'x'), 1), "", At(1)).ok());
}

TEST(RegistryTest, ForgetsTheGatewayGoneLongest) {
  std::vector<std::string> forgotten;
  Registry registry({.gateways = 2, .decide_streams = 1},
                    [&](const std::string& gateway) { forgotten.push_back(gateway); });
  ASSERT_TRUE(registry.JoinDecide(DecideHello("a", 1), "", At(1)).ok());
  ASSERT_TRUE(registry.JoinDecide(DecideHello("b", 1), "", At(2)).ok());
  EXPECT_EQ(registry.JoinDecide(DecideHello("b", 1), "", At(2)).code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(registry.JoinDecide(DecideHello("c", 1), "", At(3)).code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(forgotten.empty());
  registry.LeaveDecide("b", At(4));
  registry.LeaveDecide("a", At(5));
  EXPECT_TRUE(registry.JoinDecide(DecideHello("c", 1), "", At(6)).ok());
  EXPECT_EQ(forgotten, std::vector<std::string>{"b"});
}

TEST(RegistryTest, KnowsWhatItsGatewaysCannotEnforce) {
  using Names = std::vector<std::string>;
  Registry registry;
  ASSERT_TRUE(registry.JoinDecide(DecideHello("b", 1), "", At(1)).ok());
  ASSERT_TRUE(registry.JoinDecide(DecideHello("a", 1, {v1::SCOPE_CONNECTION}), "", At(1)).ok());
  ASSERT_TRUE(registry.JoinRelay("c", "", At(1)).ok());
  EXPECT_EQ(registry.Lacking(v1::SCOPE_PACKET), Names{});
  EXPECT_EQ(registry.Lacking(v1::SCOPE_CONNECTION), Names{"b"});
  EXPECT_EQ(registry.Lacking(v1::SCOPE_SOURCE), (Names{"a", "b"}));
  // A gateway that is gone is not listed, and its next agent may enforce more scopes.
  registry.LeaveDecide("b", At(2));
  EXPECT_EQ(registry.Lacking(v1::SCOPE_CONNECTION), Names{});
  ASSERT_TRUE(registry.JoinDecide(DecideHello("b", 2, {v1::SCOPE_SOURCE}), "", At(3)).ok());
  EXPECT_EQ(registry.Lacking(v1::SCOPE_CONNECTION), Names{"b"});
  EXPECT_EQ(registry.Lacking(v1::SCOPE_SOURCE), Names{"a"});
}

TEST(RegistryTest, ARelayKeepsAGatewayWithoutSpeakingForIt) {
  Registry registry({.gateways = 1, .decide_streams = 1});
  ASSERT_TRUE(registry.JoinRelay("gw", "192.0.2.9:1", At(1)).ok());
  EXPECT_EQ(registry.JoinRelay("gw", "", At(1)).code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(registry.JoinRelay("no name", "", At(1)).code(), absl::StatusCode::kInvalidArgument);
  ASSERT_EQ(registry.List().size(), 1u);
  EXPECT_EQ(registry.List()[0].address(), "192.0.2.9:1");
  EXPECT_EQ(registry.List()[0].decide_streams(), 0u);
  EXPECT_EQ(registry.CheckAsking("gw").code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(registry.JoinRelay("other", "", At(2)).code(), absl::StatusCode::kResourceExhausted);
  // The gateway's own agent may call as well.
  ASSERT_TRUE(registry.JoinDecide(DecideHello("gw", 7), "192.0.2.1:1", At(3)).ok());
  EXPECT_EQ(registry.List()[0].incarnation(), 7u);
  EXPECT_EQ(registry.List()[0].address(), "192.0.2.1:1");
  registry.LeaveDecide("gw", At(4));
  EXPECT_EQ(registry.JoinRelay("other", "", At(5)).code(), absl::StatusCode::kResourceExhausted);
  registry.LeaveRelay("gw", At(6));
  EXPECT_TRUE(registry.JoinRelay("other", "", At(7)).ok());
}

TEST(PeerAddressTest, IsForPeople) {
  EXPECT_EQ(PeerAddress("ipv4:192.0.2.1:80"), "192.0.2.1:80");
  EXPECT_EQ(PeerAddress("ipv6:%5B2001:db8::1%5D:80"), "[2001:db8::1]:80");
  EXPECT_EQ(PeerAddress("unix:"), "unix");
}

}  // namespace
}  // namespace sluice::server
