// libpcap compiles expressions, and we run them. For a packet that was copied whole, libpcap's own
// interpreter must say the same. The seeds are fixed, so that what fails once fails again.
#include "server/policy/terms/match_expression.h"

#include <gtest/gtest.h>
#include <pcap/pcap.h>

#include <memory>
#include <random>
#include <string>
#include <vector>

namespace sluice::server::policy {
namespace {

constexpr const char* kExpressions[] = {
    "ip",
    "ip6",
    "tcp",
    "not tcp",
    "udp or icmp",
    "icmp6",
    "sctp and port 80",
    "host 10.0.0.1",
    "src host 10.0.0.1 and dst host 10.0.0.2",
    "not host 10.0.0.1",
    "ip host 10.0.0.1 or ip6 host 2001:db8::1",
    "src net 10.0.0.0/30",
    "net 10",
    "net 10.0.0.0 mask 255.0.0.0",
    "ip6 net 2001:db8::/126",
    "dst ::ffff:10.0.0.1",
    "port 80",
    "tcp src port 25",
    "udp port domain",
    "port (25 or 53) and not host 10.0.0.2",
    "port smtp or domain",
    "tcp portrange 20-25",
    "portrange 0-1023 and udp",
    "ip proto 47",
    "ip proto \\udp",
    "proto gre or ip6 proto 6",
    "ip6 proto \\tcp",
    "ah or esp or pim or vrrp or igmp or carp or igrp",
    "less 64",
    "greater 64",
    "len > 40 and len <= 60",
    "len - 20 > 30",
    "length % 4 == 0",
    "ip multicast",
    "ip6 multicast",
    "ip[0] & 0xf != 5",
    "ip[6:2] & 0x1fff = 0",
    "ip[8] < 5 or ip[1] == 0xb8",
    "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0",
    "tcp[13] = 2",
    "tcp[tcpflags:1] == tcp-syn",
    "icmp[icmptype] = icmp-echo or icmp[icmptype] == icmp-echoreply",
    "icmp6 and ip6[40] == 128",
    "icmp6[icmp6type] == icmp6-echo",
    "udp[4:2] - 8 > 10",
    "udp[8:4] = 0x01020304 or tcp[20:4] = 0x47455420",
    "tcp[((tcp[12] & 0xf0) >> 2):4] = 0x01020304",
    "ip[ip[0]] = 1",
    "ip[ip[2:2] - 1] = 0",
    "tcp[ip[3] / ip[8]] = 0",
    "ip[2:2] / (ip[4:2] - ip[4:2]) == 1",
    "ip[9] % ip[8] == 1",
    "ip[4:2] ^ 0x1234 == 0 or (ip[4:2] | 1) == 1",
    "ip[1] << 4 == 16 or ip[0] >> 4 == 4",
    "-1 + ip[0] == 0x44",
    "tcp and (port 80 or port 25) and not (src net 10.0.0.0/24 and len < 50)",
    "(udp port 53 or tcp port 53) and (host 10.0.0.1 or host 10.0.0.2) or ip6 and tcp",
};

constexpr const char* kHostNameWords = "would be looked up as a host";

// libpcap's program and its interpreter.
class Oracle {
 public:
  explicit Oracle(const char* expression) {
    EXPECT_EQ(pcap_compile(raw_.get(), &program_, expression, 1, PCAP_NETMASK_UNKNOWN), 0)
        << pcap_geterr(raw_.get());
  }
  ~Oracle() { pcap_freecode(&program_); }

  BpfAnswer Run(const std::vector<uint8_t>& packet, size_t length) const {
    pcap_pkthdr header{};
    header.caplen = static_cast<bpf_u_int32>(packet.size());
    header.len = static_cast<bpf_u_int32>(length);
    return pcap_offline_filter(&program_, &header, packet.data()) != 0 ? BpfAnswer::kMatch
                                                                       : BpfAnswer::kNoMatch;
  }

 private:
  std::unique_ptr<pcap_t, decltype(&pcap_close)> raw_{pcap_open_dead(DLT_RAW, 65535), &pcap_close};
  bpf_program program_{};
};

// Packets that nearly match the expressions, and bytes that are hardly a packet.
class Packets {
 public:
  std::vector<uint8_t> Next() {
    std::vector<uint8_t> packet(Below(100));
    for (uint8_t& byte : packet) byte = Byte();
    switch (Below(8)) {
      case 0:
        break;
      case 1:
      case 2:
        IpV6(packet);
        break;
      default:
        IpV4(packet);
        break;
    }
    return packet;
  }

  uint32_t Below(uint32_t bound) { return static_cast<uint32_t>(random_() % bound); }

