#include "server/policies/fair_queue.h"

#include <gtest/gtest.h>

#include <string>

namespace sluice::server {
namespace {

// Takes all that may be taken, in order.
std::string TakeAll(FairQueue<std::string>& queue) {
  std::string taken;
  while (const auto item = queue.Take()) taken += *item + " ";
  return taken;
}

TEST(FairQueueTest, PeersTakeTurns) {
  FairQueue<std::string> queue;
  EXPECT_FALSE(queue.Ready());
  for (const char* item : {"a1", "a2", "a3"}) queue.Push("a", item);
  EXPECT_EQ(queue.Take(), "a1");
  for (const char* item : {"b1", "b2"}) queue.Push("b", item);
  queue.Push("c", "c1");
  EXPECT_TRUE(queue.Ready());
  EXPECT_EQ(TakeAll(queue), "a2 b1 c1 a3 b2 ");
  EXPECT_FALSE(queue.Ready());
}

TEST(FairQueueTest, OfOnePeerOnlySoManyAreOut) {
  FairQueue<std::string> queue(2);
  for (const char* item : {"a1", "a2", "a3", "a4"}) queue.Push("a", item);
  queue.Push("b", "b1");
  EXPECT_EQ(TakeAll(queue), "a1 b1 a2 ");
  EXPECT_FALSE(queue.Ready());
  queue.Done("b");
  EXPECT_FALSE(queue.Ready());
  queue.Done("a");
  EXPECT_EQ(TakeAll(queue), "a3 ");
  queue.Done("a");
  queue.Done("a");
  EXPECT_EQ(TakeAll(queue), "a4 ");
  queue.Done("a");
  queue.Push("a", "a5");
  EXPECT_EQ(TakeAll(queue), "a5 ");
}

}  // namespace
}  // namespace sluice::server
