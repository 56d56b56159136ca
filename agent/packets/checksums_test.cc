#include "agent/packets/checksums.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"

namespace sluice::agent {
namespace {

using Bytes = std::vector<uint8_t>;

// Packets Linux sent from a TUN device, which has no checksum offload.
struct Sample {
  const char* name;
  v1::Family family;
  const char* hex;
  std::vector<size_t> checksums;  // offsets
};

const Sample kUdp4{"UDP over IPv4, odd length",
                   v1::FAMILY_IPV4,
                   "4500001f532f400040116396c0000201c0000207"
                   "13880035000b94ad6f6464",
                   {10, 26}};
const Sample kUdp4Options{"UDP behind IPv4's router alert",
                          v1::FAMILY_IPV4,
                          "46000025533040004011ce8ac0000201c000020794040000"
                          "13890035000d2d2e616c657274",
                          {10, 30}};
const Sample kTcp4{"TCP over IPv4",
                   v1::FAMILY_IPV4,
                   "4500003c2fb1400040068702c0000201c0000207838c00504de50b6f00000000a002ff00b8d0"
                   "0000020405500402080ab0ec7e69000000000103030a",
                   {10, 36}};
const Sample kIcmp4{"ICMP, odd length",
                    v1::FAMILY_IPV4,
                    "4500002177c1400040013f12c0000201c0000207"
                    "0800cc1e2c0f000170696e6721",
                    {10, 22}};
const Sample kUdp6{"UDP over IPv6",
                   v1::FAMILY_IPV6,
                   "6000569d000c114020010db8000000000000000000000001"
                   "20010db8000000000000000000000007"
                   "13880035000cc5ba6576656e",
                   {46}};
const Sample kUdp6Extensions{"UDP behind hop-by-hop and destination options",
                             v1::FAMILY_IPV6,
                             "6000569d001d004020010db8000000000000000000000001"
                             "20010db8000000000000000000000007"
                             "3c000104000000001100010400000000"
                             "13880035000d4ccb68656c6c6f",
                             {62}};
const Sample kTcp6{
    "TCP over IPv6",
    v1::FAMILY_IPV6,
    "6001e39b0028064020010db800000000000000000000000120010db8000000000000000000000007"
    "c3b200506ae5761800000000a002fb407c3700000204053c0402080ab80c1876000000000103030a",
    {56}};
const Sample kIcmp6{
    "ICMPv6, odd length",
    v1::FAMILY_IPV6,
    "600c11c1000d3a4020010db800000000000000000000000120010db8000000000000000000000007"
    "8000f85b2c10000170696e6721",
    {42}};

const std::vector<Sample>& Samples() {
  static const auto& samples = *new std::vector<Sample>{kUdp4, kUdp4Options,    kTcp4, kIcmp4,
                                                        kUdp6, kUdp6Extensions, kTcp6, kIcmp6};
  return samples;
}

Bytes FromHex(const char* hex) {
  const std::string bytes = absl::HexStringToBytes(hex);
  return {bytes.begin(), bytes.end()};
}

Bytes Packet(const Sample& sample) { return FromHex(sample.hex); }

// Repairs a copy of exactly this size: AddressSanitizer sees an access beyond it.
bool Repair(v1::Family family, Bytes& packet) {
  const auto exact = std::make_unique<uint8_t[]>(packet.size());
  std::copy(packet.begin(), packet.end(), exact.get());
  const bool repaired = RepairChecksums(family, {exact.get(), packet.size()});
  const Bytes before = std::exchange(packet, Bytes(exact.get(), exact.get() + packet.size()));
  if (!repaired) {
    EXPECT_EQ(packet, before) << "changed though not repaired";
  }
  return repaired;
}

TEST(RepairChecksums, RestoresWhatLinuxSent) {
  for (const Sample& sample : Samples()) {
    SCOPED_TRACE(sample.name);
    const Bytes sent = Packet(sample);
    for (const uint8_t wrong : {0x00, 0x5a, 0xff}) {
      Bytes packet = sent;
      for (const size_t offset : sample.checksums) packet[offset] = packet[offset + 1] = wrong;
      EXPECT_TRUE(Repair(sample.family, packet));
      EXPECT_EQ(packet, sent);
    }
  }
}

TEST(RepairChecksums, LeavesOtherBytesAlone) {
  for (const Sample& sample : Samples()) {
    SCOPED_TRACE(sample.name);
    const Bytes sent = Packet(sample);
    Bytes packet = sent;
    packet.back() ^= 0x10;
    Bytes repaired = packet;
    ASSERT_TRUE(Repair(sample.family, repaired));
    const size_t transport = sample.checksums.back();
    EXPECT_NE(repaired[transport] << 8 | repaired[transport + 1],
              sent[transport] << 8 | sent[transport + 1]);
    repaired[transport] = packet[transport];
    repaired[transport + 1] = packet[transport + 1];
    EXPECT_EQ(repaired, packet);
  }
}

TEST(RepairChecksums, WritesNoZeroForUdp) {
  for (const Sample& sample : {kUdp4, kUdp6}) {
    SCOPED_TRACE(sample.name);
    Bytes packet = Packet(sample);
    const size_t field = sample.checksums.back();
    // The source port takes over what the checksum added to the sum, so that the new checksum is
    // zero.
    const uint32_t sum =
        (packet[field] << 8 | packet[field + 1]) + (packet[field - 6] << 8 | packet[field - 5]);
    const uint32_t port = (sum & 0xffff) + (sum >> 16);
    packet[field - 6] = static_cast<uint8_t>(port >> 8);
    packet[field - 5] = static_cast<uint8_t>(port);
    ASSERT_TRUE(Repair(sample.family, packet));
    EXPECT_EQ(packet[field], 0xff);
    EXPECT_EQ(packet[field + 1], 0xff);
  }
}

// A UDP packet whose checksum Linux computed, sent on its way by a routing header.
Bytes Routed(uint8_t type, uint8_t segments_left) {
  Bytes packet = Packet(kUdp6);
  Bytes routing{17, 4, type, segments_left, 1, 0, 0, 0};
  routing.insert(routing.end(), packet.begin() + 24, packet.begin() + 40);
  const Bytes next_hop = FromHex("20010db8000000000000000000000009");
  routing.insert(routing.end(), next_hop.begin(), next_hop.end());
  if (segments_left != 0) std::copy(next_hop.begin(), next_hop.end(), packet.begin() + 24);
  packet.insert(packet.begin() + 40, routing.begin(), routing.end());
  packet[5] = static_cast<uint8_t>(packet.size() - 40);
  packet[6] = 43;
  return packet;
}

TEST(RepairChecksums, CoversTheFinalDestination) {
  for (const uint8_t segments_left : {0, 1}) {
    const Bytes sent = Routed(4, segments_left);
    Bytes packet = sent;
    packet[86] ^= 0xff;
    EXPECT_TRUE(Repair(v1::FAMILY_IPV6, packet));
    EXPECT_EQ(packet, sent);
  }
  Bytes arrived = Routed(3, 0);
  EXPECT_TRUE(Repair(v1::FAMILY_IPV6, arrived));
  Bytes compressed = Routed(3, 1);
  EXPECT_FALSE(Repair(v1::FAMILY_IPV6, compressed)) << "its last address cannot be told";
}

// The UDP packet with IPv4 options, on its way to `hop` with its own destination as the last stop.
Bytes SourceRouted(uint8_t option, uint8_t pointer) {
  Bytes packet = Packet(kUdp4);
  const Bytes hop = FromHex("c0000209");
  Bytes options{1, option, 11, pointer};
  options.insert(options.end(), hop.begin(), hop.end());
  options.insert(options.end(), packet.begin() + 16, packet.begin() + 20);
  if (pointer <= 11) std::copy(hop.begin(), hop.end(), packet.begin() + 16);
  packet.insert(packet.begin() + 20, options.begin(), options.end());
  packet[0] = 0x48;
  packet[3] = static_cast<uint8_t>(packet.size());
  return packet;
}

TEST(RepairChecksums, CoversTheLastStopOfASourceRoute) {
  for (const uint8_t option : {131, 137}) {
    for (const uint8_t pointer : {4, 8, 12}) {  // 12: no stops are left
      SCOPED_TRACE(testing::Message() << int{option} << ", pointer " << int{pointer});
      const Bytes sent = SourceRouted(option, pointer);
      Bytes packet = sent;
      packet[38] ^= 0xff;
      EXPECT_TRUE(Repair(v1::FAMILY_IPV4, packet));
      EXPECT_TRUE(std::equal(packet.begin() + 20, packet.end(), sent.begin() + 20))
          << "UDP's checksum is that of the packet without the route";
    }
  }
  for (const uint8_t pointer : {0, 3, 5}) {
    Bytes packet = SourceRouted(131, pointer);
    EXPECT_FALSE(Repair(v1::FAMILY_IPV4, packet)) << int{pointer};
  }
  Bytes packet = SourceRouted(131, 4);
  packet[22] = 200;
  EXPECT_FALSE(Repair(v1::FAMILY_IPV4, packet)) << "the option ends behind the header";
}

TEST(RepairChecksums, CoversAHomeAddress) {
  const Bytes plain = Packet(kUdp6);
  Bytes sent = plain;
  Bytes options{17, 2, 1, 2, 0, 0, 201, 16};
  options.insert(options.end(), plain.begin() + 8, plain.begin() + 24);
  sent.insert(sent.begin() + 40, options.begin(), options.end());
  sent[23] = 99;  // the care-of address
  sent[5] = static_cast<uint8_t>(sent.size() - 40);
  sent[6] = 60;
  Bytes packet = sent;
  packet[70] ^= 0xff;
  EXPECT_TRUE(Repair(v1::FAMILY_IPV6, packet));
  EXPECT_EQ(packet, sent);
}

TEST(RepairChecksums, LeavesFragmentsTransportAlone) {
  for (const uint16_t fragment : {0x2000, 0x2002, 0x0002}) {
    SCOPED_TRACE(fragment);
    Bytes packet = Packet(kUdp4);
    packet[6] = static_cast<uint8_t>(fragment >> 8);
    packet[7] = static_cast<uint8_t>(fragment);
    // Don't Fragment (0x4000) went away: the header's checksum grows by as much as its sum shrinks.
    const uint32_t expected = (packet[10] << 8 | packet[11]) + 0x4000 - fragment;
    packet[26] = 0x12;
    Bytes repaired = packet;
    EXPECT_TRUE(Repair(v1::FAMILY_IPV4, repaired));
    EXPECT_EQ(static_cast<uint32_t>(repaired[10] << 8 | repaired[11]), expected);
    repaired[10] = packet[10];
    repaired[11] = packet[11];
    EXPECT_EQ(repaired, packet);
  }
  for (const uint8_t low_byte : {0x01, 0x09, 0x08}) {
    SCOPED_TRACE(low_byte);
    Bytes packet = Packet(kUdp6Extensions);
    packet[48] = 17;  // the second extension header becomes a fragment header
    packet[40] = 44;
    packet[50] = 0;
    packet[51] = low_byte;
    Bytes repaired = packet;
    EXPECT_TRUE(Repair(v1::FAMILY_IPV6, repaired));
    EXPECT_EQ(repaired, packet);
  }
}

TEST(RepairChecksums, TakesTheOnlyFragmentForWhatItIs) {
  const Bytes sent = [] {
    Bytes packet = Packet(kUdp6Extensions);
    packet[40] = 44;
    packet[50] = packet[51] = 0;
    return packet;
  }();
  Bytes packet = sent;
  packet[62] ^= 1;
  EXPECT_TRUE(Repair(v1::FAMILY_IPV6, packet));
  EXPECT_EQ(packet, sent);
}

TEST(RepairChecksums, LeavesOtherTransportsAlone) {
  Bytes packet = Packet(kUdp4);
  packet[9] = 50;  // ESP
  packet[10] = packet[11] = 0;
  Bytes repaired = packet;
  EXPECT_TRUE(Repair(v1::FAMILY_IPV4, repaired));
  EXPECT_NE(repaired[10] << 8 | repaired[11], 0);
  repaired[10] = repaired[11] = 0;
  EXPECT_EQ(repaired, packet);

  // No host receives ICMP (not ICMPv6) over IPv6.
  Bytes six = Packet(kIcmp6);
  six[6] = 1;
  const Bytes before = six;
  EXPECT_TRUE(Repair(v1::FAMILY_IPV6, six));
  EXPECT_EQ(six, before);
}

TEST(RepairChecksums, RefusesWhatIsNotAsLongAsItSays) {
  for (const Sample& sample : Samples()) {
    SCOPED_TRACE(sample.name);
    const Bytes sent = Packet(sample);
    for (size_t size = 0; size < sent.size(); ++size) {
      Bytes cut(sent.begin(), sent.begin() + static_cast<ptrdiff_t>(size));
      EXPECT_FALSE(Repair(sample.family, cut)) << size;
    }
    Bytes padded = sent;
    padded.push_back(0);
    EXPECT_FALSE(Repair(sample.family, padded));
    Bytes other = sent;
    EXPECT_FALSE(
        Repair(sample.family == v1::FAMILY_IPV4 ? v1::FAMILY_IPV6 : v1::FAMILY_IPV4, other));
    EXPECT_FALSE(Repair(v1::FAMILY_UNSPECIFIED, other));
  }
  for (const uint16_t length : {0, 7, 12, 0xffff}) {
    SCOPED_TRACE(length);
    Bytes packet = Packet(kUdp4);  // 11 bytes of UDP
    packet[24] = static_cast<uint8_t>(length >> 8);
    packet[25] = static_cast<uint8_t>(length);
    EXPECT_FALSE(Repair(v1::FAMILY_IPV4, packet));
  }
}

TEST(RepairChecksums, CoversWhatUdpSaysIsItsOwn) {
  Bytes packet = Packet(kUdp4);
  packet[25] = 10;  // the last byte is behind the datagram
  ASSERT_TRUE(Repair(v1::FAMILY_IPV4, packet));
  const Bytes repaired = packet;
  packet.back() ^= 0xff;
  ASSERT_TRUE(Repair(v1::FAMILY_IPV4, packet));
  packet.back() ^= 0xff;
  EXPECT_EQ(packet, repaired);
}

TEST(RepairChecksums, TakesAnyBytes) {
  std::minstd_rand random(42);
  int repaired = 0;
  for (int i = 0; i < 100'000; ++i) {
    const Sample& sample = Samples()[random() % Samples().size()];
    Bytes packet = Packet(sample);
    for (int changes = static_cast<int>(random() % 4); changes > 0; --changes) {
      packet[random() % packet.size()] = static_cast<uint8_t>(random());
    }
    if (random() % 4 == 0) packet.resize(random() % (packet.size() + 8));
    if (!Repair(sample.family, packet)) continue;
    ++repaired;
    const Bytes once = packet;
    ASSERT_TRUE(Repair(sample.family, packet));
    ASSERT_EQ(packet, once) << "repairing twice is repairing once";
  }
  EXPECT_GT(repaired, 10'000);
}

}  // namespace
}  // namespace sluice::agent
