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
  MarkPool pool(kMask,
                [&](uint32_t mask, const std::vector<uint32_t>& keep) -> absl::StatusOr<uint64_t> {
                  EXPECT_EQ(mask, kMask);
                  ++sweeps;
                  std::erase_if(borne, [&keep](uint32_t mark) {
                    return std::find(keep.begin(), keep.end(), mark) == keep.end();
                  });
                  return 1;
                });
  for (int i = 0; i < 1000; ++i) {
    pool.Begin();
    EXPECT_TRUE(pool.given().empty());
    std::vector<uint32_t> given;
    for (int marks = 0; marks < i % 4; ++marks) {
      given.push_back(pool.Give());
      EXPECT_NE(given.back(), 0u);
      EXPECT_TRUE(borne.insert(given.back()).second) << "generation " << i;
    }
    std::sort(given.begin(), given.end());
    EXPECT_EQ(pool.given(), given);
    if (i % 3 == 0) pool.Prepare();
  }
  EXPECT_GT(sweeps, 15);
  EXPECT_LT(sweeps, 50) << "not at every change";
}

TEST(MarkPoolTest, OneGenerationHasNoMoreThanThereAre) {
  int sweeps = 0;
  MarkPool pool(kMask, [&](uint32_t, const std::vector<uint32_t>&) -> absl::StatusOr<uint64_t> {
    ++sweeps;
    return 0;
  });
  pool.Begin();
  std::set<uint32_t> given;
  while (const uint32_t mark = pool.Give()) EXPECT_TRUE(given.insert(mark).second);
  EXPECT_EQ(given.size(), kConnectionMarkCount);
  EXPECT_EQ(pool.Give(), 0u);
  pool.Prepare();
  EXPECT_EQ(sweeps, 1) << "there is nothing to sweep";
  pool.Begin();
  EXPECT_NE(pool.Give(), 0u);
  EXPECT_EQ(sweeps, 2);
}

TEST(MarkPoolTest, WithoutASweepThereIsNone) {
  bool broken = true;
  MarkPool pool(kMask, [&](uint32_t, const std::vector<uint32_t>&) -> absl::StatusOr<uint64_t> {
    if (broken) return absl::UnavailableError("no conntrack");
    return 0;
  });
  pool.Begin();
  EXPECT_EQ(pool.Give(), 0u);
  EXPECT_TRUE(pool.given().empty());
  broken = false;
  EXPECT_NE(pool.Give(), 0u);
  broken = true;
  uint32_t had = 1;
  for (pool.Begin(); pool.Give() != 0; pool.Begin()) ++had;
  EXPECT_EQ(had, kConnectionMarkCount);
}

TEST(MarkPoolTest, WithoutBitsThereIsNone) {
  MarkPool pool(0, [](uint32_t, const std::vector<uint32_t>&) -> absl::StatusOr<uint64_t> {
    ADD_FAILURE() << "nothing to sweep";
    return 0;
  });
  pool.Begin();
  EXPECT_EQ(pool.Give(), 0u);
  pool.Prepare();
}

}  // namespace
}  // namespace sluice::agent
