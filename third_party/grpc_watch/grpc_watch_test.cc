#include "third_party/grpc_watch/grpc_watch.h"

#include <grpcpp/grpcpp.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <ctime>
#include <memory>
#include <string>
#include <thread>

namespace sluice {
namespace {

// A socket at whose other end somebody writes without end, watched as one of a channel.
class FloodedSocket final {
 public:
  explicit FloodedSocket(GrpcWatch* watch) : sockets_(watch->Watch(arguments_)) {
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends_.data()), 0);
    sockets_->Add(ends_[0]);
    writer_ = std::thread([this] {
      const std::string data(1 << 16, 'x');
      while (send(ends_[1], data.data(), data.size(), MSG_NOSIGNAL) > 0) {
      }
    });
  }
  ~FloodedSocket() {
    sockets_->ShutDown();
    writer_.join();
    for (const int end : ends_) close(end);
  }
  FloodedSocket(const FloodedSocket&) = delete;
  FloodedSocket& operator=(const FloodedSocket&) = delete;

  // False at the end.
  bool Read() {
    char byte = 0;
    return recv(ends_[0], &byte, 1, 0) > 0;
  }

 private:
  grpc::ChannelArguments arguments_;
  std::shared_ptr<ChannelSockets> sockets_;
  std::array<int, 2> ends_{};
  std::thread writer_;
};

std::chrono::nanoseconds ProcessorTime() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

TEST(GrpcWatchTest, EndsTheConnectionThatKeepsTheThread) {
  GrpcWatch watch;
  FloodedSocket socket(&watch);
  watch.Enter();
  const std::chrono::nanoseconds began = ProcessorTime();
  while (socket.Read()) {
  }
  EXPECT_GE((ProcessorTime() - began).count(), GrpcWatch::kMostBusyNs);
}

TEST(GrpcWatchTest, LeavesAloneAThreadThatTurns) {
  GrpcWatch watch;
  FloodedSocket socket(&watch);
  const std::chrono::nanoseconds end =
      ProcessorTime() + std::chrono::nanoseconds(5 * GrpcWatch::kMostBusyNs);
  while (ProcessorTime() < end) {
    watch.Enter();
    ASSERT_TRUE(socket.Read());
    watch.Leave();
  }
}

TEST(GrpcWatchTest, LeavesAloneAThreadThatIsBusyOutside) {
  GrpcWatch watch;
  FloodedSocket socket(&watch);
  watch.Enter();
  watch.Leave();
  const std::chrono::nanoseconds end =
      ProcessorTime() + std::chrono::nanoseconds(3 * GrpcWatch::kMostBusyNs);
  while (ProcessorTime() < end) ASSERT_TRUE(socket.Read());
}

TEST(GrpcWatchTest, LeavesAloneAChannelWithNothingUnread) {
  GrpcWatch watch;
  grpc::ChannelArguments arguments;
  const auto idle = watch.Watch(arguments);
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  idle->Add(ends[0]);
  FloodedSocket socket(&watch);
  watch.Enter();
  while (socket.Read()) {
  }
  EXPECT_EQ(send(ends[1], "x", 1, MSG_NOSIGNAL), 1) << "it is still up";
  for (const int end : ends) close(end);
}

TEST(ChannelSocketsTest, KnowsASocketThatTookTheNumberOfOneThatWasClosed) {
  grpc::ChannelArguments arguments;
  const auto sockets = ChannelSockets::Of(arguments);
  int first[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, first), 0);
  sockets->Add(first[0]);
  ASSERT_EQ(write(first[1], "x", 1), 1);
  EXPECT_GT(sockets->MostUnread(), 0);
  int second[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, second), 0);
  ASSERT_EQ(dup2(second[0], first[0]), first[0]);
  ASSERT_EQ(write(second[1], "x", 1), 1);
  EXPECT_EQ(sockets->MostUnread(), 0);
  sockets->ShutDown();
  EXPECT_EQ(write(second[1], "x", 1), 1) << "it is still up";
  for (const int fd : {first[0], first[1], second[0], second[1]}) close(fd);
}

}  // namespace
}  // namespace sluice
