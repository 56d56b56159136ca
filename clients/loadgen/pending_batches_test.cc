#include "clients/loadgen/pending_batches.h"

#include <gtest/gtest.h>

namespace sluice::loadgen {
namespace {

TEST(PendingBatchesTest, ABatchIsDoneWhenAllItsPacketsAreAnswered) {
  PendingBatches pending(3);
  ASSERT_EQ(pending.Add(100), 1u);
  EXPECT_EQ(pending.size(), 1u);
  EXPECT_TRUE(pending.Answer(2, 110).known);
  EXPECT_FALSE(pending.Answer(1, 120).round_trip_ns.has_value());
  EXPECT_EQ(pending.size(), 1u);
  EXPECT_EQ(pending.Answer(3, 150).round_trip_ns, 50);
  EXPECT_EQ(pending.size(), 0u);
  EXPECT_EQ(pending.Add(200), 4u);
}

TEST(PendingBatchesTest, BatchesAreAnsweredInAnyOrder) {
  PendingBatches pending(2);
  EXPECT_EQ(pending.Add(0), 1u);
  EXPECT_EQ(pending.Add(10), 3u);
  EXPECT_EQ(pending.Add(20), 5u);
  EXPECT_TRUE(pending.Answer(3, 30).known);
  EXPECT_EQ(pending.Answer(4, 35).round_trip_ns, 25);
  EXPECT_EQ(pending.size(), 2u);
  EXPECT_FALSE(pending.Answer(3, 36).known);
  EXPECT_TRUE(pending.Answer(1, 40).known);
  EXPECT_EQ(pending.Answer(2, 41).round_trip_ns, 41);
  EXPECT_EQ(pending.size(), 1u);
  EXPECT_EQ(pending.Add(50), 7u);
}

TEST(PendingBatchesTest, AnswersToNothingThatWaitsAreNotKnown) {
  PendingBatches pending(2);
  EXPECT_FALSE(pending.Answer(1, 0).known);
  pending.Add(0);
  for (const uint64_t id : {uint64_t{0}, uint64_t{3}, uint64_t{4}, uint64_t{1} << 56, UINT64_MAX}) {
    EXPECT_FALSE(pending.Answer(id, 0).known) << id;
  }
  EXPECT_TRUE(pending.Answer(1, 0).known);
  EXPECT_FALSE(pending.Answer(1, 0).known);
  EXPECT_TRUE(pending.Answer(2, 0).known);
  EXPECT_FALSE(pending.Answer(2, 0).known);
}

TEST(PendingBatchesTest, WhatExpiredIsNoLongerKnown) {
  PendingBatches pending(2);
  pending.Add(0);
  pending.Add(10);
  pending.Add(20);
  EXPECT_TRUE(pending.Answer(1, 25).known);
  EXPECT_EQ(pending.Expire(0), 0u);
  EXPECT_EQ(pending.Expire(20), 3u);
  EXPECT_EQ(pending.size(), 1u);
  EXPECT_FALSE(pending.Answer(2, 30).known);
  EXPECT_FALSE(pending.Answer(3, 30).known);
  EXPECT_TRUE(pending.Answer(5, 30).known);
  EXPECT_EQ(pending.Expire(INT64_MAX), 1u);
  EXPECT_EQ(pending.Expire(INT64_MAX), 0u);
  EXPECT_EQ(pending.size(), 0u);
}

TEST(PendingBatchesTest, AnAnsweredBatchBehindOneThatExpiresIsCountedOnce) {
  PendingBatches pending(1);
  pending.Add(0);
  pending.Add(10);
  EXPECT_EQ(pending.Answer(2, 15).round_trip_ns, 5);
  EXPECT_EQ(pending.Expire(5), 1u);
  EXPECT_EQ(pending.size(), 0u);
  EXPECT_EQ(pending.Add(20), 3u);
}

}  // namespace
}  // namespace sluice::loadgen