 private:
  uint8_t Byte() { return static_cast<uint8_t>(Below(2) == 0 ? Below(4) : random_()); }
  uint8_t Protocol() {
    static constexpr uint8_t kProtocols[] = {6, 6, 17, 17, 1, 58, 47, 132, 44, 51, 2, 103};
    return kProtocols[Below(std::size(kProtocols))];
  }
  static void Put(std::vector<uint8_t>& packet, size_t at, uint32_t byte) {
    if (at < packet.size()) packet[at] = static_cast<uint8_t>(byte);
  }
  void Ports(std::vector<uint8_t>& packet, size_t at) {
    static constexpr uint8_t kPorts[] = {25, 53, 80, 22};
    for (const size_t port : {at, at + 2}) {
      if (Below(4) == 0) continue;
      Put(packet, port, 0);
      Put(packet, port + 1, kPorts[Below(4)]);
    }
  }
  void IpV4(std::vector<uint8_t>& packet) {
    const uint32_t words = Below(4) == 0 ? Below(16) : 5;
    Put(packet, 0, 0x40 | words);
    Put(packet, 2, 0);
    Put(packet, 3, static_cast<uint32_t>(packet.size()));
    if (Below(4) != 0) Put(packet, 6, Below(2) * 0x40), Put(packet, 7, 0);
    Put(packet, 9, Protocol());
    for (const size_t address : {12, 16}) {
      if (Below(8) == 0) continue;
      for (size_t i = 0; i < 3; ++i) Put(packet, address + i, i == 0 ? 10 : 0);
      Put(packet, address + 3, Below(4));
    }
    Ports(packet, words * 4);
  }
  void IpV6(std::vector<uint8_t>& packet) {
    Put(packet, 0, 0x60);
    Put(packet, 6, Protocol());
    for (const size_t address : {8, 24}) {
      if (Below(8) == 0) continue;
      for (size_t i = 0; i < 15; ++i) Put(packet, address + i, 0);
      static constexpr uint8_t kPrefix[] = {0x20, 0x01, 0x0d, 0xb8};
      for (size_t i = 0; i < 4; ++i) Put(packet, address + i, kPrefix[i]);
      Put(packet, address + 15, Below(4));
    }
    Ports(packet, 40);
    if (Below(2) == 0) Put(packet, 40, 128);
  }

