#include <gtest/gtest.h>

#include "agent/netfilter/table/table_tallies.h"

namespace sluice::agent {
namespace {

TEST(TableTallyTest, AddsUpCountersThatComeAndGo) {
  TableTally tally;
  EXPECT_EQ(tally.total(), 0u);
  tally.See(5);
  tally.See(7);
  EXPECT_EQ(tally.total(), 7u);
  tally.Fold();
  EXPECT_EQ(tally.total(), 7u);
  tally.Fold();
  EXPECT_EQ(tally.total(), 7u);
  tally.See(2);
  EXPECT_EQ(tally.total(), 9u);
  tally.See(1);  // Someone reset it after 2.
  EXPECT_EQ(tally.total(), 10u);
  tally.See(uint64_t{1} << 40);
  EXPECT_EQ(tally.total(), (uint64_t{1} << 40) + 9);
}

}  // namespace
}  // namespace sluice::agent
