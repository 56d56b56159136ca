#include "proto/headers/packet_headers.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace sluice {
namespace {

using Bytes = std::vector<uint8_t>;

Bytes operator+(Bytes left, const Bytes& right) {
  left.insert(left.end(), right.begin(), right.end());
  return left;
}

Bytes IpV4(uint8_t protocol, size_t payload, uint16_t fragment = 0) {
  const auto total = static_cast<uint16_t>(20 + payload);
  return {0x45,
          0x10,
          static_cast<uint8_t>(total >> 8),
          static_cast<uint8_t>(total),
          0,
          1,
          static_cast<uint8_t>(fragment >> 8),
          static_cast<uint8_t>(fragment),
          63,
          protocol,
          0,
          0,
          192,
          0,
          2,
          1,
          198,
          51,
          100,
          7};
}

Bytes IpV6(uint8_t next, size_t payload) {
  Bytes bytes{0x61, 0x20, 0, 0, static_cast<uint8_t>(payload >> 8), static_cast<uint8_t>(payload),
              next, 64};
  for (uint8_t i = 0; i < 32; ++i) bytes.push_back(i);
  return bytes;
}

Bytes Tcp() {
  return {0x30, 0x39, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, 0x02, 0xff, 0xff, 0, 0, 0, 0};
}
Bytes Udp() { return {0, 53, 0x30, 0x39, 0, 8, 0, 0}; }
Bytes Echo() { return {8, 0, 0, 0, 0x12, 0x34, 0, 1}; }

struct Result {
  Parsed parsed;
  PacketHeaders headers;
};

Result Parse(v1::Family family, const Bytes& bytes, size_t original = 0) {
  // A copy of exactly this size, so that AddressSanitizer sees a read beyond it.
  const auto exact = std::make_unique<uint8_t[]>(bytes.size());
  std::copy(bytes.begin(), bytes.end(), exact.get());
  Result result;
  result.parsed = ParseHeaders(family, {exact.get(), bytes.size()},
                               original == 0 ? bytes.size() : original, result.headers);
  return result;
}

TEST(ParseHeaders, ReadsTcpOverIpV4) {
  const auto [parsed, headers] = Parse(v1::FAMILY_IPV4, IpV4(6, 20) + Tcp());
  ASSERT_EQ(parsed, Parsed::kPacket);
  v1::Headers message;
  FillHeaders(headers, message);
  EXPECT_EQ(message.source(), std::string("\xc0\x00\x02\x01", 4));
  EXPECT_EQ(message.destination(), std::string("\xc6\x33\x64\x07", 4));
  EXPECT_EQ(message.protocol(), 6u);
  EXPECT_EQ(message.source_port(), 12345u);
  EXPECT_EQ(message.destination_port(), 80u);
  EXPECT_EQ(message.tcp_flags(), 2u);
  EXPECT_EQ(message.hop_limit(), 63u);
  EXPECT_EQ(message.traffic_class(), 0x10u);
  EXPECT_FALSE(message.has_icmp_type());
  EXPECT_FALSE(message.cut_short());
}

TEST(ParseHeaders, ReadsUdpOverIpV6) {
  const auto [parsed, headers] = Parse(v1::FAMILY_IPV6, IpV6(17, 8) + Udp());
  ASSERT_EQ(parsed, Parsed::kPacket);
  v1::Headers message;
  FillHeaders(headers, message);
  EXPECT_EQ(message.source().size(), 16u);
  EXPECT_EQ(message.source()[15], 15);
  EXPECT_EQ(message.destination()[0], 16);
  EXPECT_EQ(message.source_port(), 53u);
  EXPECT_EQ(message.destination_port(), 12345u);
  EXPECT_EQ(message.traffic_class(), 0x12u);
  EXPECT_FALSE(message.has_tcp_flags());
}

TEST(ParseHeaders, ReadsEcho) {
  const auto [parsed, headers] = Parse(v1::FAMILY_IPV4, IpV4(1, 8) + Echo());
  ASSERT_EQ(parsed, Parsed::kPacket);
  EXPECT_TRUE(headers.has_icmp);
  EXPECT_EQ(headers.icmp_type, 8);
  EXPECT_EQ(headers.icmp_id, 0x1234);
  EXPECT_FALSE(headers.has_ports);
}

TEST(ParseHeaders, SaysThatAnEchosIdWasCutOff) {
  Bytes echo = Echo();
  echo[0] = 128;
  const Bytes packet = IpV6(58, 8) + echo;
  const auto [parsed, headers] =
      Parse(v1::FAMILY_IPV6, Bytes(packet.begin(), packet.begin() + 45), packet.size());
  ASSERT_EQ(parsed, Parsed::kPacket);
  EXPECT_EQ(headers.icmp_type, 128);
  EXPECT_FALSE(headers.has_icmp_id);
  EXPECT_TRUE(headers.cut_short);
}

TEST(ParseHeaders, SkipsExtensionHeaders) {
  const Bytes hop_by_hop{43, 0, 0, 0, 0, 0, 0, 0};
  const Bytes routing{51, 0, 0, 0, 0, 0, 0, 0};
  const Bytes authentication{60, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};  // (1 + 2) * 4 bytes
  const Bytes options{6, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
  const Bytes chain = hop_by_hop + routing + authentication + options + Tcp();
  const auto [parsed, headers] = Parse(v1::FAMILY_IPV6, IpV6(0, chain.size()) + chain);
  ASSERT_EQ(parsed, Parsed::kPacket);
  EXPECT_EQ(headers.protocol, 6);
  EXPECT_EQ(headers.destination_port, 80);
}

TEST(ParseHeaders, TakesForProtocolsWhatLinuxDoes) {
  for (const uint8_t next : {50, 59, 135, 139, 140, 253, 254}) {
    const Bytes chain = Bytes{17, 0, 0, 0, 0, 0, 0, 0} + Udp();
    const auto [parsed, headers] = Parse(v1::FAMILY_IPV6, IpV6(next, chain.size()) + chain);
    ASSERT_EQ(parsed, Parsed::kPacket);
    EXPECT_TRUE(headers.has_protocol);
    EXPECT_EQ(headers.protocol, next);
    EXPECT_FALSE(headers.has_ports);
  }
  // Hop-by-hop options that do not come first are not an extension header.
  const Bytes late = Bytes{0, 0, 0, 0, 0, 0, 0, 0} + Bytes{17, 0, 0, 0, 0, 0, 0, 0} + Udp();
  EXPECT_EQ(Parse(v1::FAMILY_IPV6, IpV6(60, late.size()) + late).headers.protocol, 0);
  EXPECT_FALSE(Parse(v1::FAMILY_IPV6, IpV6(60, late.size()) + late).headers.has_ports);
}

TEST(ParseHeaders, ShowsNothingThatWasCutOff) {
  const Bytes options = Bytes{60, 0, 0, 0, 0, 0, 0, 0} + Bytes{6, 1, 0, 0, 0, 0, 0, 0};
  const Bytes six = IpV6(0, 44) + options + Bytes(8) + Tcp();
  const Bytes four = IpV4(6, 20) + Tcp();
  for (const Bytes& packet : {four, six}) {
    const bool ipv4 = packet.size() == four.size();
    const v1::Family family = ipv4 ? v1::FAMILY_IPV4 : v1::FAMILY_IPV6;
    for (size_t copied = 0; copied < packet.size(); ++copied) {
      SCOPED_TRACE(copied);
      const Bytes cut(packet.begin(), packet.begin() + static_cast<ptrdiff_t>(copied));
      const auto [parsed, headers] = Parse(family, cut, packet.size());
      ASSERT_EQ(parsed, Parsed::kPacket);
      v1::Headers message;
      FillHeaders(headers, message);
      const bool has_ip = copied >= (ipv4 ? 20u : 40u);
      EXPECT_EQ(message.source().empty(), !has_ip);
      EXPECT_EQ(message.destination().empty(), !has_ip);
      EXPECT_EQ(message.has_hop_limit(), has_ip);
      EXPECT_EQ(message.has_traffic_class(), has_ip);
      const bool has_chain = copied >= (ipv4 ? 20u : 56u);
      EXPECT_EQ(message.has_protocol(), has_chain);
      EXPECT_EQ(message.has_fragment_offset(), has_chain);
      EXPECT_EQ(message.has_more_fragments(), has_chain);
      EXPECT_FALSE(message.has_destination_port());
      EXPECT_FALSE(message.has_tcp_flags());
      EXPECT_TRUE(message.cut_short());
    }
  }
}

TEST(ParseHeaders, DoesNotTakeTheFirstOfTwoFragmentHeadersForTheLast) {
  const Bytes first{44, 0, 0, 0, 0, 0, 0, 1};
  const Bytes second{17, 0, 0x05, 0xc8, 0, 0, 0, 1};
  const Bytes packet = IpV6(44, 24) + first + second + Udp();
  const Bytes cut(packet.begin(), packet.begin() + 50);
  EXPECT_TRUE(Parse(v1::FAMILY_IPV6, cut, packet.size()).headers.cut_short);
  EXPECT_FALSE(Parse(v1::FAMILY_IPV6, cut, packet.size()).headers.has_fragment);
  const Result whole = Parse(v1::FAMILY_IPV6, packet);
  EXPECT_TRUE(whole.headers.has_fragment);
  EXPECT_EQ(whole.headers.fragment_offset, 1480);
}

TEST(ParseHeaders, DoesNotSayWhatALaterFragmentsTransportIs) {
  const Bytes fragment{60, 0, 0x05, 0xc8, 0, 0, 0, 1};
  const auto [parsed, headers] = Parse(v1::FAMILY_IPV6, IpV6(44, 16) + fragment + Bytes(8));
  ASSERT_EQ(parsed, Parsed::kPacket);
  EXPECT_EQ(headers.fragment_offset, 1480);
  EXPECT_FALSE(headers.has_protocol);
}

TEST(ParseHeaders, KnowsFragments) {
  auto [parsed, headers] = Parse(v1::FAMILY_IPV4, IpV4(17, 8, 0x2000) + Udp());
  ASSERT_EQ(parsed, Parsed::kPacket);
  EXPECT_TRUE(headers.more_fragments);
  EXPECT_TRUE(headers.has_ports) << "the first fragment has the transport header";

  std::tie(parsed, headers) = [] {
    const Result result = Parse(v1::FAMILY_IPV4, IpV4(17, 8, 185) + Udp());
    return std::make_tuple(result.parsed, result.headers);
  }();
  ASSERT_EQ(parsed, Parsed::kPacket);
  EXPECT_EQ(headers.fragment_offset, 1480);
  EXPECT_FALSE(headers.has_ports) << "what looks like ports is data";

  const Bytes fragment{17, 0, 0x05, 0xc8, 0, 0, 0, 1};
  const Result six = Parse(v1::FAMILY_IPV6, IpV6(44, 16) + fragment + Udp());
  ASSERT_EQ(six.parsed, Parsed::kPacket);
  EXPECT_EQ(six.headers.fragment_offset, 1480);
  EXPECT_EQ(six.headers.protocol, 17);
  EXPECT_FALSE(six.headers.has_ports);
}

TEST(ParseHeaders, TellsCutShortFromMalformed) {
  const Bytes packet = IpV4(6, 20) + Tcp();
  for (size_t copied = 0; copied < packet.size(); ++copied) {
    const Bytes cut(packet.begin(), packet.begin() + static_cast<ptrdiff_t>(copied));
    const Result by_range = Parse(v1::FAMILY_IPV4, cut, packet.size());
    EXPECT_EQ(by_range.parsed, Parsed::kPacket) << copied;
    EXPECT_TRUE(by_range.headers.cut_short) << copied;
    EXPECT_FALSE(by_range.headers.has_ports) << copied;
    if (copied != 0) {
      EXPECT_EQ(Parse(v1::FAMILY_IPV4, cut).parsed, Parsed::kMalformed) << copied;
    }
  }
}

TEST(ParseHeaders, RefusesWhatNoSenderMeansWell) {
  Bytes wrong_version = IpV4(6, 20) + Tcp();
  wrong_version[0] = 0x65;
  Bytes short_header = IpV4(6, 20) + Tcp();
  short_header[0] = 0x44;
  Bytes long_total = IpV4(6, 20) + Tcp();
  long_total[3] = 200;
  Bytes tiny_total = IpV4(6, 20) + Tcp();
  tiny_total[3] = 19;
  Bytes tcp_offset = IpV4(6, 20) + Tcp();
  tcp_offset[32] = 0x40;
  Bytes tcp_too_long = IpV4(6, 20) + Tcp();
  tcp_too_long[32] = 0xf0;
  const Bytes tcp = Tcp();
  const Bytes tiny_fragment = IpV4(6, 8, 0x2000) + Bytes(tcp.begin(), tcp.begin() + 8);
  for (const Bytes& bytes : {wrong_version, short_header, long_total, tiny_total, tcp_offset,
                             tcp_too_long, tiny_fragment, IpV4(17, 4) + Bytes{1, 2, 3, 4}}) {
    EXPECT_EQ(Parse(v1::FAMILY_IPV4, bytes).parsed, Parsed::kMalformed);
  }
  EXPECT_EQ(Parse(v1::FAMILY_IPV6, IpV6(0, 8) + Bytes{6, 5, 0, 0, 0, 0, 0, 0}).parsed,
            Parsed::kMalformed)
      << "the extension header ends behind the packet";
  EXPECT_EQ(Parse(v1::FAMILY_IPV6, IpV6(17, 100) + Udp()).parsed, Parsed::kMalformed);
  EXPECT_EQ(Parse(v1::FAMILY_UNSPECIFIED, IpV4(6, 20) + Tcp()).parsed, Parsed::kMalformed);
  EXPECT_EQ(Parse(v1::FAMILY_IPV4, {}).parsed, Parsed::kMalformed);
}

TEST(ParseHeaders, IgnoresPaddingBehindTheDatagram) {
  // With the padding, the four bytes would look like a whole TCP header.
  EXPECT_EQ(Parse(v1::FAMILY_IPV4, IpV4(6, 4) + Tcp()).parsed, Parsed::kMalformed);
}

TEST(ParseHeaders, TakesMergedSegmentsBeyond64KiB) {
  Bytes packet = IpV4(6, 20) + Tcp();
  packet[2] = packet[3] = 0;
  EXPECT_EQ(Parse(v1::FAMILY_IPV4, packet, 100'000).parsed, Parsed::kPacket);
  Bytes six = IpV6(6, 0) + Tcp();
  const Result result = Parse(v1::FAMILY_IPV6, six, 100'000);
  EXPECT_EQ(result.parsed, Parsed::kPacket);
  EXPECT_EQ(result.headers.destination_port, 80);
}

TEST(ParseHeaders, TakesAnyBytes) {
  std::minstd_rand random(42);
  const std::vector<Bytes> seeds{
      IpV4(6, 20) + Tcp(), IpV4(1, 8) + Echo(), IpV6(17, 8) + Udp(),
      IpV6(0, 16) + Bytes{44, 0, 0, 0, 0, 0, 0, 0} + Bytes{6, 0, 0, 0, 0, 0, 0, 0}};
  for (int i = 0; i < 200'000; ++i) {
    Bytes bytes = seeds[random() % seeds.size()];
    for (int changes = static_cast<int>(random() % 6); changes > 0; --changes) {
      bytes[random() % bytes.size()] = static_cast<uint8_t>(random());
    }
    bytes.resize(random() % (bytes.size() + 8));
    const auto family = static_cast<v1::Family>(random() % 3);
    const Result result = Parse(family, bytes, random() % 2 == 0 ? 0 : random() % 70'000);
    if (result.headers.has_ports) {
      EXPECT_EQ(result.headers.fragment_offset, 0);
      EXPECT_FALSE(result.headers.cut_short);
    }
  }
}

}  // namespace
}  // namespace sluice