  std::mt19937 random_{7};
};

TEST(MatchExpressionTest, WholePacketsGetWhatLibpcapSays) {
  Packets packets;
  std::vector<std::vector<uint8_t>> some;
  for (int i = 0; i < 3000; ++i) some.push_back(packets.Next());
  for (const char* expression : kExpressions) {
    const absl::StatusOr<BpfProgram> program = CompileMatch(expression);
    ASSERT_TRUE(program.ok()) << expression << ": " << program.status();
    const Oracle oracle(expression);
    for (const auto& packet : some) {
      // No packet is empty; to our programs a length of zero is unknown.
      if (packet.empty()) continue;
      ASSERT_EQ(program->Run({packet, packet.size()}), oracle.Run(packet, packet.size()))
          << expression << ": " << testing::PrintToString(packet);
    }
  }
}

// For a packet cut short the answer is either that for the whole packet, or not known. It is known
// as soon as libpcap would say the same whatever the missing bytes are.
TEST(MatchExpressionTest, CutPacketsGetWhatTheWholeGetsOrNotKnown) {
  Packets packets;
  int known = 0, not_known = 0;
  for (const char* expression : kExpressions) {
    const absl::StatusOr<BpfProgram> program = CompileMatch(expression);
    ASSERT_TRUE(program.ok()) << expression;
    const Oracle oracle(expression);
    for (int i = 0; i < 1000; ++i) {
      const std::vector<uint8_t> whole = packets.Next();
      if (whole.empty()) continue;
      std::vector<uint8_t> cut = whole;
      cut.resize(packets.Below(static_cast<uint32_t>(whole.size())));
      const BpfAnswer answer = program->Run({cut, whole.size()});
      if (answer == BpfAnswer::kNotKnown) {
        ++not_known;
        // To libpcap, missing bytes mean no match.
        ASSERT_EQ(oracle.Run(cut, whole.size()), BpfAnswer::kNoMatch) << expression;
        continue;
      }
      ++known;
      ASSERT_EQ(answer, oracle.Run(whole, whole.size()))
          << expression << ": " << testing::PrintToString(whole) << " cut to " << cut.size();
    }
  }
  EXPECT_GT(known, 1000);
  EXPECT_GT(not_known, 1000);
}

TEST(MatchExpressionTest, WhatIsRefusedAndWhy) {
  const struct {
    std::string expression;
    std::string why;
  } cases[] = {
      {"", "empty"},
      {" \t", "empty"},
      {std::string("tcp\0", 4), "zero byte"},
      {"tcp and", "syntax error"},
      {"tcp port", "syntax error"},
      {"port 99999", "libpcap: "},
      {"port no-such-service", "libpcap: "},
      {"proto no-such-protocol", "libpcap: "},
      {"ip and ip6", "libpcap: expression rejects all packets"},
      {"ip broadcast", "libpcap: "},
      {"multicast", "libpcap: "},
      {"host 10.0.0.1/8", "libpcap: "},
      {"net 10.0.0.1/8", "libpcap: "},
      {"\xff\xfe", "libpcap: "},
      {"ether host 00:11:22:33:44:55", "`ether` asks for what is not in an IP packet"},
      {"ether[0] & 1 = 0", "`ether` asks"},
      {"link[0] = 4", "`link` asks"},
      {"host 00:11:22:33:44:55", "libpcap: "},
      {"vlan 7", "`vlan` asks"},
      {"vlan and tcp", "`vlan` asks"},
      {"mpls", "`mpls` asks"},
      {"arp", "`arp` asks"},
      {"inbound", "`inbound` asks"},
      {"ifindex 1", "`ifindex` asks"},
      {"on eth0", "`on` asks"},
      {"gateway 10.0.0.1", "`gateway` asks"},
      {"type mgt", "`type` asks"},
      {"ip6 protochain 6", "`protochain` would loop"},
      // Names of hosts and networks, however they are reached.
      {"host mail.example.net", kHostNameWords},
      {"mail", kHostNameWords},
      {"TCP", kHostNameWords},
      {"src mail", kHostNameWords},
      {"net campus", kHostNameWords},
      {"tcp and mail", kHostNameWords},
      {"host tcp-foo", kHostNameWords},
      {"host icmp-foo", kHostNameWords},
      {"host \\tcp", kHostNameWords},
      {"host \\10.0.0.1x", kHostNameWords},
      {"10.0.0.1x", kHostNameWords},
      {"1.2.3.4.5", kHostNameWords},
      {"host 10.0.0.1 or mail", kHostNameWords},
      {"host (10.0.0.1 or mail)", kHostNameWords},
      {"port smtp and src mail", kHostNameWords},
      {"port smtp and (host mail)", kHostNameWords},
      {"port 25 and ip[0] = 69 and mail", kHostNameWords},
      {"ip[mail:2] = 0", kHostNameWords},
      {"ip-5 > 3", kHostNameWords},
      {"src 2001:db8::1-mail", kHostNameWords},
      {"len-5 > 3", kHostNameWords},
  };
  for (const auto& c : cases) {
    const absl::StatusOr<BpfProgram> program = CompileMatch(c.expression);
    ASSERT_FALSE(program.ok()) << c.expression;
    EXPECT_EQ(program.status().code(), absl::StatusCode::kInvalidArgument);
    const std::string why(program.status().message());
    EXPECT_NE(why.find(c.why), std::string::npos) << c.expression << ": " << why;
    for (const char character : why) EXPECT_GE(character, ' ') << c.expression;
  }
}

TEST(MatchExpressionTest, TheLongestExpressionsCompileOrAreRefused) {
  std::string ports = "port 1";
  for (int i = 2; ports.size() < 1010; ++i) ports += " or " + std::to_string(i * 37);
  EXPECT_TRUE(CompileMatch(ports).ok());
  const std::string nested(1000, '(');
  EXPECT_FALSE(CompileMatch(nested).ok());
  std::string deep = std::string(500, '(') + "tcp" + std::string(500, ')');
  EXPECT_TRUE(CompileMatch(deep).ok());
  EXPECT_TRUE(CompileMatch(std::string(1000, '!') + "tcp").ok());
}

TEST(MatchExpressionTest, RandomWordsDoNoHarm) {
  static constexpr const char* kPieces[] = {
      "tcp",       "udp",   "ip",       "ip6",  "host", "port",  "net",   "10.0.0.1",
      "25",        "(",     ")",        "[",    "]",    "and",   "or",    "not",
      "!",         "&&",    "||",       "<",    ">=",   "=",     "&",     "0x1f",
      ":",         "2",     "len",      "less", "src",  "dst",   "proto", "\\tcp",
      "smtp",      "mask",  "-",        "/",    "8",    "ether", "vlan",  "2001:db8::1",
      "portrange", "20-25", "icmptype", "+",    "*",    "<<"};
  std::mt19937 random(11);
  std::vector<uint8_t> packet(80, 0x45);
  int compiled = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string expression;
    for (size_t words = 1 + random() % 8; words > 0; --words) {
      expression += kPieces[random() % std::size(kPieces)];
      if (random() % 4 != 0) expression += ' ';
    }
    const absl::StatusOr<BpfProgram> program = CompileMatch(expression);
    if (!program.ok()) continue;
    ++compiled;
    ASSERT_EQ(program->Run({packet, packet.size()}),
              Oracle(expression.c_str()).Run(packet, packet.size()))
        << expression;
  }
  EXPECT_GT(compiled, 100);
}

}  // namespace
}  // namespace sluice::server::policy
