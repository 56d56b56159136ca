// `policy test` and `policy explain`.
#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "clients/cli/capture/test_capture.h"
#include "clients/cli/format/words.h"
#include "clients/cli/run_fixture.h"

namespace sluice::cli {
namespace {

constexpr uint32_t kEthernet = 1;

class RunPacketsTest : public RunTest {
 protected:
  RunPacketsTest() {
    server_.ruling = Parse<v1::PolicyRuling>(
        "action: ACTION_DROP notify: NOTIFY_TCP_RESET rule: 3 reason: 'rule 3, line 7'");
    server_.policy = Parse<v1::GetPolicyResponse>("policy { text: 'default reject;' }");
  }

  static std::string Capture(const std::string& frames) {
    const std::string path = testing::TempDir() + "/run_packets_test.pcap";
    std::ofstream(path, std::ios::binary) << CaptureHeader(kEthernet) << frames;
    return path;
  }
};

TEST_F(RunPacketsTest, APacketALineAndASummary) {
  const std::string capture =
      Capture(CaptureFrame(EthernetFrame(IpPacket())) + CaptureFrame(std::string(60, '\x02')) +
              CaptureFrame(EthernetFrame(IpPacket(1)), 114));
  EXPECT_EQ(Ctl({"policy", "test", capture}), 0);
  EXPECT_EQ(err(), "");
  EXPECT_TRUE(Contains(out(), "TIME          ACTION")) << out();
  EXPECT_TRUE(Contains(out(), ".123  drop+tcp_reset  gre     10.0.0.1"));
  EXPECT_TRUE(Contains(out(), "     24  rule 3, line 7\n")) << out();
  EXPECT_TRUE(Contains(out(),
                       "\n2 packets: 0 accepted, 2 dropped\n"
                       "PACKETS  ACTION  RULE\n"
                       "      2  drop    rule 3, line 7\n"
                       "1 frame holds no IPv4 or IPv6 packet and was passed over\n"))
      << out();
  // The current policy: none is sent along.
  ASSERT_EQ(server_.test_policy.size(), 2u);
  EXPECT_FALSE(server_.test_policy[0].has_policy());
  EXPECT_EQ(server_.test_policy[1].packets(0).payload(), IpPacket());
  EXPECT_EQ(server_.test_policy[1].packets(1).original_length(), 100u);
}

TEST_F(RunPacketsTest, AnotherPolicyAndWhereItIs) {
  const std::string capture = Capture(CaptureFrame(EthernetFrame(IpPacket())));
  const std::string policy = File("from any to any state new accept;");
  EXPECT_EQ(Ctl({"policy", "test", capture, "--policy", policy, "--in-group", "dmz", "--out-group",
                 "wan", "--copy-range", "20"}),
            0);
  EXPECT_EQ(server_.test_policy.at(0).policy().text(), "from any to any state new accept;");
  const v1::Packet& packet = server_.test_policy.at(1).packets(0);
  EXPECT_EQ(packet.input_group(), "dmz");
  EXPECT_EQ(packet.output_group(), "wan");
  EXPECT_EQ(packet.payload().size(), 20u);
  EXPECT_EQ(packet.headers().source().size(), 4u) << "read before it was cut, as an agent does";
  EXPECT_EQ(packet.original_length(), 24u);
  EXPECT_EQ(packet.connection_state(), v1::CONNECTION_STATE_NEW);
}

TEST_F(RunPacketsTest, StatesAreFollowedOrSaid) {
  const std::string capture = Capture(CaptureFrame(EthernetFrame(IpPacket())));
  for (const auto& [word, state] : {std::pair("follow", v1::CONNECTION_STATE_NEW),
                                    std::pair("invalid", v1::CONNECTION_STATE_INVALID),
                                    std::pair("unknown", v1::CONNECTION_STATE_UNSPECIFIED)}) {
    server_.test_policy.clear();
    EXPECT_EQ(Ctl({"policy", "test", capture, "--state", word}), 0);
    EXPECT_EQ(server_.test_policy.at(1).packets(0).connection_state(), state) << word;
    EXPECT_TRUE(Contains(out(), StateWord(state))) << out();
  }
  EXPECT_EQ(Ctl({"policy", "test", capture, "--state", "old"}), 2);
  EXPECT_TRUE(Contains(err(), "follow, new, established, related, invalid")) << err();
}

TEST_F(RunPacketsTest, OnlyTheSummary) {
  const std::string capture = Capture(CaptureFrame(EthernetFrame(IpPacket())));
  EXPECT_EQ(Ctl({"policy", "test", capture, "--summary"}), 0);
  EXPECT_EQ(out(),
            "1 packet: 0 accepted, 1 dropped\n"
            "PACKETS  ACTION  RULE\n"
            "      1  drop    rule 3, line 7\n");
  EXPECT_EQ(Ctl({"policy", "test", capture, "--summary", "-o", "json"}), 0);
  EXPECT_TRUE(out().starts_with("{\"summary\":{")) << out();
}

TEST_F(RunPacketsTest, FragmentsAreOnePacket) {
  std::string first = IpPacket();
  first.replace(20, 4, "aaaaaaaa");
  first[3] = 28;
  first[6] = 0x20;  // More fragments follow.
  std::string last = IpPacket();
  last[7] = 1;  // At offset 8.
  const std::string alone = [&last] {
    std::string other = last;
    other[5] = 9;  // Of another datagram.
    return other;
  }();
  const std::string capture =
      Capture(CaptureFrame(EthernetFrame(last)) + CaptureFrame(EthernetFrame(alone)) +
              CaptureFrame(EthernetFrame(first)));
  EXPECT_EQ(Ctl({"policy", "test", capture, "--summary"}), 0);
  EXPECT_TRUE(Contains(out(), "1 packet: 0 accepted")) << out();
  EXPECT_TRUE(Contains(out(), "1 datagram lacks fragments")) << out();
  ASSERT_EQ(server_.test_policy.at(1).packets_size(), 1);
  EXPECT_EQ(server_.test_policy.at(1).packets(0).original_length(), 32u);
  EXPECT_EQ(server_.test_policy.at(1).packets(0).payload().substr(20),
            "aaaaaaaa" + last.substr(20));
}

TEST_F(RunPacketsTest, ABrokenPolicyIsSaidBeforeAnyPacket) {
  server_.check = Parse<v1::CheckPolicyResponse>(
      "problems { line: 1 column: 1 length: 4 message: 'expected something else' }");
  EXPECT_EQ(Ctl({"policy", "test", Capture(""), "--policy", File("oops")}), 1);
  EXPECT_TRUE(Contains(out() + err(), "expected something else")) << out() << err();
  EXPECT_TRUE(server_.test_policy.empty());
}

TEST_F(RunPacketsTest, ManyPacketsGoInBoundedMessages) {
  std::string frames;
  for (int i = 0; i < 600; ++i) frames += CaptureFrame(EthernetFrame(IpPacket()));
  for (int i = 0; i < 40; ++i)
    frames += CaptureFrame(EthernetFrame(IpPacket() + std::string(65000, 'x')));
  EXPECT_EQ(Ctl({"policy", "test", Capture(frames), "-o", "json"}), 0);
  int packets = 0;
  for (const auto& request : server_.test_policy) {
    packets += request.packets_size();
    EXPECT_LE(request.packets_size(), 256);
    EXPECT_LT(request.ByteSizeLong(), size_t{1200} << 10);
  }
  EXPECT_EQ(packets, 640);
  EXPECT_TRUE(Contains(out(), R"({"time":"2023-11-14T22:13:20.123456789Z","length":24,)"
                              R"("connectionState":"CONNECTION_STATE_NEW","ruling":{)"))
      << out().substr(0, 300);
  EXPECT_TRUE(Contains(out(), "{\"summary\":{\"packets\":\"640\",")) << out();
  EXPECT_FALSE(Contains(out(), "TIME"));
}

TEST_F(RunPacketsTest, ADamagedCaptureIsTestedAsFarAsItGoes) {
  EXPECT_EQ(Ctl({"policy", "test", Capture(CaptureFrame(EthernetFrame(IpPacket())) + "cut")}), 1);
  EXPECT_TRUE(Contains(out(), "1 packet: 0 accepted, 1 dropped")) << out();
  EXPECT_TRUE(Contains(err(), "damaged or cut off behind 1 frame")) << err();
  EXPECT_EQ(Ctl({"policy", "test", "/nonexistent.pcap"}), 1);
  EXPECT_TRUE(Contains(err(), "cannot read the capture /nonexistent.pcap")) << err();
  EXPECT_EQ(Ctl({"policy", "test", Capture("")}), 0);
  EXPECT_EQ(out(), "0 packets: 0 accepted, 0 dropped\n");
}

TEST_F(RunPacketsTest, AServerThatEndsTheTest) {
  server_.failure = grpc::Status(grpc::StatusCode::UNAVAILABLE, "this server is going down");
  server_.answers_before_failure = 1;
  EXPECT_EQ(Ctl({"policy", "test", Capture(CaptureFrame(EthernetFrame(IpPacket()))), "--policy",
                 File("default accept;")}),
            1);
  EXPECT_TRUE(Contains(err(), "this server is going down")) << err();
}

TEST_F(RunPacketsTest, ExplainSaysWhatAndWhy) {
  server_.explain = Parse<v1::ExplainPolicyResponse>(R"pb(
    ruling {
      action: ACTION_DROP
      notify: NOTIFY_HOST_UNREACHABLE
      scope: SCOPE_SOURCE
      lifetime { seconds: 60 }
      logged: true
      rule: 4
      reason: "rule 4, line 4"
    }
    considered {
      rule: 1
      text: "from any to any\n  tcp port 25 accept;"
      file: "lists/mail"
      line: 2
      mismatches: "destination port 80 is not 25"
    }
    considered { rule: 4 text: "from any to any reject;" line: 4 matches: true }
    others: 2)pb");
  EXPECT_EQ(Ctl({"policy", "explain", "10.0.0.1", "10.0.0.2", "tcp", "80"}), 0);
  EXPECT_EQ(err(), "");
  EXPECT_EQ(out(),
            "tcp 10.0.0.1:49152 > 10.0.0.2:80 SYN, state new\n"
            "drop, notify host_unreachable, for packets from its source for 60s, logged: "
            "rule 4, line 4\n"
            "\n"
            "  rule 1, lists/mail line 2\n"
            "    from any to any\n"
            "      tcp port 25 accept;\n"
            "      destination port 80 is not 25\n"
            "\n"
            "  rule 4, line 4 matches\n"
            "    from any to any reject;\n"
            "\n"
            "2 other rules differ in more than one thing: --all shows them\n");
  EXPECT_FALSE(server_.explain_policy.has_policy());
  EXPECT_FALSE(server_.explain_policy.all());
  EXPECT_EQ(server_.explain_policy.packet().headers().destination_port(), 80u);
  EXPECT_EQ(Ctl({"policy", "explain", "10.0.0.1", "10.0.0.2", "icmp", "echo", "--all", "--policy",
                 File("default accept;"), "--state", "related", "-o", "json"}),
            0);
  EXPECT_TRUE(Contains(out(), R"({"ruling":{"action":"ACTION_DROP")")) << out();
  EXPECT_EQ(server_.explain_policy.policy().text(), "default accept;");
  EXPECT_TRUE(server_.explain_policy.all());
  EXPECT_EQ(server_.explain_policy.names().icmp_type(), "echo");
  EXPECT_EQ(server_.explain_policy.packet().connection_state(), v1::CONNECTION_STATE_RELATED);
}

TEST_F(RunPacketsTest, ExplainSaysWhatItWasNotTold) {
  server_.explain = Parse<v1::ExplainPolicyResponse>(R"pb(
    ruling { action: ACTION_DROP scope: SCOPE_PACKET reason: "rule 2, line 2" rule: 2 }
    considered {
      rule: 1
      text: "from group inside to any accept;"
      line: 1
      mismatches: "input group (none) is not inside; it was not told"
      hinges_on: PACKET_FACT_INPUT_GROUP
    }
    considered {
      rule: 2
      text: "from any to any state new reject;"
      line: 2
      matches: true
      hinges_on: PACKET_FACT_CONNECTION_STATE
    })pb");
  EXPECT_EQ(Ctl({"policy", "explain", "10.0.0.1", "10.0.0.2", "tcp", "80"}), 0);
  EXPECT_TRUE(Contains(out(),
                       "drop: rule 2, line 2\n"
                       "not certain: rules depend on what was not given: "
                       "input group (--in-group), connection state (--state)\n"))
      << out();
  EXPECT_TRUE(Contains(out(), "it depends on what was not given: connection state (--state)\n"));
  EXPECT_EQ(server_.explain_policy.not_told_size(), 6);
  EXPECT_EQ(Ctl({"policy", "explain", "10.0.0.1", "10.0.0.2", "tcp", "80", "--in-group", "",
                 "--out-group", "x", "--state", "new", "--src-port", "1", "--flags", "syn"}),
            0);
  EXPECT_EQ(server_.explain_policy.not_told_size(), 1);
}

TEST_F(RunPacketsTest, ExplainSaysWhatIsWrong) {
  EXPECT_EQ(Ctl({"policy", "explain", "10.0.0.1", "10.0.0.256"}), 1);
  EXPECT_TRUE(Contains(err(), "'10.0.0.256' is not an address")) << err();
  EXPECT_EQ(Ctl({"policy", "explain", "10.0.0.1"}), 2);
  server_.failure = grpc::Status(grpc::StatusCode::FAILED_PRECONDITION, "names have changed");
  EXPECT_EQ(Ctl({"policy", "explain", "10.0.0.1", "10.0.0.2"}), 1);
  EXPECT_TRUE(Contains(err(), "names have changed")) << err();
  EXPECT_EQ(server_.explain_policy.packet().headers().protocol(), 253u);
}

}  // namespace
}  // namespace sluice::cli
