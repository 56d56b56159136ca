#include "clients/cli/capture/link_layer.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace sluice::cli {
namespace {

constexpr size_t kNone = SIZE_MAX;

// https://www.tcpdump.org/linktypes.html
constexpr uint32_t kNull = 0;
constexpr uint32_t kEthernet = 1;
constexpr uint32_t kPpp = 9;
constexpr uint32_t kPppSerial = 50;
constexpr uint32_t kPppEthernet = 51;
constexpr uint32_t kRaw = 101;
constexpr uint32_t kWireless = 105;
constexpr uint32_t kLoop = 108;
constexpr uint32_t kCooked = 113;
constexpr uint32_t kPppDaemon = 166;
constexpr uint32_t kMpls = 219;
constexpr uint32_t kIpV4 = 228;
constexpr uint32_t kIpV6 = 229;
constexpr uint32_t kCooked2 = 276;

size_t Find(uint32_t link_type, const std::vector<uint8_t>& frame) {
  return FindNetworkHeader(link_type, frame).value_or(kNone);
}

std::vector<uint8_t> Frame(size_t zeros, const std::vector<uint8_t>& rest) {
  std::vector<uint8_t> frame(zeros);
  frame.insert(frame.end(), rest.begin(), rest.end());
  return frame;
}

TEST(LinkLayerTest, WhereTheHeaderIs) {
  EXPECT_EQ(Find(kEthernet, Frame(12, {8, 0, 0x45})), 14u);
  EXPECT_EQ(Find(kEthernet, Frame(12, {0x86, 0xdd, 0x60})), 14u);
  EXPECT_EQ(Find(kEthernet, Frame(12, {0x81, 0, 0, 7, 8, 0, 0x45})), 18u);
  EXPECT_EQ(Find(kEthernet, Frame(12, {0x88, 0xa8, 0, 7, 0x81, 0, 0, 8, 0x86, 0xdd, 0x60})), 22u);
  EXPECT_EQ(Find(kEthernet, Frame(12, {0x91, 0, 0, 7, 8, 0, 0x45})), 18u);
  EXPECT_EQ(Find(kCooked, Frame(14, {8, 0, 0x45})), 16u);
  EXPECT_EQ(Find(kCooked, Frame(14, {0x81, 0, 0, 7, 8, 0, 0x45})), 20u);
  std::vector<uint8_t> cooked = Frame(20, {0x60});
  cooked[0] = 0x86;
  cooked[1] = 0xdd;
  EXPECT_EQ(Find(kCooked2, cooked), 20u);
  EXPECT_EQ(Find(kNull, {2, 0, 0, 0, 0x45}), 4u);
  EXPECT_EQ(Find(kNull, {0, 0, 0, 2, 0x45}), 4u);
  EXPECT_EQ(Find(kNull, {30, 0, 0, 0, 0x60}), 4u);
  EXPECT_EQ(Find(kLoop, {0, 0, 0, 24, 0x60}), 4u);
  for (const uint32_t raw : {kRaw, kIpV4, kIpV6}) {
    EXPECT_EQ(Find(raw, {0x45}), 0u);
    EXPECT_EQ(Find(raw, {0x60}), 0u);
  }
}

// Everything that a gateway removes, in any order.
TEST(LinkLayerTest, SessionsLabelsAndTags) {
  using Bytes = std::vector<uint8_t>;
  const struct {
    Bytes behind_addresses;
    size_t header;
  } frames[] = {
      // PPPoE with IPv4 and IPv6, short protocol numbers, and tagged.
      {{0x88, 0x64, 0x11, 0, 0, 9, 0, 22, 0, 0x21, 0x45}, 22},
      {{0x88, 0x64, 0x11, 0, 0, 9, 0, 42, 0, 0x57, 0x60}, 22},
      {{0x88, 0x64, 0x11, 0, 0, 9, 0, 22, 0x21, 0x45}, 21},
      {{0x81, 0, 0, 7, 0x88, 0x64, 0x11, 0, 0, 9, 0, 22, 0, 0x21, 0x45}, 26},
      // LCP of the same session, discovery.
      {{0x88, 0x64, 0x11, 0, 0, 9, 0, 22, 0xc0, 0x21, 0x45}, kNone},
      {{0x88, 0x63, 0x11, 9, 0, 9, 0, 22, 0, 0x21, 0x45}, kNone},
      {{0x88, 0x64, 0x11, 0xa7, 0, 9, 0, 22, 0, 0x21, 0x45}, kNone},
      // One label, three, behind two tags; labels that do not end; a pseudowire.
      {{0x88, 0x47, 0, 1, 1, 64, 0x45}, 18},
      {{0x88, 0x48, 0, 1, 0, 64, 0, 2, 0, 64, 0, 3, 1, 64, 0x60}, 26},
      {{0x88, 0xa8, 0, 7, 0x81, 0, 0, 8, 0x88, 0x47, 0, 1, 1, 64, 0x45}, 26},
      {{0x88, 0x47, 0, 1, 0, 64, 0x45, 0, 0, 0}, kNone},
      {{0x88, 0x47, 0, 1, 1, 64, 0, 0, 0, 0}, kNone},
      // Three tags; a length, SNAP; a length without.
      {{0x88, 0xa8, 0, 7, 0x92, 0, 0, 8, 0x81, 0, 0, 9, 8, 0, 0x45}, 26},
      {{0, 29, 0xaa, 0xaa, 3, 0, 0, 0, 8, 0, 0x45}, 22},
      {{0x81, 0, 0, 7, 0, 29, 0xaa, 0xaa, 3, 0, 0, 0, 0x86, 0xdd, 0x60}, 26},
      {{0, 29, 0x42, 0x42, 3, 0, 0, 0, 8, 0, 0x45}, kNone},
      {{0, 29, 0xaa, 0xaa, 3}, kNone},
  };
  for (const auto& f : frames) {
    EXPECT_EQ(Find(kEthernet, Frame(12, f.behind_addresses)), f.header)
        << testing::PrintToString(f.behind_addresses);
  }
  EXPECT_EQ(Find(kCooked, Frame(14, {0x88, 0x64, 0x11, 0, 0, 9, 0, 22, 0, 0x21, 0x45})), 24u);
  EXPECT_EQ(Find(kPpp, {0, 0x21, 0x45}), 2u);
  EXPECT_EQ(Find(kPpp, {0xff, 0x03, 0, 0x57, 0x60}), 4u);
  EXPECT_EQ(Find(kPppSerial, {0xff, 0x03, 0x02, 0x81, 0, 1, 1, 64, 0x45}), 8u);
  EXPECT_EQ(Find(kPppDaemon, {0, 0x03, 0, 0x21, 0x45}), 4u);
  EXPECT_EQ(Find(kPppEthernet, {0x11, 0, 0, 9, 0, 22, 0, 0x21, 0x45}), 8u);
  EXPECT_EQ(Find(kMpls, {0, 1, 1, 64, 0x45}), 4u);
}

TEST(LinkLayerTest, WhatIsNoIpPacket) {
  EXPECT_EQ(Find(kEthernet, Frame(12, {8, 6, 0x45})), kNone);  // ARP
  EXPECT_EQ(Find(kEthernet, Frame(12, {8, 0, 0x75})), kNone);  // version 7
  EXPECT_EQ(Find(kEthernet, Frame(12, {0x81, 0, 0, 7, 8, 6, 0x45})), kNone);
  EXPECT_EQ(Find(kNull, {7, 0, 0, 0, 0x45}), kNone);
  EXPECT_EQ(Find(kNull, {2, 0, 2, 0, 0x45}), kNone);
  EXPECT_EQ(Find(kRaw, {0x10}), kNone);
  EXPECT_EQ(Find(kWireless, Frame(24, {8, 0, 0x45})), kNone);
}

// Frames of each length that hold only tags, or only zeros.
TEST(LinkLayerTest, FramesThatEndTooSoon) {
  for (const uint32_t type : {kEthernet, kCooked, kCooked2, kNull, kLoop, kRaw}) {
    for (size_t size = 0; size < 64; ++size) {
      EXPECT_EQ(Find(type, std::vector<uint8_t>(size)), kNone) << type << " " << size;
      std::vector<uint8_t> tags(size);
      for (size_t i = 0; i < size; i += 2) tags[i] = 0x81;
      EXPECT_EQ(Find(type, tags), kNone) << type << " " << size;
    }
  }
  EXPECT_EQ(Find(kEthernet, Frame(12, {8, 0})), kNone);
  EXPECT_EQ(Find(kEthernet, Frame(12, {0x81, 0, 0, 7, 8})), kNone);
}

TEST(LinkLayerTest, ThoseThatAreKnown) {
  EXPECT_TRUE(KnowsLinkType(kEthernet));
  EXPECT_TRUE(KnowsLinkType(kCooked2));
  EXPECT_FALSE(KnowsLinkType(kWireless));
  EXPECT_FALSE(KnowsLinkType(UINT32_MAX));
}

}  // namespace
}  // namespace sluice::cli
