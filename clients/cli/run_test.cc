#include "clients/cli/run.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <thread>

#include "clients/cli/run_fixture.h"
#include "sluice/v1/command.pb.h"
#include "sluice/v1/status.pb.h"

namespace sluice::cli {
namespace {

TEST_F(RunTest, Gateways) {
  EXPECT_EQ(Ctl({"gateways"}), 0);
  EXPECT_EQ(out(),
            "GATEWAY  STATE      MODE  DECIDE STREAMS  EVENTS  AGENT  ADDRESS   LAST HEARD\n"
            "gw1      connected  on                 2  yes     0.1    10.0.1.1           -\n"
            "gw2      away       off                0  no                                -\n");
  EXPECT_EQ(Ctl({"gateways", "-o", "name"}), 0);
  EXPECT_EQ(out(), "gw1\ngw2\n");
  EXPECT_EQ(Ctl({"gateways", "-o", "json"}), 0);
  EXPECT_TRUE(Contains(out(), R"({"name":"gw1","connected":true,"decideStreams":2,)")) << out();
  EXPECT_EQ(err(), "");
}

TEST_F(RunTest, RememberedListsAndForgets) {
  server_.remembered.push_back(Parse<v1::ListRememberedResponse>(R"pb(
    verdicts {
      action: ACTION_ACCEPT
      scope: SCOPE_CONNECTION
      source: "\xc0\x00\x02\x01"
      destination: "\xc6\x33\x64\x07"
      protocol: 6
      source_port: 40000
      destination_port: 443
    })pb"));
  server_.remembered.push_back(Parse<v1::ListRememberedResponse>(R"pb(
    verdicts {
      action: ACTION_DROP
      notify: NOTIFY_TCP_RESET
      scope: SCOPE_SOURCE
      source: "\xc0\x00\x02\x09"
      expires_in { seconds: 41 nanos: 500000000 }
      input_interface: "lan"
      input_ifindex: 3
    }
    verdicts {
      action: ACTION_ACCEPT
      scope: SCOPE_PEER
      source: "\xc0\x00\x02\x09"
      destination: "\xc6\x33\x64\x07"
      protocol: 1
      icmp_type: 8
      icmp_code: 0
      expires_in { seconds: 60 }
      input_interface: "lan"
      input_ifindex: 3
      output_ifindex: 9
      zone: 7
    })pb"));
  EXPECT_EQ(Ctl({"remembered", "gw1"}), 0);
  EXPECT_EQ(
      out(),
      "ACTION  SCOPE       PROTOCOL  SOURCE           DESTINATION       IN>OUT  ZONE  EXPIRES  "
      "NOTICE\n"
      "accept  connection  tcp       192.0.2.1:40000  198.51.100.7:443  -          0        -  -\n"
      "drop    source      -         192.0.2.9        -                 lan>*      0      42s  "
      "tcp_reset\n"
      "accept  peer        icmp 8/0  192.0.2.9        198.51.100.7      lan>#9     7    1m00s  "
      "-\n");
  EXPECT_EQ(server_.list_remembered.gateway(), "gw1");
  EXPECT_EQ(server_.list_remembered.limit(), 0u);
  EXPECT_EQ(Ctl({"remembered", "gw1", "list", "-n", "5", "-o", "json"}), 0);
  EXPECT_EQ(server_.list_remembered.limit(), 5u);
  EXPECT_TRUE(Contains(out(), R"("source":"192.0.2.9")")) << out();
  server_.forgotten = 7;
  EXPECT_EQ(Ctl({"remembered", "gw1", "forget"}), 0);
  EXPECT_EQ(out(), "gw1: 7 forgotten; their packets are asked about again\n");
  EXPECT_EQ(Ctl({"remembered", "gw1", "forget", "-o", "json"}), 0);
  EXPECT_EQ(out(), "{\"forgotten\":\"7\"}\n");
  EXPECT_EQ(Ctl({"remembered", "gw1", "flush"}), 2);
  server_.failure = grpc::Status(grpc::StatusCode::FAILED_PRECONDITION, "hook.manage is false");
  EXPECT_EQ(Ctl({"remembered", "gw1"}), 1);
  EXPECT_TRUE(Contains(err(), "hook.manage is false")) << err();
}

TEST_F(RunTest, NoGatewayYetIsSaid) {
  server_.gateways.Clear();
  EXPECT_EQ(Ctl({"gateways"}), 0);
  EXPECT_TRUE(Contains(err(), "no gateway has called"));
}

TEST_F(RunTest, Server) {
  server_.usage = Parse<v1::GetServerResponse>(R"pb(
    running { seconds: 7384 nanos: 500000000 }
    cpu_time { seconds: 73 nanos: 846000000 }
    resident_bytes: 67108864
    gateways: 12
    decide_streams: 48
    peers { connections: 150 most_connections: 8192 too_slow: 3 })pb");
  EXPECT_EQ(Ctl({"server"}), 0);
  EXPECT_EQ(out(),
            "RUNNING  CPU TIME    CPU   MEMORY  GATEWAYS  DECIDE STREAMS  CONNECTIONS\n"
            "  2h03m    73.85s  1.00%  67.1 MB        12              48  150 of 8192\n"
            "3 connections and calls ended: too slow\n");
  EXPECT_EQ(Ctl({"server", "-o", "json"}), 0);
  EXPECT_EQ(out(), R"({"residentBytes":"67108864","gateways":12,"decideStreams":48,)"
                   R"("peers":{"connections":150,"mostConnections":8192,"keptBytes":"0",)"
                   R"("refusedConnections":"0","failedHandshakes":"0","tooSlow":"3",)"
                   R"("protocolErrors":"0","largeHeads":"0","refusedMessages":"0",)"
                   R"("overBudget":"0"},)"
                   R"("running":"7384.500s","cpuTime":"73.846s"})"
                   "\n");
  server_.usage.Clear();
  EXPECT_EQ(Ctl({"server"}), 0);
  EXPECT_TRUE(Contains(out(), "0.00%")) << out();
  server_.failure = grpc::Status(grpc::StatusCode::INTERNAL, "no /proc");
  EXPECT_EQ(Ctl({"server"}), 1);
  EXPECT_TRUE(Contains(err(), "no /proc")) << err();
}

TEST_F(RunTest, Deciders) {
  server_.deciders = Parse<v1::ListDecidersResponse>(R"pb(
    deciders {
      name: "fraud"
      address: "192.0.2.7:9000"
      connected: true
      asked: 120
      answered: 110
      timed_out: 7
      failed: 1
      unasked: 3
      waiting: 2
      round_trip { nanos: 850000 }
    }
    deciders { name: "fraud" address: "192.0.2.8:9000" })pb");
  EXPECT_EQ(Ctl({"deciders"}), 0);
  EXPECT_EQ(out(),
            "DECIDER  ADDRESS         STATE  ASKED  ANSWERED  TIMED OUT  FAILED  NOT ASKED  "
            "WAITING    RTT\n"
            "fraud    192.0.2.7:9000  up       120       110          7       1          3  "
            "      2  850us\n"
            "fraud    192.0.2.8:9000  away       0         0          0       0          0  "
            "      0      -\n");
  EXPECT_EQ(err(), "");
  EXPECT_EQ(Ctl({"deciders", "-o", "json"}), 0);
  EXPECT_TRUE(Contains(out(), R"({"name":"fraud","address":"192.0.2.7:9000","connected":true,)"))
      << out();
  server_.deciders.Clear();
  EXPECT_EQ(Ctl({"deciders"}), 0);
  EXPECT_TRUE(Contains(err(), "no rule of the policy asks a decider"));
  server_.failure = grpc::Status(grpc::StatusCode::UNIMPLEMENTED, "an old server");
  EXPECT_EQ(Ctl({"deciders"}), 1);
}

TEST_F(RunTest, ModeReadsAndSets) {
  server_.mode = Parse<v1::SetModeResponse>("previous: MODE_OFF current: MODE_ON");
  EXPECT_EQ(Ctl({"mode", "gw1"}), 0);
  EXPECT_EQ(out(), "gw1: on\n");
  EXPECT_EQ(server_.set_mode.gateway(), "gw1");
  EXPECT_EQ(server_.set_mode.mode(), v1::MODE_UNSPECIFIED);
  EXPECT_EQ(Ctl({"mode", "gw1", "on"}), 0);
  EXPECT_EQ(out(), "gw1: was off, is now on\n");
  EXPECT_EQ(server_.set_mode.mode(), v1::MODE_ON);
  EXPECT_EQ(Ctl({"mode", "gw1", "shadow", "-o", "json"}), 0);
  EXPECT_EQ(out(), "{\"previous\":\"MODE_OFF\",\"current\":\"MODE_ON\"}\n");
  EXPECT_EQ(server_.set_mode.mode(), v1::MODE_SHADOW);
}

TEST_F(RunTest, AModeOnApprovalSaysHowItIsConfirmed) {
  server_.mode = Parse<v1::SetModeResponse>(
      "previous: MODE_OFF current: MODE_ON reverts_in { seconds: 59 nanos: 999000000 }");
  EXPECT_EQ(Ctl({"mode", "gw1", "on", "--confirm-within", "1m"}), 0);
  EXPECT_EQ(server_.set_mode.confirm_within().seconds(), 60);
  EXPECT_EQ(out(),
            "gw1: was off, is now on, reverts in 1m00s unless confirmed by: sluicectl mode gw1 "
            "on\n");
  EXPECT_EQ(err(), "");
  EXPECT_EQ(Ctl({"mode", "gw1"}), 0);
  EXPECT_FALSE(server_.set_mode.has_confirm_within());
  EXPECT_EQ(out(), "gw1: on, reverts in 1m00s unless confirmed by: sluicectl mode gw1 on\n");
  EXPECT_EQ(Ctl({"mode", "gw1", "-o", "json"}), 0);
  EXPECT_TRUE(Contains(out(), "\"revertsIn\":\"59.999s\"")) << out();
  server_.mode.clear_reverts_in();
  EXPECT_EQ(Ctl({"mode", "gw1", "on", "--confirm-within", "1m"}), 0);
  EXPECT_TRUE(Contains(err(), "it will not revert")) << err();
}

TEST_F(RunTest, AGatewayMayBeCalledLikeAVerb) {
  EXPECT_EQ(Ctl({"mode", "stat", "on"}), 0);
  EXPECT_EQ(server_.set_mode.gateway(), "stat");
}

TEST_F(RunTest, UnknownGatewayNamesTheKnownOnes) {
  server_.failure = grpc::Status(grpc::StatusCode::NOT_FOUND, "no such gateway");
  for (const std::string verb : {"mode", "stat"}) {
    EXPECT_EQ(Ctl({verb, "gw9"}), 1);
    EXPECT_EQ(out(), "");
    EXPECT_EQ(err(), "sluicectl: the server at " + server_.address() +
                         " knows no gateway 'gw9'.\n  Known gateways: gw1, gw2\n");
  }
}

TEST_F(RunTest, TheGatewaysErrnoIsShown) {
  v1::SystemError error;
  error.set_number(1);
  error.set_name("EPERM");
  error.set_text("Operation not permitted");
  v1::StatusDetails details;
  details.add_details()->PackFrom(error);
  server_.failure =
      grpc::Status(grpc::StatusCode::PERMISSION_DENIED, "the table could not be made; run as root",
                   details.SerializeAsString());
  EXPECT_EQ(Ctl({"mode", "gw1", "on"}), 1);
  EXPECT_EQ(err(),
            "sluicectl: gw1: the table could not be made; run as root\n"
            "  the gateway's system says: Operation not permitted (EPERM, errno 1)\n");
}

TEST_F(RunTest, AGatewayThatIsAwayIsNotTheServerBeingAway) {
  server_.failure = grpc::Status(grpc::StatusCode::UNAVAILABLE, "gateway is not connected");
  EXPECT_EQ(Ctl({"stat", "gw2"}), 1);
  EXPECT_EQ(err(), "sluicectl: gw2: gateway is not connected\n");
}

TEST_F(RunTest, AServerThatIsNotThereIsSaid) {
  EXPECT_EQ(Ctl({"--server", "unix:/nonexistent/server", "gateways"}), 1);
  EXPECT_TRUE(Contains(err(), "server not reachable at unix:/nonexistent/server: ")) << err();
  EXPECT_TRUE(Contains(err(), "--server or SLUICE_SERVER")) << err();
  EXPECT_EQ(Ctl({"observe", "decisions", "-f", "-s", "unix:/nonexistent/server"}), 1);
  EXPECT_TRUE(Contains(err(), "server not reachable")) << err();
}

TEST_F(RunTest, AServerOfAnotherProtocolIsSaid) {
  char folder[] = "/tmp/sluicectl_test_XXXXXX";
  ASSERT_NE(mkdtemp(folder), nullptr);
  sockaddr_un address = {AF_UNIX, {}};
  std::string(std::string(folder) + "/other").copy(address.sun_path, sizeof(address.sun_path) - 1);
  const int listener = socket(AF_UNIX, SOCK_STREAM, 0);
  ASSERT_EQ(bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  ASSERT_EQ(listen(listener, 8), 0);
  // Speaks first, as SSH does, and to everyone, until the listener is shut down.
  std::thread other([listener] {
    std::vector<int> connections;
    for (int fd; (fd = accept(listener, nullptr, nullptr)) >= 0;) {
      connections.push_back(fd);
      EXPECT_GT(send(fd, "SSH-2.0-other\r\n", 15, MSG_NOSIGNAL), 0);
    }
    for (const int fd : connections) close(fd);
  });
  EXPECT_EQ(Ctl({"gateways", "-s", std::string("unix:") + address.sun_path}), 1);
  EXPECT_TRUE(Contains(err(), "what answers there does not speak gRPC")) << err();
  shutdown(listener, SHUT_RDWR);
  other.join();
  close(listener);
  std::filesystem::remove_all(folder);
}

TEST_F(RunTest, AMissingServiceIsSaid) {
  server_.failure = grpc::Status(grpc::StatusCode::UNIMPLEMENTED, "");
  EXPECT_EQ(Ctl({"stat", "gw1"}), 1);
  EXPECT_TRUE(Contains(err(), "cannot do this: is it a decider")) << err();
  // Not to be confused with what a gateway cannot do.
  server_.failure = grpc::Status(grpc::StatusCode::UNIMPLEMENTED, "shadow is not there yet");
  EXPECT_EQ(Ctl({"mode", "gw1", "shadow"}), 1);
  EXPECT_EQ(err(), "sluicectl: gw1: shadow is not there yet\n");
}

TEST_F(RunTest, Stat) {
  EXPECT_EQ(Ctl({"stat", "gw1"}), 0);
  EXPECT_EQ(server_.get_stats.gateway(), "gw1");
  EXPECT_TRUE(Contains(out(), "received 3, all accounted for\n")) << out();
  EXPECT_FALSE(Contains(out(), "\x1b")) << out();
  EXPECT_EQ(Ctl({"stat", "gw1", "-o", "json"}), 0);
  EXPECT_TRUE(Contains(out(), R"("stale":{"dropped":"1","accepted":"0"})")) << out();
  EXPECT_TRUE(Contains(out(), R"("tableFull":null)") || !Contains(out(), "tableFull")) << out();
  server_.stats.mutable_time()->set_seconds(-900'000'000'000);  // JSON begins with year 1
  EXPECT_EQ(Ctl({"stat", "gw1", "-o", "json"}), 1);
  EXPECT_EQ(out(), "");
  EXPECT_TRUE(Contains(err(), "GatewayStats: not representable as JSON")) << err();
}

TEST_F(RunTest, PolicyCheck) {
  server_.check.set_rules(2);
  const std::string file = File("default accept;\n");
  EXPECT_EQ(Ctl({"policy", "check", file}), 0);
  EXPECT_EQ(out(), file + ": ok, 2 rules\n");
  EXPECT_EQ(server_.check_policy.policy().text(), "default accept;\n");
}

TEST_F(RunTest, PolicyCheckShowsWhereTheProblemsAre) {
  server_.check = Parse<v1::CheckPolicyResponse>(
      "problems { line: 1 column: 9 message: 'expected accept or reject' }");
  in_.str("default perhaps;\n");
  EXPECT_EQ(Ctl({"policy", "check", "-"}), 1);
  EXPECT_EQ(out(),
            "stdin:1:9: expected accept or reject\n"
            "  default perhaps;\n"
            "          ^\n");
  EXPECT_EQ(err(), "sluicectl: stdin: 1 problem; the policy in force stays\n");
}

TEST_F(RunTest, PolicyFilesThatCannotBeRead) {
  EXPECT_EQ(Ctl({"policy", "check", "/nonexistent"}), 1);
  EXPECT_EQ(err(), "sluicectl: cannot read the policy /nonexistent: No such file or directory\n");
  EXPECT_EQ(Ctl({"policy", "apply", testing::TempDir()}), 1);
  EXPECT_TRUE(Contains(err(), "Is a directory")) << err();
}

TEST_F(RunTest, PolicyApply) {
  server_.apply = Parse<v1::ApplyPolicyResponse>(
      "previous { version: 0 } current { version: 1 source: 'my.policy' rules: 1 }");
  in_.str("from any to any accept;");
  EXPECT_EQ(Ctl({"policy", "apply", "-"}), 0);
  EXPECT_EQ(out(), "was version 0 (built in, 0 rules)\nnow version 1 (my.policy, 1 rule)\n");
  EXPECT_EQ(server_.apply_policy.policy().text(), "from any to any accept;");
  EXPECT_EQ(server_.apply_policy.policy().source(), "stdin");
}

TEST_F(RunTest, PolicyApplyOfABadOneShowsItsProblems) {
  server_.failure = grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "1:1: all wrong");
  server_.check = Parse<v1::CheckPolicyResponse>("problems { line: 1 column: 1 message: 'no' }");
  in_.str("x");
  EXPECT_EQ(Ctl({"policy", "apply", "-"}), 1);
  EXPECT_EQ(out(), "stdin:1:1: no\n  x\n  ^\n");
  in_.clear();
  in_.str("x");
  EXPECT_EQ(Ctl({"policy", "apply", "-", "-o", "json"}), 1);
  EXPECT_EQ(
      out(),
      "{\"problems\":[{\"line\":1,\"column\":1,\"message\":\"no\",\"file\":\"\",\"length\":0}],"
      "\"rules\":0,\"warnings\":[],\"missingFiles\":[]}\n");
}

TEST_F(RunTest, PolicyShowPrintsWhatCanBeAppliedAgain) {
  server_.policy = Parse<v1::GetPolicyResponse>(
      "policy { version: 3 text: 'default accept;' source: 'my.policy' rules: 0 }");
  EXPECT_EQ(Ctl({"policy", "show"}), 0);
  EXPECT_EQ(out(), "default accept;\n");
  context_.terminal = true;
  EXPECT_EQ(Ctl({"policy", "show"}), 0);
  EXPECT_EQ(out(), "# version 3 (my.policy, 0 rules)\ndefault accept;\n");
}

TEST_F(RunTest, WhatIsNotUnderstoodIsSaidAndIsTwo) {
  const struct {
    std::vector<std::string> line;
    const char* says;
  } kCases[] = {
      {{},
       "a verb is missing: gateways, mode, stat, queue, remembered, policy, deciders, server, "
       "screen, "
       "observe, completion"},
      {{"modes"}, "'modes' is not one of gateways, mode"},
      {{"mode"}, "GATEWAY is required"},
      {{"mode", "gw1", "perhaps"}, "MODE: 'perhaps' is not one of off, on, shadow"},
      {{"mode", "gw1", "on", "off"}, "not expected: off"},
      {{"mode", "gw1", "on", "--confirm-within", "0s"}, "'0s' is not a time of at most a day"},
      {{"mode", "gw1", "on", "--confirm-within", "25h"}, "'25h' is not a time of at most a day"},
      {{"mode", "gw1", "on", "--confirm-within", "60"}, "'60' is not a time of at most a day"},
      {{"mode", "gw1", "--confirm-within", "60s"}, "--confirm-within requires MODE"},
      {{"policy"},
       "a verb is missing: check, apply, show, history, diff, test, explain, trial, confirm, "
       "rollback"},
      {{"policy", "check"}, "FILE is required"},
      {{"policy", "apply", "f", "--confirm-within", "2d"}, "'2d' is not a time of at most a day"},
      {{"policy", "apply", "f", "--if-version", "new"}, "--if-version"},
      {{"policy", "show", "new"}, "VERSION"},
      {{"policy", "trial", "f", "--for", "0s"}, "'0s' is not a time"},
      {{"observe", "packets"}, "'packets' is not one of decisions, connections"},
      {{"observe", "decisions", "-4", "--src", "::1"}, "--src: '::1' is of the other address"},
      {{"observe", "decisions", "-p", "tpc"}, "--proto: 'tpc' is not one of"},
      {{"observe", "decisions", "--count", "0"}, "--count: '0' is not a number from 1"},
      {{"observe", "decisions", "--last", "x"}, "--last: 'x' is not a number from 0"},
      {{"observe", "decisions", "--action", "hold"}, "'hold' is not one of accept, drop"},
      {{"observe", "connections", "--type", "gone"}, "'gone' is not one of new, update"},
      {{"stat", "gw1", "--watch", "0"}, "is not a number of seconds from 0.1"},
      {{"gateways", "-o", "yaml"}, "'yaml' is not one of table, json, name"},
      {{"gateways", "--server"}, "--server"},
      {{"gateways", "--server", "http://10.0.0.1"}, "is a URL: only address:port is wanted"},
      {{"completion", "tcsh"}, "'tcsh' is not one of bash, zsh, fish"},
  };
  for (const auto& c : kCases) {
    EXPECT_EQ(Ctl(c.line), 2) << c.says;
    EXPECT_EQ(out(), "") << c.says;
    EXPECT_TRUE(Contains(err(), c.says)) << err();
    EXPECT_TRUE(Contains(err(), " --help` says how it is used\n")) << err();
  }
}

TEST_F(RunTest, EveryVerbHasHelpWithExamples) {
  const std::vector<std::vector<std::string>> kVerbs = {{},
                                                        {"gateways"},
                                                        {"deciders"},
                                                        {"mode"},
                                                        {"stat"},
                                                        {"policy"},
                                                        {"policy", "check"},
                                                        {"policy", "apply"},
                                                        {"policy", "show"},
                                                        {"policy", "history"},
                                                        {"policy", "diff"},
                                                        {"policy", "trial"},
                                                        {"policy", "confirm"},
                                                        {"policy", "rollback"},
                                                        {"observe"},
                                                        {"observe", "decisions"},
                                                        {"observe", "connections"},
                                                        {"completion"}};
  for (std::vector<std::string> line : kVerbs) {
    std::string path = "sluicectl";
    for (const std::string& word : line) path += " " + word;
    line.push_back("--help");
    EXPECT_EQ(Ctl(line), 0) << path;
    EXPECT_TRUE(Contains(out(), "Usage: " + path + " [OPTIONS]")) << out();
    EXPECT_TRUE(Contains(out(), "\nExamples:\n")) << out();
    EXPECT_EQ(err(), "");
  }
}

TEST_F(RunTest, CompletionScripts) {
  for (const std::string shell : {"bash", "zsh", "fish"}) {
    EXPECT_EQ(Ctl({"completion", shell}), 0);
    EXPECT_TRUE(Contains(out(), "__complete")) << out();
    EXPECT_TRUE(Contains(out(), shell + " completion for sluicectl")) << out();
  }
}

TEST_F(RunTest, CompletesItself) {
  EXPECT_EQ(Ctl({"__complete", "--", "mode", "gw"}), 0);
  EXPECT_EQ(out(), "words\ngw1\t\ngw2\t\n");
  EXPECT_EQ(Ctl({"__complete", "--", "mode", "gw1", "s"}), 0);
  EXPECT_EQ(out(), "words\nshadow\t\n");
  EXPECT_EQ(Ctl({"__complete", "--", "observe", "decisions", "--proto=ud"}), 0);
  EXPECT_EQ(out(), "words\n--proto=udp\t\n--proto=udplite\t\n");
  EXPECT_EQ(Ctl({"__complete", "--", "policy", "apply", ""}), 0);
  EXPECT_EQ(out(), "files\n");
  EXPECT_EQ(Ctl({"__complete", "--", "-s", "unix:/nonexistent/server", "mode", ""}), 0);
  EXPECT_EQ(out(), "words\n");
  // An option whose text has several lines is one candidate.
  EXPECT_EQ(Ctl({"__complete", "--", "--ser"}), 0);
  const std::string candidates = out();
  EXPECT_TRUE(candidates.starts_with("words\n--server\tThe server")) << candidates;
  EXPECT_EQ(std::count(candidates.begin(), candidates.end(), '\n'), 2) << candidates;
  EXPECT_EQ(Ctl({"__complete", "--", "obs"}), 0);
  EXPECT_EQ(out(), "words\nobserve\tShow decisions and connections, past ones or as they happen\n");
}

}  // namespace
}  // namespace sluice::cli
