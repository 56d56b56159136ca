#include "clients/cli/link_layer.h"

#include <gtest/gtest.h>
#include <pcap/dlt.h>

#include <string>
#include <vector>

namespace sluice::cli {
namespace {

constexpr size_t kNone = SIZE_MAX;

size_t Find(int link_type, const std::vector<uint8_t>& frame) {
  return FindNetworkHeader(link_type, frame).value_or(kNone);
}

std::vector<uint8_t> Frame(size_t zeros, const std::vector<uint8_t>& rest) {
  std::vector<uint8_t> frame(zeros);
  frame.insert(frame.end(), rest.begin(), rest.end());
  return frame;
}

TEST(LinkLayerTest, WhereTheHeaderIs) {
  EXPECT_EQ(Find(DLT_EN10MB, Frame(12, {8, 0, 0x45})), 14u);
  EXPECT_EQ(Find(DLT_EN10MB, Frame(12, {0x86, 0xdd, 0x60})), 14u);
  EXPECT_EQ(Find(DLT_EN10MB, Frame(12, {0x81, 0, 0, 7, 8, 0, 0x45})), 18u);
  EXPECT_EQ(Find(DLT_EN10MB, Frame(12, {0x88, 0xa8, 0, 7, 0x81, 0, 0, 8, 0x86, 0xdd, 0x60})), 22u);
  EXPECT_EQ(Find(DLT_EN10MB, Frame(12, {0x91, 0, 0, 7, 8, 0, 0x45})), 18u);
  EXPECT_EQ(Find(DLT_LINUX_SLL, Frame(14, {8, 0, 0x45})), 16u);
  EXPECT_EQ(Find(DLT_LINUX_SLL, Frame(14, {0x81, 0, 0, 7, 8, 0, 0x45})), 20u);
  std::vector<uint8_t> cooked = Frame(20, {0x60});
  cooked[0] = 0x86;
  cooked[1] = 0xdd;
  EXPECT_EQ(Find(DLT_LINUX_SLL2, cooked), 20u);
  EXPECT_EQ(Find(DLT_NULL, {2, 0, 0, 0, 0x45}), 4u);
  EXPECT_EQ(Find(DLT_NULL, {0, 0, 0, 2, 0x45}), 4u);
  EXPECT_EQ(Find(DLT_NULL, {30, 0, 0, 0, 0x60}), 4u);
  EXPECT_EQ(Find(DLT_LOOP, {0, 0, 0, 24, 0x60}), 4u);
  for (const int raw : {DLT_RAW, DLT_IPV4, DLT_IPV6}) {
    EXPECT_EQ(Find(raw, {0x45}), 0u);
    EXPECT_EQ(Find(raw, {0x60}), 0u);
  }
}

TEST(LinkLayerTest, WhatIsNoIpPacket) {
  EXPECT_EQ(Find(DLT_EN10MB, Frame(12, {8, 6, 0x45})), kNone);  // ARP
  EXPECT_EQ(Find(DLT_EN10MB, Frame(12, {8, 0, 0x75})), kNone);  // version 7
  EXPECT_EQ(Find(DLT_EN10MB, Frame(12, {0x81, 0, 0, 7, 8, 6, 0x45})), kNone);
  EXPECT_EQ(Find(DLT_NULL, {7, 0, 0, 0, 0x45}), kNone);
  EXPECT_EQ(Find(DLT_NULL, {2, 0, 2, 0, 0x45}), kNone);
  EXPECT_EQ(Find(DLT_RAW, {0x10}), kNone);
  EXPECT_EQ(Find(DLT_IEEE802_11, Frame(24, {8, 0, 0x45})), kNone);
}

// Frames of each length, all of it tags or zeros.
TEST(LinkLayerTest, FramesThatEndTooSoon) {
  for (const int type : {DLT_EN10MB, DLT_LINUX_SLL, DLT_LINUX_SLL2, DLT_NULL, DLT_LOOP, DLT_RAW}) {
    for (size_t size = 0; size < 64; ++size) {
      EXPECT_EQ(Find(type, std::vector<uint8_t>(size)), kNone) << type << " " << size;
      std::vector<uint8_t> tags(size);
      for (size_t i = 0; i < size; i += 2) tags[i] = 0x81;
      EXPECT_EQ(Find(type, tags), kNone) << type << " " << size;
    }
  }
  EXPECT_EQ(Find(DLT_EN10MB, Frame(12, {8, 0})), kNone);
  EXPECT_EQ(Find(DLT_EN10MB, Frame(12, {0x81, 0, 0, 7, 8})), kNone);
}

TEST(LinkLayerTest, ThoseThatAreKnown) {
  EXPECT_TRUE(KnowsLinkType(DLT_EN10MB));
  EXPECT_TRUE(KnowsLinkType(DLT_LINUX_SLL2));
  EXPECT_FALSE(KnowsLinkType(DLT_IEEE802_11));
  EXPECT_FALSE(KnowsLinkType(-1));
}

}  // namespace
}  // namespace sluice::cli
