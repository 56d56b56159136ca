#include "agent/netfilter/mark_bits.h"

#include <gtest/gtest.h>

#include <set>

namespace sluice::agent {
namespace {

TEST(MarkBitsTest, DecidedBitIsTheLowestOfTheMask) {
  EXPECT_EQ(DecidedBit(0xff000000), 0x01000000u);
  EXPECT_EQ(DecidedBit(0x000000ff), 0x00000001u);
  EXPECT_EQ(DecidedBit(0x00000ff0), 0x00000010u);
}

TEST(MarkBitsTest, NoTwoMeaningsShareAMark) {
  for (const uint32_t mask : {0xffu, 0xff0u, 0xff000000u}) {
    std::set<uint32_t> marks;
    const auto add = [&](uint32_t mark) {
      EXPECT_EQ(mark & ~mask, 0u);
      EXPECT_TRUE(marks.insert(mark).second) << mark;
    };
    for (uint32_t slot = 0; slot < kAcceptSlots; ++slot) add(AcceptMark(mask, slot));
    for (uint32_t code = 0; code < kDropCodes; ++code) add(DropMark(mask, code));
    for (uint32_t state = 0; state < 8; ++state) {
      for (uint32_t repeats = 0; repeats <= kMostRepeats; ++repeats) {
        const uint32_t mark =
            StateMark(mask, static_cast<TrackedState>(state)) | RepeatMark(mask, repeats);
        EXPECT_EQ(StateNumber(mask, mark), state);
        EXPECT_EQ(Repeats(mask, mark), repeats);
        add(mark);
      }
    }
  }
}

// A mark that another table may save in a connection never looks like a generation.
TEST(MarkBitsTest, OnlyDroppedPacketsLookLikeAConnectionMark) {
  for (uint32_t generation = 0; generation < kConnectionMarkCount; ++generation) {
    const uint32_t mark = ConnectionMark(0xff00, generation);
    EXPECT_NE(mark, 0u);
    EXPECT_EQ(mark & DecidedBit(0xff00), 0u);
    EXPECT_NE(mark & DroppedBit(0xff00), 0u);
  }
}

TEST(MarkBitsTest, WithoutBitsEverythingIsZero) {
  EXPECT_EQ(AcceptMark(0, 3) | DropMark(0, 3) | RepeatMark(0, 3), 0u);
  EXPECT_EQ(StateNumber(0, 0xffffffff), 0u);
  EXPECT_EQ(Repeats(0, 0xffffffff), 0u);
}

}  // namespace
}  // namespace sluice::agent
