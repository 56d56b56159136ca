#include "agent/netfilter/conntrack/conntrack_codec.h"

#include <google/protobuf/text_format.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netfilter/nfnetlink_conntrack.h>
#include <sys/socket.h>

#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/escaping.h"
#include "agent/netfilter/conntrack/conntrack_builder.h"

namespace sluice::agent {
namespace {

// The message has its exact size on the heap, so that AddressSanitizer sees any read beyond it.
Message FromHex(std::string_view hex) {
  const std::string bytes = absl::HexStringToBytes({hex.data(), hex.size()});
  return Message(bytes.begin(), bytes.end());
}

void ExpectEvent(const Message& message, const std::string& expected_text) {
  v1::Event expected;
  ASSERT_TRUE(google::protobuf::TextFormat::ParseFromString(expected_text, &expected));
  const auto event = DecodeConntrack(message);
  ASSERT_TRUE(event.has_value());
  std::string difference;
  google::protobuf::util::MessageDifferencer differencer;
  differencer.ReportDifferencesToString(&difference);
  EXPECT_TRUE(differencer.Compare(expected, *event)) << difference;
}

// Captured from Linux 6.18: a UDP packet over loopback.
constexpr char kUdpNew[] =
    "94000000000100060000000000000000020000003400018014000180080001007f000001080002007f000001"
    "1c0002800500010011000000060002001389000006000300138800003400028014000180080001007f000001"
    "080002007f0000011c00028005000100110000000600020013880000060003001389000008000c003f41a705"
    "0800030000000008080007000000001e";
// ping -6 ::1.
constexpr char kPing6New[] =
    "d40000000001000600000000000000000a000000540001802c00018014000300000000000000000000000000"
    "00000001140004000000000000000000000000000000000124000280050001003a0000000600070057940000"
    "05000800800000000500090000000000540002802c0001801400030000000000000000000000000000000001"
    "140004000000000000000000000000000000000124000280050001003a000000060007005794000005000800"
    "810000000500090000000000"
    "08000c00782577ef0800030000000008080007000000001e";
// The third segment of a TCP handshake over ::1.
constexpr char kTcp6Update[] =
    "f40000000001000000000000000000000a0000004c0001802c00018014000300000000000000000000000000"
    "0000000114000400000000000000000000000000000000011c000280050001000600000006000200a3620000"
    "06000300177000004c0002802c00018014000300000000000000000000000000000000011400040000000000"
    "0000000000000000000000011c0002800500010006000000060002001770000006000300a362000008000c00"
    "8d12d7d6080003000000000e0800070000069780300004802c0001800500010003000000050002000a000000"
    "050003000a00000006000400230000000600050023000000";
// The end of that connection, by `conntrack -F`.
constexpr char kTcp6Destroy[] =
    "d40000000201000000000000965700000a0000004c0001802c00018014000300000000000000000000000000"
    "0000000114000400000000000000000000000000000000011c000280050001000600000006000200a3620000"
    "06000300177000004c0002802c00018014000300000000000000000000000000000000011400040000000000"
    "0000000000000000000000011c0002800500010006000000060002001770000006000300a362000008000c00"
    "8d12d7d6080003000000020e080007000006977f100004800c0001800500010003000000";

TEST(ConntrackCodecTest, UdpNew) {
  ExpectEvent(FromHex(kUdpNew), R"pb(
    conntrack {
      type: EVENT_TYPE_NEW
      flow {
        family: FAMILY_IPV4
        original {
          source: "\177\000\000\001"
          destination: "\177\000\000\001"
          protocol: 17
          source_port: 5001
          destination_port: 5000
        }
        reply {
          source: "\177\000\000\001"
          destination: "\177\000\000\001"
          protocol: 17
          source_port: 5000
          destination_port: 5001
        }
        id: 1061267205
        status: 8
        timeout_s: 30
      }
    })pb");
}

TEST(ConntrackCodecTest, IcmpOfBothDirections) {
  const std::string loopback(R"(\000\000\000\000\000\000\000\000\000\000\000\000\000\000\000\001)");
  const std::string tuple = "source: \"" + loopback + "\" destination: \"" + loopback +
                            "\" protocol: 58 icmp_code: 0 icmp_id: 22420 icmp_type: ";
  ExpectEvent(FromHex(kPing6New),
              "conntrack { type: EVENT_TYPE_NEW flow { family: FAMILY_IPV6 "
              "original { " +
                  tuple + "128 } reply { " + tuple +
                  "129 } "
                  "id: 2015721455 status: 8 timeout_s: 30 } }");
}

TEST(ConntrackCodecTest, TcpUpdateAndDestroy) {
  const auto update = DecodeConntrack(FromHex(kTcp6Update));
  ASSERT_TRUE(update.has_value());
  EXPECT_EQ(update->conntrack().type(), v1::EVENT_TYPE_UPDATE);
  const v1::Flow& flow = update->conntrack().flow();
  EXPECT_EQ(flow.original().source_port(), 41826u);
  EXPECT_EQ(flow.original().destination_port(), 6000u);
  EXPECT_EQ(flow.status(), 0xeu);
  EXPECT_EQ(flow.tcp().state(), 3u);
  EXPECT_EQ(flow.tcp().window_scale_original(), 10u);
  EXPECT_EQ(flow.tcp().flags_reply(), 0x23u);
  EXPECT_FALSE(flow.has_mark());
  EXPECT_FALSE(flow.has_counters_original());

  const auto destroy = DecodeConntrack(FromHex(kTcp6Destroy));
  ASSERT_TRUE(destroy.has_value());
  EXPECT_EQ(destroy->conntrack().type(), v1::EVENT_TYPE_DESTROY);
  EXPECT_EQ(destroy->conntrack().flow().id(), flow.id());
}

constexpr std::string_view kA("\x0a\0\0\x01", 4);
constexpr std::string_view kB("\x0a\0\0\x02", 4);

Message EveryFlowAttribute() {
  ConntrackBuilder builder(NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_NEW, NLM_F_MULTI, AF_INET);
  builder.Tuple(CTA_TUPLE_ORIG, kA, kB, 6, 1024, 21, 5)
      .Tuple(CTA_TUPLE_REPLY, kB, kA, 6, 21, 1024, 6)
      .Tuple(CTA_TUPLE_MASTER, kA, kB, 6, 1, 2)
      .U32(CTA_STATUS, 0x2e)
      .U32(CTA_TIMEOUT, 431999)
      .U32(CTA_MARK, 0xdeadbeef)
      .U32(CTA_SECMARK, 7)
      .U32(CTA_USE, 2)
      .U32(CTA_ID, 0x80000001)
      .U16(CTA_ZONE, 9)
      .Raw(CTA_LABELS, std::string_view("\x01\0\0\0\0\0\0\x80\0\0\0\0\0\0\0\0", 16));
  builder.Nest(CTA_COUNTERS_ORIG, [&] {
    builder.U64(CTA_COUNTERS_PACKETS, 1ull << 40).U64(CTA_COUNTERS_BYTES, 1ull << 50);
  });
  builder.Nest(CTA_COUNTERS_REPLY,
               [&] { builder.U64(CTA_COUNTERS_PACKETS, 3).U64(CTA_COUNTERS_BYTES, 180); });
  builder.Nest(CTA_PROTOINFO, [&] {
    builder.Nest(CTA_PROTOINFO_TCP, [&] {
      builder.U8(CTA_PROTOINFO_TCP_STATE, 3)
          .U8(CTA_PROTOINFO_TCP_WSCALE_ORIGINAL, 7)
          .U8(CTA_PROTOINFO_TCP_WSCALE_REPLY, 8)
          .Raw(CTA_PROTOINFO_TCP_FLAGS_ORIGINAL, "\x23\xff")
          .Raw(CTA_PROTOINFO_TCP_FLAGS_REPLY, "\x0a\x0f");
    });
  });
  builder.Nest(CTA_HELP, [&] {
    builder.Raw(CTA_HELP_NAME, std::string_view("ftp\0", 4)).Raw(CTA_HELP_INFO, "data");
  });
  builder.Nest(CTA_SECCTX,
               [&] { builder.Raw(CTA_SECCTX_NAME, std::string_view("system_u\0", 9)); });
  builder.Nest(CTA_TIMESTAMP, [&] {
    builder.U64(CTA_TIMESTAMP_START, 1'700'000'000'123'456'789)
        .U64(CTA_TIMESTAMP_STOP, 1'700'000'001'000'000'001);
  });
  builder.Nest(CTA_SEQ_ADJ_ORIG, [&] {
    builder.U32(CTA_SEQADJ_CORRECTION_POS, 11)
        .U32(CTA_SEQADJ_OFFSET_BEFORE, 12)
        .U32(CTA_SEQADJ_OFFSET_AFTER, 13);
  });
  builder.Nest(CTA_SEQ_ADJ_REPLY, [&] {
    builder.U32(CTA_SEQADJ_CORRECTION_POS, 14)
        .U32(CTA_SEQADJ_OFFSET_BEFORE, 15)
        .U32(CTA_SEQADJ_OFFSET_AFTER, 16);
  });
  builder.Nest(CTA_SYNPROXY, [&] {
    builder.U32(CTA_SYNPROXY_ISN, 17).U32(CTA_SYNPROXY_ITS, 18).U32(CTA_SYNPROXY_TSOFF, 19);
  });
  return builder.Done();
}

TEST(ConntrackCodecTest, EveryAttribute) {
  ExpectEvent(EveryFlowAttribute(), R"pb(
    conntrack {
      type: EVENT_TYPE_SNAPSHOT
      flow {
        family: FAMILY_IPV4
        original {
          source: "\n\000\000\001"
          destination: "\n\000\000\002"
          protocol: 6
          source_port: 1024
          destination_port: 21
          zone: 5
        }
        reply {
          source: "\n\000\000\002"
          destination: "\n\000\000\001"
          protocol: 6
          source_port: 21
          destination_port: 1024
          zone: 6
        }
        master {
          source: "\n\000\000\001"
          destination: "\n\000\000\002"
          protocol: 6
          source_port: 1
          destination_port: 2
        }
        id: 0x80000001
        status: 0x2e
        timeout_s: 431999
        mark: 0xdeadbeef
        use: 2
        zone: 9
        secmark: 7
        counters_original { packets: 1099511627776 bytes: 1125899906842624 }
        counters_reply { packets: 3 bytes: 180 }
        tcp {
          state: 3
          window_scale_original: 7
          window_scale_reply: 8
          flags_original: 0x23
          mask_original: 0xff
          flags_reply: 0x0a
          mask_reply: 0x0f
        }
        helper: "ftp"
        helper_info: "data"
        security_context: "system_u"
        labels: "\001\000\000\000\000\000\000\200\000\000\000\000\000\000\000\000"
        started { seconds: 1700000000 nanos: 123456789 }
        stopped { seconds: 1700000001 nanos: 1 }
        adjustment_original { position: 11 offset_before: 12 offset_after: 13 }
        adjustment_reply { position: 14 offset_before: 15 offset_after: 16 }
        synproxy { isn: 17 its: 18 tsoff: 19 }
      }
    })pb");
}

TEST(ConntrackCodecTest, SctpAndDccp) {
  ConntrackBuilder sctp(NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_NEW, 0, AF_INET);
  sctp.Tuple(CTA_TUPLE_ORIG, kA, kB, 132, 1, 2).Nest(CTA_PROTOINFO, [&] {
    sctp.Nest(CTA_PROTOINFO_SCTP, [&] {
      sctp.U8(CTA_PROTOINFO_SCTP_STATE, 4)
          .U32(CTA_PROTOINFO_SCTP_VTAG_ORIGINAL, 5)
          .U32(CTA_PROTOINFO_SCTP_VTAG_REPLY, 6);
    });
  });
  auto event = DecodeConntrack(sctp.Done());
  ASSERT_TRUE(event.has_value());
  EXPECT_EQ(event->conntrack().flow().sctp().state(), 4u);
  EXPECT_EQ(event->conntrack().flow().sctp().vtag_original(), 5u);
  EXPECT_EQ(event->conntrack().flow().sctp().vtag_reply(), 6u);
  EXPECT_FALSE(event->conntrack().flow().has_tcp());

  ConntrackBuilder dccp(NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_NEW, 0, AF_INET);
  dccp.Tuple(CTA_TUPLE_ORIG, kA, kB, 33, 1, 2).Nest(CTA_PROTOINFO, [&] {
    dccp.Nest(CTA_PROTOINFO_DCCP, [&] {
      dccp.U8(CTA_PROTOINFO_DCCP_STATE, 3)
          .U8(CTA_PROTOINFO_DCCP_ROLE, 1)
          .U64(CTA_PROTOINFO_DCCP_HANDSHAKE_SEQ, 1ull << 40);
    });
  });
  event = DecodeConntrack(dccp.Done());
  ASSERT_TRUE(event.has_value());
  EXPECT_EQ(event->conntrack().flow().dccp().state(), 3u);
  EXPECT_EQ(event->conntrack().flow().dccp().role(), 1u);
  EXPECT_EQ(event->conntrack().flow().dccp().handshake_sequence(), 1ull << 40);
}

Message EveryExpectationAttribute() {
  ConntrackBuilder builder(NFNL_SUBSYS_CTNETLINK_EXP, IPCTNL_MSG_EXP_NEW, NLM_F_CREATE | NLM_F_EXCL,
                           AF_INET);
  builder.Tuple(CTA_EXPECT_MASTER, kA, kB, 6, 1024, 21)
      .Tuple(CTA_EXPECT_TUPLE, kB, kA, 6, 0, 2000)
      .Tuple(CTA_EXPECT_MASK, "\xff\xff\xff\xff", "\xff\xff\xff\xff", 6, 0, 65535)
      .U32(CTA_EXPECT_TIMEOUT, 300)
      .U32(CTA_EXPECT_ID, 0x80000002)
      .U16(CTA_EXPECT_ZONE, 3)
      .U32(CTA_EXPECT_FLAGS, 1)
      .U32(CTA_EXPECT_CLASS, 2)
      .Raw(CTA_EXPECT_HELP_NAME, std::string_view("ftp\0", 4))
      .Raw(CTA_EXPECT_FN, std::string_view("nat-follow-master\0", 18));
  builder.Nest(CTA_EXPECT_NAT, [&] {
    builder.U32(CTA_EXPECT_NAT_DIR, 1).Tuple(CTA_EXPECT_NAT_TUPLE, kA, kB, 6, 1, 2);
  });
  return builder.Done();
}

TEST(ConntrackCodecTest, Expectation) {
  ExpectEvent(EveryExpectationAttribute(), R"pb(
    expectation {
      type: EVENT_TYPE_NEW
      expectation {
        family: FAMILY_IPV4
        master {
          source: "\n\000\000\001"
          destination: "\n\000\000\002"
          protocol: 6
          source_port: 1024
          destination_port: 21
        }
        expected {
          source: "\n\000\000\002"
          destination: "\n\000\000\001"
          protocol: 6
          source_port: 0
          destination_port: 2000
        }
        mask {
          source: "\377\377\377\377"
          destination: "\377\377\377\377"
          protocol: 6
          source_port: 0
          destination_port: 65535
        }
        nat {
          source: "\n\000\000\001"
          destination: "\n\000\000\002"
          protocol: 6
          source_port: 1
          destination_port: 2
        }
        timeout_s: 300
        id: 0x80000002
        zone: 3
        flags: 1
        class: 2
        helper: "ftp"
        nat_direction: 1
        function: "nat-follow-master"
      }
    })pb");
}

TEST(ConntrackCodecTest, OtherMessagesAreNoEvents) {
  const auto with = [](uint16_t subsystem, uint16_t type, uint8_t family) {
    ConntrackBuilder builder(subsystem, type, 0, family);
    builder.Tuple(CTA_TUPLE_ORIG, kA, kB, 6, 1, 2);
    return DecodeConntrack(builder.Done());
  };
  EXPECT_TRUE(with(NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_NEW, AF_INET));
  EXPECT_FALSE(with(NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_GET, AF_INET));
  EXPECT_FALSE(with(NFNL_SUBSYS_QUEUE, IPCTNL_MSG_CT_NEW, AF_INET));
  EXPECT_FALSE(with(NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_NEW, AF_BRIDGE));
  ConntrackBuilder no_tuple(NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_NEW, 0, AF_INET);
  EXPECT_FALSE(DecodeConntrack(no_tuple.U32(CTA_ID, 1).Done()));
}

// A field of the wrong size is absent; the others stay.
TEST(ConntrackCodecTest, IgnoresFieldsOfTheWrongSize) {
  ConntrackBuilder builder(NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_NEW, 0, AF_INET);
  builder.Tuple(CTA_TUPLE_ORIG, kA, kB, 6, 1, 2)
      .Tuple(CTA_TUPLE_REPLY, kA, "\x01\x02\x03\x04\x05", 6, 1, 2)
      .U16(CTA_ID, 1)
      .U64(CTA_MARK, 1)
      .U32(CTA_ZONE, 1)
      .U32(CTA_STATUS, 8);
  ExpectEvent(builder.Done(), R"pb(
    conntrack {
      type: EVENT_TYPE_UPDATE
      flow {
        family: FAMILY_IPV4
        original {
          source: "\n\000\000\001"
          destination: "\n\000\000\002"
          protocol: 6
          source_port: 1
          destination_port: 2
        }
        status: 8
      }
    })pb");
}

// Protobuf's strings must be UTF-8, or the server could not read them.
TEST(ConntrackCodecTest, TextsAreEscaped) {
  ConntrackBuilder builder(NFNL_SUBSYS_CTNETLINK, IPCTNL_MSG_CT_NEW, 0, AF_INET);
  builder.Tuple(CTA_TUPLE_ORIG, kA, kB, 6, 1, 2).Nest(CTA_HELP, [&] {
    builder.Raw(CTA_HELP_NAME, "f\xfft\n");
  });
  const auto event = DecodeConntrack(builder.Done());
  ASSERT_TRUE(event.has_value());
  EXPECT_EQ(event->conntrack().flow().helper(), "f\\xfft\\x0a");
}

std::vector<Message> Seeds() {
  return {FromHex(kUdpNew),      FromHex(kPing6New),   FromHex(kTcp6Update),
          FromHex(kTcp6Destroy), EveryFlowAttribute(), EveryExpectationAttribute()};
}

TEST(ConntrackCodecTest, EveryTruncationIsSurvived) {
  for (const Message& seed : Seeds()) {
    for (size_t size = 0; size < seed.size(); ++size) {
      Message cut(seed.begin(), seed.begin() + static_cast<ptrdiff_t>(size));
      // The header claims more bytes than there are.
      EXPECT_FALSE(DecodeConntrack(cut)) << size;
      // Now it claims the right number. Whatever the result, there is no crash.
      if (size < sizeof(nlmsghdr)) continue;
      reinterpret_cast<nlmsghdr*>(cut.data())->nlmsg_len = static_cast<uint32_t>(size);
      DecodeConntrack(cut);
    }
  }
}

TEST(ConntrackCodecTest, RandomMutationsAreSurvived) {
  std::minstd_rand random(1);
  const std::vector<Message> seeds = Seeds();
  size_t decoded = 0;
  for (int round = 0; round < 200'000; ++round) {
    Message message = seeds[random() % seeds.size()];
    for (auto changes = random() % 4 + 1; changes > 0; --changes) {
      // Prefer the length fields and types, which are at multiples of four.
      const size_t at = random() % message.size();
      if (random() % 2 == 0) {
        message[at] = static_cast<uint8_t>(random());
      } else {
        message[at & ~size_t{3}] = static_cast<uint8_t>(random() % 64);
      }
    }
    if (DecodeConntrack(message)) ++decoded;
  }
  // The decoder does not simply reject all of them.
  EXPECT_GT(decoded, 20'000u);
}

TEST(ConntrackCodecTest, GarbageIsSurvived) {
  std::minstd_rand random(2);
  for (int round = 0; round < 100'000; ++round) {
    Message message(random() % 256);
    for (uint8_t& byte : message) byte = static_cast<uint8_t>(random() % 32);
    if (message.size() >= sizeof(nlmsghdr)) {
      auto* header = reinterpret_cast<nlmsghdr*>(message.data());
      header->nlmsg_len = static_cast<uint32_t>(message.size());
      header->nlmsg_type = static_cast<uint16_t>((1 + random() % 2) << 8 | random() % 3);
      if (message.size() > sizeof(nlmsghdr)) message[sizeof(nlmsghdr)] = AF_INET;
    }
    DecodeConntrack(message);
  }
}

}  // namespace
}  // namespace sluice::agent
