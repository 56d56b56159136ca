#include "server/journal/decision_line.h"

#include <gtest/gtest.h>

#include <string>

namespace sluice::server {
namespace {

constexpr auto kTime = std::chrono::system_clock::time_point(std::chrono::seconds(1'700'000'000));

DecisionRecord Record() {
  v1::Packet packet;
  packet.set_family(v1::FAMILY_IPV4);
  packet.set_original_length(60);
  packet.set_waited_us(350);
  packet.set_input_interface("eth0");
  packet.set_output_interface("eth 1");
  v1::Headers* const headers = packet.mutable_headers();
  headers->set_source("\x0a\1\1\1");
  headers->set_destination("\x0a\1\1\2");
  headers->set_protocol(6);
  headers->set_source_port(40000);
  headers->set_destination_port(22);
  DecisionRecord record{};
  record.SetPacket(packet);
  record.SetReason("rule 3 \"mail\", line 7");
  record.time_ns = 1'700'000'000'123'456'789;
  record.policy_version = 12;
  record.action = v1::ACTION_DROP;
  record.notify = v1::NOTIFY_TCP_RESET;
  record.cause = v1::CAUSE_VERDICT;
  record.rule = 3;
  return record;
}

TEST(DecisionLineTest, SaysAllThereIsToSay) {
  EXPECT_EQ(DecisionLine("gw1", Record()),
            "time=2023-11-14T22:13:20.123456Z gateway=gw1 action=drop notify=tcp_reset proto=tcp "
            "src=10.1.1.1 sport=40000 dst=10.1.1.2 dport=22 len=60 in=eth0 out=\"eth 1\" rule=3 "
            "policy=12 waited_us=350 reason=\"rule 3 \\\"mail\\\", line 7\"");
}

TEST(DecisionLineTest, AcceptedPingsOfIpv6) {
  v1::Packet packet;
  packet.set_family(v1::FAMILY_IPV6);
  packet.mutable_headers()->set_source("\xfd" + std::string(14, '\0') + "\1");
  packet.mutable_headers()->set_destination("\xfd" + std::string(14, '\0') + "\2");
  packet.mutable_headers()->set_protocol(58);
  packet.mutable_headers()->set_icmp_type(128);
  packet.mutable_headers()->set_icmp_code(0);
  DecisionRecord record = Record();
  record.SetPacket(packet);
  record.action = v1::ACTION_ACCEPT;
  record.notify = v1::NOTIFY_UNSPECIFIED;
  record.scope = v1::SCOPE_CONNECTION;
  EXPECT_EQ(DecisionLine("gw1", record),
            "time=2023-11-14T22:13:20.123456Z gateway=gw1 action=accept proto=icmpv6 src=fd00::1 "
            "dst=fd00::2 icmp_type=128 icmp_code=0 in=\"\" out=\"\" rule=3 policy=12 "
            "scope=connection waited_us=0 reason=\"rule 3 \\\"mail\\\", line 7\"");
}

TEST(DecisionLineTest, SaysNothingThatIsNotKnown) {
  v1::Packet packet;
  packet.set_family(v1::FAMILY_IPV6);
  packet.mutable_headers()->set_cut_short(true);
  DecisionRecord record = Record();
  record.SetPacket(packet);
  const std::string line = DecisionLine("gw1", record);
  for (const char* field : {" proto=", " src=", " dst=", " dport="}) {
    EXPECT_EQ(line.find(field), std::string::npos) << line;
  }
}

TEST(DecisionLineTest, WhatTheAgentDecided) {
  DecisionRecord record{};
  record.cause = v1::CAUSE_TABLE_FULL;
  record.SetInterfaces("a\nb\"\\", "\xff");
  EXPECT_EQ(DecisionLine("gw1", record),
            "time=1970-01-01T00:00:00.000000Z gateway=gw1 action=drop in=\"a\\nb\\\"\\\\\" "
            "out=\"\\377\" cause=table_full waited_us=0");
}

TEST(DecisionLineTest, OneLineWhateverComes) {
  DecisionRecord record = Record();
  record.action = 200;
  record.notify = 201;
  record.cause = 202;
  record.scope = 203;
  record.protocol = 204;
  for (int byte = 0; byte < 256; ++byte) {
    const std::string text(1, static_cast<char>(byte));
    record.SetReason(text);
    record.SetInterfaces(text, text);
    const std::string line = DecisionLine(text, record);
    for (const char c : line) {
      EXPECT_TRUE(c >= ' ' && c <= '~') << byte;
    }
  }
}

TEST(DecisionLineTest, LeftOut) {
  EXPECT_EQ(LeftOutLine(kTime, "gw1", 7, "no space"),
            "time=2023-11-14T22:13:20.000000Z gateway=gw1 left_out=7 reason=\"no space\"");
}

TEST(DecisionLineTest, Reports) {
  EXPECT_EQ(ServerReportLine(kTime, 5, 2, 3, 1),
            "time=2023-11-14T22:13:20.000000Z report=server packets=7 accepted=5 dropped=2 lines=3 "
            "left_out=1");
  v1::GatewayStats stats;
  stats.set_gateway("gw1");
  stats.set_mode(v1::MODE_ON);
  for (int i = 0; i < 2; ++i) {
    v1::QueueStats* const queue = stats.add_queues();
    queue->set_received(10);
    queue->set_accepted(5);
    queue->set_dropped(2);
    queue->mutable_stale()->set_dropped(1);
    queue->mutable_table_full()->set_accepted(1);
    queue->mutable_no_decider()->set_dropped(1);
  }
  EXPECT_EQ(GatewayReportLine(kTime, stats),
            "time=2023-11-14T22:13:20.000000Z report=gateway gateway=gw1 mode=on asked=20 "
            "accepted=10 dropped=4 stale=2 table_full=2 no_decider=2");
  stats.mutable_remembered()->set_accepted_connection(100);
  stats.mutable_remembered()->set_accepted_address(11);
  stats.mutable_remembered()->set_dropped_connection(20);
  stats.mutable_remembered()->set_dropped_address(2);
  EXPECT_TRUE(GatewayReportLine(kTime, stats)
                  .ends_with("no_decider=2 remembered_accepted=111 remembered_dropped=22"));
}

}  // namespace
}  // namespace sluice::server
