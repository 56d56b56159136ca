#include "agent/streams/stream_poller.h"

#include <grpcpp/alarm.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdint>

#include "agent/streams/clock.h"
#include "agent/streams/wakeup.h"

namespace sluice::agent {
namespace {

constexpr int64_t kSecond = 1'000'000'000;

// Counts the events it is told of.
class Counter final : public StreamPoller::Receiver {
 public:
  explicit Counter(bool wants_a_look) : wants_a_look_(wants_a_look) {}
  bool OnEvent(StreamPoller::What, bool ok) override {
    events += ok ? 1 : 0;
    return wants_a_look_;
  }
  int events = 0;

 private:
  const bool wants_a_look_;
};

// Has gRPC deliver `tag` after `ns` nanoseconds, by a thread of its own.
void TellIn(grpc::Alarm& alarm, StreamPoller& poller, int64_t ns, StreamPoller::Tag* tag) {
  alarm.Set(poller.queue(),
            gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_nanos(ns, GPR_TIMESPAN)), tag);
}

TEST(StreamPollerTest, WaitsUntilItIsDue) {
  StreamPoller poller;
  Wakeup wakeup;
  pollfd fd{wakeup.fd(), POLLIN, 0};
  const int64_t due = MonotonicNow() + kSecond / 50;
  EXPECT_TRUE(poller.Wait({&fd, 1}, due));
  EXPECT_GE(MonotonicNow(), due);
  EXPECT_EQ(fd.revents, 0);
  EXPECT_TRUE(poller.Wait({&fd, 1}, 0)) << "overdue";
}

TEST(StreamPollerTest, ADescriptorEndsTheWait) {
  StreamPoller poller;
  Wakeup quiet;
  Wakeup ready;
  ready.Signal();
  std::array<pollfd, 2> fds{pollfd{quiet.fd(), POLLIN, 0}, pollfd{ready.fd(), POLLIN, 0}};
  EXPECT_TRUE(poller.Wait(fds, INT64_MAX));
  EXPECT_EQ(fds[0].revents, 0);
  EXPECT_EQ(fds[1].revents, POLLIN);
  ready.Clear();
  EXPECT_TRUE(poller.Wait(fds, 0));
  EXPECT_EQ(fds[1].revents, 0) << "of this wait, not of the last";
}

TEST(StreamPollerTest, WhatGrpcTellsEndsTheWait) {
  StreamPoller poller;
  Counter counter(/*wants_a_look=*/true);
  StreamPoller::Tag tag{&counter, StreamPoller::What::kRead};
  grpc::Alarm alarm;
  TellIn(alarm, poller, kSecond / 50, &tag);
  EXPECT_TRUE(poller.Wait({}, INT64_MAX));
  EXPECT_EQ(counter.events, 1);
}

TEST(StreamPollerTest, WhatItsOwnerNeedNotSeeDoesNotEndTheWait) {
  StreamPoller poller;
  Counter counter(/*wants_a_look=*/false);
  StreamPoller::Tag tag{&counter, StreamPoller::What::kWritten};
  grpc::Alarm alarm;
  TellIn(alarm, poller, 0, &tag);
  // Until gRPC's thread has delivered it, each wait may end when it is due.
  while (counter.events == 0) EXPECT_TRUE(poller.Wait({}, MonotonicNow() + kSecond / 1000));
  EXPECT_EQ(counter.events, 1);
}

TEST(StreamPollerTest, LooksAtDescriptorsHoweverMuchGrpcTells) {
  StreamPoller poller;
  Counter counter(/*wants_a_look=*/true);
  StreamPoller::Tag tag{&counter, StreamPoller::What::kRead};
  std::array<grpc::Alarm, 100> alarms;
  for (grpc::Alarm& alarm : alarms) TellIn(alarm, poller, -kSecond, &tag);  // At once.
  Wakeup ready;
  ready.Signal();
  pollfd fd{ready.fd(), POLLIN, 0};
  while (fd.revents == 0) ASSERT_TRUE(poller.Wait({&fd, 1}, 0));
  EXPECT_LT(counter.events, 20);
  while (counter.events < 100) ASSERT_TRUE(poller.Wait({}, INT64_MAX));
}

TEST(StreamPollerTest, LooksOverAndOverAndThenSleeps) {
  StreamPoller poller(std::chrono::milliseconds(1));
  Counter counter(/*wants_a_look=*/true);
  StreamPoller::Tag tag{&counter, StreamPoller::What::kRead};
  grpc::Alarm alarm;
  TellIn(alarm, poller, kSecond / 50, &tag);
  EXPECT_TRUE(poller.Wait({}, INT64_MAX));
  EXPECT_EQ(counter.events, 1);
}

// Runs in a process of its own: gRPC leaks an error each time it cannot wait.
TEST(StreamPollerDeathTest, SaysThatGrpcCannotWait) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  const auto wait = [] {
    StreamPoller poller;
    Wakeup wakeup;
    rlimit limit = {};
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = 3;  // As many are open already: no more can be.
    if (setrlimit(RLIMIT_NOFILE, &limit) != 0) _exit(errno);
    pollfd fd{wakeup.fd(), POLLIN, 0};
    _exit(poller.Wait({&fd, 1}, INT64_MAX) ? 0 : errno);
  };
  EXPECT_EXIT(wait(), testing::ExitedWithCode(EMFILE), "");
}

}  // namespace
}  // namespace sluice::agent
