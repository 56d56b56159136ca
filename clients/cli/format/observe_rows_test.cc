#include "clients/cli/format/observe_rows.h"

#include <absl/strings/str_join.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <ctime>

namespace sluice::cli {
namespace {

template <typename Message>
Message Parse(const std::string& text) {
  Message message;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &message)) << text;
  return message;
}

std::string Text(const std::vector<Cell>& cells) {
  return absl::StrJoin(cells, "|",
                       [](std::string* out, const Cell& cell) { out->append(cell.text); });
}

const auto kNow = std::chrono::system_clock::from_time_t(1'800'000'000);

class ObserveRows : public testing::Test {
 protected:
  void SetUp() override {
    setenv("TZ", "UTC", 1);
    tzset();
  }

  static std::string Decision(const std::string& text) {
    return Text(DecisionRow(Parse<v1::Decision>(text), kNow));
  }
  static std::string Connection(const std::string& text) {
    return Text(ConnectionRow(Parse<v1::ObserveConnectionsResponse>(text), kNow));
  }
};

TEST_F(ObserveRows, HaveAsManyCellsAsTitles) {
  EXPECT_EQ(DecisionRow({}, kNow).size(), DecisionColumns().size());
  EXPECT_EQ(ConnectionRow({}, kNow).size(), ConnectionColumns().size());
  EXPECT_EQ(PacketRow(1, {}).size(), PacketColumns().size());
}

TEST_F(ObserveRows, PacketToDecide) {
  EXPECT_EQ(Text(PacketRow(7, Parse<v1::Packet>(R"pb(
                             headers {
                               source: "\x0a\x00\x01\x01"
                               destination: "\x0a\x00\x02\x02"
                               protocol: 17
                               source_port: 40000
                               destination_port: 53
                             }
                             original_length: 60
                             input_interface: "lan"
                             output_interface: "wan")pb"))),
            "7|udp|10.0.1.1:40000|10.0.2.2:53||60|lan>wan");
}

TEST_F(ObserveRows, AcceptedTcp) {
  EXPECT_EQ(Decision(R"pb(
              time { seconds: 1800000000 nanos: 7000000 }
              gateway: "gw1"
              family: FAMILY_IPV4
              headers {
                source: "\x0a\x00\x01\x01"
                destination: "\x0a\x00\x02\x02"
                protocol: 6
                source_port: 40000
                destination_port: 80
                tcp_flags: 2
              }
              length: 60
              input_interface: "lan"
              output_interface: "wan"
              action: ACTION_ACCEPT
              cause: CAUSE_VERDICT
              reason: "rule 3, line 7"
              waited_us: 850
            )pb"),
            "08:00:00.007|gw1|accept|tcp|10.0.1.1:40000|10.0.2.2:80|SYN|60|lan>wan|850us|"
            "rule 3, line 7");
}

TEST_F(ObserveRows, RefusedPingOverIpv6) {
  EXPECT_EQ(
      Decision(R"pb(
        gateway: "gw1"
        headers {
          source: "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01"
          destination: "\x20\x01\x0d\xb8\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02"
          protocol: 58
          icmp_type: 128
          icmp_code: 0
          icmp_id: 77
        }
        length: 104
        input_interface: "lan"
        action: ACTION_DROP
        notify: NOTIFY_ADMIN_PROHIBITED
        cause: CAUSE_VERDICT
        reason: "default"
        waited_us: 1200
      )pb"),
      "-|gw1|drop+admin_prohibited|icmpv6|2001:db8::1|2001:db8::2|128/0 id=77|104|lan>-|1.2ms|"
      "default");
}

TEST_F(ObserveRows, WithoutAVerdictTheCauseComesFirst) {
  EXPECT_EQ(Decision("action: ACTION_DROP cause: CAUSE_STALE"), "-||drop|-|-|-||-|->-|0us|stale");
  EXPECT_EQ(Decision("cause: CAUSE_MALFORMED reason: 'too short'"),
            "-||drop|-|-|-||-|->-|0us|malformed: too short");
}

TEST_F(ObserveRows, Fragments) {
  EXPECT_EQ(Decision("headers { protocol: 17 fragment_offset: 1480 } action: ACTION_ACCEPT"),
            "-||accept|udp|-|-|fragment@1480|-|->-|0us|");
  EXPECT_EQ(Decision("headers { protocol: 17 more_fragments: true cut_short: true }"),
            "-||drop|udp|-|-|fragment cut short|-|->-|0us|");
}

TEST_F(ObserveRows, WhatIsNotKnownIsNotZero) {
  EXPECT_EQ(Decision("headers { cut_short: true }"), "-||drop|-|-|-|cut short|-|->-|0us|");
}

constexpr char kTuples[] = R"pb(
  original {
    source: "\x0a\x00\x01\x01"
    destination: "\x0a\x00\x02\x02"
    protocol: 6
    source_port: 40000
    destination_port: 80
  }
)pb";

TEST_F(ObserveRows, LiveConnection) {
  EXPECT_EQ(Connection(std::string("gateway: 'gw1' type: EVENT_TYPE_SNAPSHOT flow {") + kTuples +
                       R"pb(
                         reply {
                           source: "\x0a\x00\x02\x02"
                           destination: "\x0a\x00\x01\x01"
                           protocol: 6
                           source_port: 80
                           destination_port: 40000
                         }
                         timeout_s: 431999
                         tcp { state: 3 }
                         counters_original { packets: 5 bytes: 20000 }
                         counters_reply { packets: 4 bytes: 3000000 }
                       )pb" +
                       "}"),
            "-|gw1|snapshot|tcp|10.0.1.1:40000|10.0.2.2:80|ESTABLISHED|5/4|20.0k/3.00M|4d23h|");
}

TEST_F(ObserveRows, TranslatedConnectionWhoseEndWasNotSeen) {
  EXPECT_EQ(Connection(std::string("type: EVENT_TYPE_DESTROY end_unseen: true flow {") + kTuples +
                       R"pb(
                         reply {
                           source: "\x0a\x00\x09\x09"
                           destination: "\xc0\x00\x02\x01"
                           protocol: 6
                           source_port: 8080
                           destination_port: 40000
                         }
                         status: 14
                       )pb" +
                       "}"),
            "-||destroy?|tcp|10.0.1.1:40000|10.0.2.2:80|ASSURED|-|-|-|"
            "dst=10.0.9.9:8080 src=192.0.2.1:40000");
}

TEST_F(ObserveRows, RemarksSayWhatIsMissing) {
  EXPECT_EQ(LostLine(1).text, "-- 1 entry left out: read too slowly --");
  EXPECT_EQ(LostLine(5).text, "-- 5 entries left out: read too slowly --");
  EXPECT_EQ(GapLine(Parse<v1::ObserveConnectionsResponse>(
                        "gateway: 'gw1' gap { cause: GAP_CAUSE_BACKLOG_FULL lost_at_least: 9 }"))
                .text,
            "-- gw1: gap in the events (backlog_full), at least 9 lost --");
  EXPECT_EQ(GapLine(Parse<v1::ObserveConnectionsResponse>(
                        "gateway: 'gw1' resync_done { connections: 12 }"))
                .text,
            "-- gw1: complete again, 12 connections --");
}

}  // namespace
}  // namespace sluice::cli
