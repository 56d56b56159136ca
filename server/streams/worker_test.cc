#include "server/streams/worker.h"

#include <gtest/gtest.h>

#include <future>
#include <vector>

namespace sluice::server {
namespace {

TEST(WorkerTest, RunsInOrderAndFinishesWhatWasPosted) {
  std::vector<int> ran;
  {
    Worker worker;
    for (int i = 0; i < 10; ++i) ASSERT_TRUE(worker.Post([&ran, i] { ran.push_back(i); }));
  }
  EXPECT_EQ(ran, (std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
}

TEST(WorkerTest, RefusesMoreThanItsBacklog) {
  std::promise<void> started;
  std::promise<void> release;
  Worker worker(1);
  ASSERT_TRUE(worker.Post([&] {
    started.set_value();
    release.get_future().wait();
  }));
  started.get_future().wait();
  EXPECT_TRUE(worker.Post([] {}));
  EXPECT_FALSE(worker.Post([] {}));
  release.set_value();
}

TEST(WorkerTest, ItsThreadsRunJobsAtOnce) {
  std::promise<void> first;
  std::promise<void> second;
  Worker worker(2, 2);
  // Each waits for the other.
  ASSERT_TRUE(worker.Post([&] {
    first.set_value();
    second.get_future().wait();
  }));
  ASSERT_TRUE(worker.Post([&] {
    second.set_value();
    first.get_future().wait();
  }));
}

}  // namespace
}  // namespace sluice::server
