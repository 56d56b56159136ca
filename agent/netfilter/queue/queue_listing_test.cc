#include "agent/netfilter/queue/queue_listing.h"

#include <gtest/gtest.h>

namespace sluice::agent {
namespace {

TEST(QueueListing, ReadsTheKernelsColumns) {
  // As Linux 6.18 prints it.
  const auto queues = ParseQueueListing(
      "    0  18563     3 2   128     5     7       42  1\n"
      "   65 4294960000 0 0     0     0     0        0  1\n");
  ASSERT_EQ(queues.size(), 2u);
  EXPECT_EQ(queues[0].queue, 0u);
  EXPECT_EQ(queues[0].port_id, 18563u);
  EXPECT_EQ(queues[0].waiting, 3u);
  EXPECT_EQ(queues[0].copy_mode, 2u);
  EXPECT_EQ(queues[0].copy_range, 128u);
  EXPECT_EQ(queues[0].queue_dropped, 5u);
  EXPECT_EQ(queues[0].user_dropped, 7u);
  EXPECT_EQ(queues[0].id_sequence, 42u);
  EXPECT_EQ(queues[1].port_id, 4294960000u);
}

TEST(QueueListing, LeavesOutWhatItDoesNotUnderstand) {
  EXPECT_TRUE(ParseQueueListing("").empty());
  EXPECT_TRUE(ParseQueueListing("1 2 3\nqueue port\n\n").empty());
}

}  // namespace
}  // namespace sluice::agent
