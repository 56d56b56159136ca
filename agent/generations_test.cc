#include "agent/generations.h"

#include <gtest/gtest.h>

#include <set>

namespace sluice::agent {
namespace {

constexpr uint32_t kMask = 0xff00;

TEST(GenerationsTest, NoneIsUsedAgainBeforeItWasSwept) {
  // Every connection ever accepted is still there.
  std::set<uint32_t> borne = {GenerationMark(kMask, 0), GenerationMark(kMask, 40)};
  int sweeps = 0;
  Generations generations(kMask, [&](uint32_t mask, uint32_t keep) -> absl::StatusOr<uint64_t> {
    EXPECT_EQ(mask, kMask);
    ++sweeps;
    std::erase_if(borne, [keep](uint32_t mark) { return mark != keep; });
    return 1;
  });
  for (int i = 0; i < 1000; ++i) {
    const uint32_t next = generations.Next();
    EXPECT_NE(next, 0u);
    EXPECT_EQ(generations.current(), next);
    EXPECT_TRUE(borne.insert(next).second) << "generation " << i;
    if (i % 3 == 0) generations.Prepare();
  }
  EXPECT_GT(sweeps, 10);
  EXPECT_LT(sweeps, 30) << "not at every change";
}

TEST(GenerationsTest, WithoutASweepThereIsNone) {
  bool broken = true;
  int sweeps = 0;
  Generations generations(kMask, [&](uint32_t, uint32_t) -> absl::StatusOr<uint64_t> {
    ++sweeps;
    if (broken) return absl::UnavailableError("no conntrack");
    return 0;
  });
  EXPECT_EQ(generations.Next(), 0u);
  EXPECT_EQ(generations.current(), 0u);
  broken = false;
  EXPECT_NE(generations.Next(), 0u);
  broken = true;
  uint32_t had = 1;
  while (generations.Next() != 0) ++had;
  EXPECT_EQ(had, kGenerations);
}

TEST(GenerationsTest, WithoutBitsThereIsNone) {
  Generations generations(0, [](uint32_t, uint32_t) -> absl::StatusOr<uint64_t> {
    ADD_FAILURE() << "nothing to sweep";
    return 0;
  });
  EXPECT_EQ(generations.Next(), 0u);
  generations.Prepare();
}

}  // namespace
}  // namespace sluice::agent
