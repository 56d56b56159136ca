// Verbs that run until they are stopped: stat --watch and observe.

#include <gtest/gtest.h>

#include <algorithm>

#include "clients/cli/run_fixture.h"

namespace sluice::cli {
namespace {

TEST_F(RunTest, WatchGoesOnUntilInterrupted) {
  InterruptAt("received 3");
  EXPECT_EQ(Ctl({"stat", "gw1", "--watch", "2.5"}), 0);
  EXPECT_EQ(server_.watch_stats.interval().seconds(), 2);
  EXPECT_EQ(server_.watch_stats.interval().nanos(), 500'000'000);
  EXPECT_EQ(err(), "");
}

TEST_F(RunTest, WatchRedrawsAScreen) {
  context_.terminal = true;
  InterruptAt("\x1b[J");
  EXPECT_EQ(Ctl({"stat", "gw1", "--watch"}), 0);
  EXPECT_TRUE(out().starts_with("\x1b[2J\x1b[Hgw1: mode on")) << out();
}

TEST_F(RunTest, InterruptEndsAWatchThatIsSilent) {
  server_.caught_up = [this] { interrupt_.request_stop(); };
  EXPECT_EQ(Ctl({"observe", "connections", "--follow"}), 0);
}

TEST_F(RunTest, WatchIsEverySecondIfNotSaid) {
  InterruptAt("\"received\":\"3\"");
  for (const std::vector<std::string>& line :
       {std::vector<std::string>{"stat", "gw1", "-o", "json", "--watch"},
        {"stat", "-o", "json", "--watch", "gw1"}}) {
    interrupt_ = std::stop_source();
    EXPECT_EQ(Ctl(line), 0);
    EXPECT_EQ(server_.watch_stats.gateway(), "gw1");
    EXPECT_EQ(server_.watch_stats.interval().seconds(), 1);
  }
}

TEST_F(RunTest, WatchThatTheServerEndsFails) {
  server_.hangs_up = true;
  EXPECT_EQ(Ctl({"stat", "gw1", "--watch"}), 1);
  server_.failure = grpc::Status(grpc::StatusCode::NOT_FOUND, "");
  EXPECT_EQ(Ctl({"stat", "gw9", "--watch"}), 1);
  EXPECT_TRUE(Contains(err(), "Known gateways: gw1, gw2")) << err();
}

v1::ObserveDecisionsResponse Dropped(uint64_t id) {
  auto response = Parse<v1::ObserveDecisionsResponse>(
      "decision { gateway: 'gw1' action: ACTION_DROP cause: CAUSE_STALE }");
  response.mutable_decision()->set_transaction_id(id);
  return response;
}

TEST_F(RunTest, ObserveDecisionsOfThePast) {
  server_.decisions = {Dropped(1), Parse<v1::ObserveDecisionsResponse>("lost: 7"), Dropped(2)};
  EXPECT_EQ(Ctl({"observe", "decisions", "--action", "drop", "--cause", "stale,table_full", "-6"}),
            0);
  EXPECT_EQ(server_.observe_decisions.last(), 20u);
  EXPECT_FALSE(server_.observe_decisions.follow());
  EXPECT_EQ(server_.observe_decisions.action(), v1::ACTION_DROP);
  EXPECT_EQ(server_.observe_decisions.causes_size(), 2);
  EXPECT_EQ(server_.observe_decisions.filter().family(), v1::FAMILY_IPV6);
  EXPECT_TRUE(out().starts_with("TIME ")) << out();
  EXPECT_TRUE(Contains(out(), "\n-- 7 entries left out: read too slowly --\n")) << out();
}

TEST_F(RunTest, ObserveDecisionsAsJson) {
  server_.decisions = {Dropped(1), Parse<v1::ObserveDecisionsResponse>("lost: 7")};
  EXPECT_EQ(Ctl({"observe", "decisions", "-o", "json", "--last", "5", "--logged"}), 0);
  EXPECT_EQ(server_.observe_decisions.last(), 5u);
  EXPECT_TRUE(server_.observe_decisions.logged());
  EXPECT_EQ(out(),
            "{\"decision\":{\"gateway\":\"gw1\",\"action\":\"ACTION_DROP\",\"cause\":\"CAUSE_STALE"
            "\",\"transactionId\":\"1\"}}\n{\"lost\":\"7\"}\n");
}

TEST_F(RunTest, ObserveWithNothingToShowSaysSo) {
  EXPECT_EQ(Ctl({"observe", "decisions"}), 0);
  EXPECT_TRUE(Contains(err(), "remembers nothing that matches"));
  EXPECT_EQ(Ctl({"observe", "connections", "-o", "json"}), 0);
  EXPECT_EQ(out(), "");
}

TEST_F(RunTest, FollowGoesOnUntilInterrupted) {
  server_.decisions = {Dropped(1)};
  InterruptAt("stale");
  EXPECT_EQ(Ctl({"observe", "decisions", "--follow"}), 0);
  EXPECT_TRUE(server_.observe_decisions.follow());
  EXPECT_EQ(err(), "");
}

TEST_F(RunTest, FollowStopsAtCount) {
  server_.decisions = {Dropped(1), Parse<v1::ObserveDecisionsResponse>("lost: 7"), Dropped(2),
                       Dropped(3)};
  EXPECT_EQ(Ctl({"observe", "decisions", "-f", "--count", "2", "-o", "json"}), 0);
  const std::string lines = out();
  EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 3) << lines;
}

TEST_F(RunTest, FollowThatTheServerEndsFails) {
  server_.hangs_up = true;
  EXPECT_EQ(Ctl({"observe", "decisions", "-f"}), 1);
  EXPECT_EQ(err(), "sluicectl: the server ended the stream\n");
}

TEST_F(RunTest, FollowEndsQuietlyWhenNobodyReads) {
  server_.decisions = {Dropped(1), Dropped(2)};
  out_.setstate(std::ios::badbit);
  EXPECT_EQ(Ctl({"observe", "decisions", "-f"}), 0);
  EXPECT_EQ(err(), "");
}

TEST_F(RunTest, ObserveConnections) {
  server_.connections = {
      Parse<v1::ObserveConnectionsResponse>("gateway: 'gw1' gap { cause: GAP_CAUSE_STREAM_START }"),
      Parse<v1::ObserveConnectionsResponse>(
          R"pb(gateway: "gw1"
               type: EVENT_TYPE_NEW
               flow { original { source: "\x0a\x00\x01\x01" protocol: 17 } })pb")};
  EXPECT_EQ(Ctl({"observe", "connections", "--type", "new", "-p", "udp"}), 0);
  EXPECT_EQ(server_.observe_connections.last(), UINT32_MAX);
  EXPECT_EQ(server_.observe_connections.types(0), v1::EVENT_TYPE_NEW);
  EXPECT_TRUE(Contains(out(), "-- gw1: gap in the events (stream_start)")) << out();
  EXPECT_TRUE(Contains(out(), "10.0.1.1")) << out();
  EXPECT_EQ(Ctl({"observe", "connections", "-f", "--count", "1", "-o", "json"}), 0);
  EXPECT_EQ(server_.observe_connections.last(), 0u);
  EXPECT_TRUE(Contains(out(), R"("flow":{"original":{"source":"10.0.1.1","protocol":17}}})"))
      << out();
}

}  // namespace
}  // namespace sluice::cli
