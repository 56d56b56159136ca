#include "clients/cli/capture/reassembler.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "clients/cli/capture/test_packets.h"

namespace sluice::cli {
namespace {

constexpr size_t kMore =
    0x2000;  // A flag in the IPv4 header's field; the rest counts units of 8 bytes.

std::string Data(char first, size_t size) {
  std::string data;
  for (size_t i = 0; i < size; ++i) data += static_cast<char>(first + static_cast<char>(i / 8));
  return data;
}

// An IPv6 fragment after hop-by-hop options; `field` as in its header.
std::string Fragment6(size_t field, const std::string& data) {
  const std::string options = "\x2c" + std::string(7, '\0');
  return Ip6(1, 2, 0, options + "\x11" + '\0' + Big16(field) + std::string("\0\0\0\x05", 4) + data);
}

TEST(ReassemblerTest, WhatIsNoFragmentPasses) {
  Reassembler reassembler;
  for (const std::string& bytes :
       {Ip4(1, 2, 17, UdpDatagram(1, 2)), Ip4(1, 2, 17, "", 0x4000), Ip6(1, 2, 17, "abc"),
        Ip6(1, 2, 17, "abc").substr(0, 30), std::string("x"), std::string()}) {
    CapturedPacket packet = At(1, bytes);
    EXPECT_TRUE(reassembler.Add(&packet));
    EXPECT_EQ(packet.bytes, bytes);
    EXPECT_EQ(packet.length, bytes.size());
  }
  EXPECT_EQ(reassembler.incomplete(), 0u);
}

TEST(ReassemblerTest, TheLastToComeIsTheDatagramInAnyOrder) {
  const std::string data = UdpDatagram(1, 2, Data('a', 32));
  const std::vector<std::string> fragments = {Ip4(1, 2, 17, data.substr(0, 16), kMore),
                                              Ip4(1, 2, 17, data.substr(16, 16), kMore | 2),
                                              Ip4(1, 2, 17, data.substr(32), 4)};
  for (const std::vector<size_t>& order :
       {std::vector<size_t>{0, 1, 2}, {2, 1, 0}, {1, 0, 2}, {0, 0, 2, 2, 1}}) {
    Reassembler reassembler;
    CapturedPacket packet;
    for (size_t i = 0; i < order.size(); ++i) {
      packet = At(static_cast<int64_t>(i), fragments[order[i]]);
      ASSERT_EQ(reassembler.Add(&packet), i + 1 == order.size());
      EXPECT_EQ(reassembler.incomplete(), i + 1 == order.size() ? 0u : 1u);
    }
    EXPECT_EQ(packet.time.seconds(), static_cast<int64_t>(order.size() - 1));
    EXPECT_EQ(packet.length, 60u);
    // As if it had never been fragmented, with a correct checksum.
    std::string whole = Ip4(1, 2, 17, data);
    whole.replace(10, 2, "\x66\xa8");
    EXPECT_EQ(packet.bytes, whole);
  }
}

TEST(ReassemblerTest, IpV6LosesItsFragmentHeader) {
  const std::string data = UdpDatagram(1, 2, Data('a', 20));
  Reassembler reassembler;
  CapturedPacket packet = At(1, Fragment6(16, data.substr(16)));
  EXPECT_FALSE(reassembler.Add(&packet));
  packet = At(1, Fragment6(1, data.substr(0, 16)));
  ASSERT_TRUE(reassembler.Add(&packet));
  EXPECT_EQ(packet.bytes, Ip6(1, 2, 0, "\x11" + std::string(7, '\0') + data));
  EXPECT_EQ(packet.length, packet.bytes.size());
  // An atomic fragment.
  packet = At(1, Fragment6(0, data));
  ASSERT_TRUE(reassembler.Add(&packet));
  EXPECT_EQ(packet.bytes, Ip6(1, 2, 0, "\x11" + std::string(7, '\0') + data));
  EXPECT_EQ(reassembler.incomplete(), 0u);
}

TEST(ReassemblerTest, WhatWasNotCapturedIsNotKnownOfTheWhole) {
  Reassembler reassembler;
  CapturedPacket packet = At(1, Ip4(1, 2, 17, Data('a', 64), kMore).substr(0, 40));
  packet.length = 84;
  EXPECT_FALSE(reassembler.Add(&packet));
  packet = At(1, Ip4(1, 2, 17, Data('x', 16), 8));
  ASSERT_TRUE(reassembler.Add(&packet));
  EXPECT_EQ(packet.length, 100u);
  EXPECT_EQ(packet.bytes.substr(20), Data('a', 20));
}

TEST(ReassemblerTest, PaddingIsNoData) {
  Reassembler reassembler;
  CapturedPacket packet = At(1, Ip4(1, 2, 17, Data('a', 8), kMore) + "padding");
  EXPECT_FALSE(reassembler.Add(&packet));
  packet = At(1, Ip4(1, 2, 17, "last", 1) + "padding");
  ASSERT_TRUE(reassembler.Add(&packet));
  EXPECT_EQ(packet.bytes.substr(20), Data('a', 8) + "last");
}

TEST(ReassemblerTest, WhatLinuxDropsIsDropped) {
  const std::string first = Ip4(1, 2, 17, Data('a', 16), kMore);
  for (const std::string& bad : {
           Ip4(1, 2, 17, Data('a', 16), kMore | 1),  // Overlaps (teardrop).
           Ip4(1, 2, 17, "", 2),                     // Holds nothing.
           Ip4(1, 2, 17, Data('a', 40), 8191),       // Ends beyond 65,535 (ping of death).
       }) {
    Reassembler reassembler;
    CapturedPacket packet = At(1, first);
    EXPECT_FALSE(reassembler.Add(&packet));
    packet = At(1, bad);
    EXPECT_FALSE(reassembler.Add(&packet));
    packet = At(1, Ip4(1, 2, 17, Data('c', 8), 2));  // Would have completed it.
    EXPECT_FALSE(reassembler.Add(&packet));
    EXPECT_EQ(reassembler.incomplete(), 2u);
  }
}

TEST(ReassemblerTest, DatagramsAreToldApart) {
  Reassembler reassembler;
  CapturedPacket packet = At(1, Ip4(1, 2, 17, Data('a', 8), kMore, 1));
  EXPECT_FALSE(reassembler.Add(&packet));
  for (const std::string& other : {Ip4(1, 2, 17, "b", 1, 2), Ip4(1, 3, 17, "b", 1, 1),
                                   Ip4(3, 2, 17, "b", 1, 1), Ip4(1, 2, 6, "b", 1, 1)}) {
    packet = At(1, other);
    EXPECT_FALSE(reassembler.Add(&packet));
  }
  packet = At(32, Ip4(1, 2, 17, "b", 1, 1));  // Too late.
  EXPECT_FALSE(reassembler.Add(&packet));
  EXPECT_EQ(reassembler.incomplete(), 6u);
}

TEST(ReassemblerTest, HoldsSoMuch) {
  Reassembler reassembler;
  constexpr int kDatagrams = 10'000;
  CapturedPacket packet;
  for (int i = 0; i < kDatagrams; ++i) {
    packet = At(1, Ip4(1, 2, 17, Data('a', 1400), kMore, i));
    EXPECT_FALSE(reassembler.Add(&packet));
  }
  EXPECT_EQ(reassembler.incomplete(), 10'000u);
  packet = At(1, Ip4(1, 2, 17, "b", 175, 0));  // The oldest had to go.
  EXPECT_FALSE(reassembler.Add(&packet));
  packet = At(1, Ip4(1, 2, 17, "b", 175, kDatagrams - 1));
  EXPECT_TRUE(reassembler.Add(&packet));
}

}  // namespace
}  // namespace sluice::cli
