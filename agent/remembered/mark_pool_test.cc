#include "agent/remembered/mark_pool.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <vector>

namespace sluice::agent {
namespace {

constexpr uint32_t kMask = 0xff00;

TEST(MarkPoolTest, NoneIsUsedAgainBeforeItWasSwept) {
  // Every connection ever accepted is still there.
  std::set<uint32_t> borne = {ConnectionMark(kMask, 0), ConnectionMark(kMask, 40)};
  int sweeps = 0;
  MarkPool generations(
      kMask, [&](uint32_t mask, const std::vector<uint32_t>& keep) -> absl::StatusOr<uint64_t> {
        EXPECT_EQ(mask, kMask);
        ++sweeps;
        std::erase_if(borne, [&keep](uint32_t mark) {
          return std::find(keep.begin(), keep.end(), mark) == keep.end();
        });
        return 1;
      });
  for (int i = 0; i < 1000; ++i) {
    generations.Begin();
    EXPECT_TRUE(generations.given().empty());
    std::vector<uint32_t> given;
    for (int marks = 0; marks < i % 4; ++marks) {
      given.push_back(generations.Give());
      EXPECT_NE(given.back(), 0u);
      EXPECT_TRUE(borne.insert(given.back()).second) << "generation " << i;
    }
    std::sort(given.begin(), given.end());
    EXPECT_EQ(generations.given(), given);
    if (i % 3 == 0) generations.Prepare();
  }
  EXPECT_GT(sweeps, 15);
  EXPECT_LT(sweeps, 50) << "not at every change";
}

TEST(MarkPoolTest, OneGenerationHasNoMoreThanThereAre) {
  int sweeps = 0;
  MarkPool generations(kMask,
                       [&](uint32_t, const std::vector<uint32_t>&) -> absl::StatusOr<uint64_t> {
                         ++sweeps;
                         return 0;
                       });
  generations.Begin();
  std::set<uint32_t> given;
  while (const uint32_t mark = generations.Give()) EXPECT_TRUE(given.insert(mark).second);
  EXPECT_EQ(given.size(), kConnectionMarkCount);
  EXPECT_EQ(generations.Give(), 0u);
  generations.Prepare();
  EXPECT_EQ(sweeps, 1) << "there is nothing to sweep";
  generations.Begin();
  EXPECT_NE(generations.Give(), 0u);
  EXPECT_EQ(sweeps, 2);
}

TEST(MarkPoolTest, WithoutASweepThereIsNone) {
  bool broken = true;
  MarkPool generations(kMask,
                       [&](uint32_t, const std::vector<uint32_t>&) -> absl::StatusOr<uint64_t> {
                         if (broken) return absl::UnavailableError("no conntrack");
                         return 0;
                       });
  generations.Begin();
  EXPECT_EQ(generations.Give(), 0u);
  EXPECT_TRUE(generations.given().empty());
  broken = false;
  EXPECT_NE(generations.Give(), 0u);
  broken = true;
  uint32_t had = 1;
  for (generations.Begin(); generations.Give() != 0; generations.Begin()) ++had;
  EXPECT_EQ(had, kConnectionMarkCount);
}

TEST(MarkPoolTest, WithoutBitsThereIsNone) {
  MarkPool generations(0, [](uint32_t, const std::vector<uint32_t>&) -> absl::StatusOr<uint64_t> {
    ADD_FAILURE() << "nothing to sweep";
    return 0;
  });
  generations.Begin();
  EXPECT_EQ(generations.Give(), 0u);
  generations.Prepare();
}

}  // namespace
}  // namespace sluice::agent
