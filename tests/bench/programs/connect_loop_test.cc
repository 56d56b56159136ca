#include "tests/bench/programs/connect_loop.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <thread>

namespace sluice::bench {
namespace {

using std::chrono::milliseconds;

// Accepts on the loopback and closes, as tcp_accept does.
class Acceptor final {
 public:
  Acceptor() : fd_(socket(AF_INET, SOCK_STREAM, 0)) {
    address_.sin_family = AF_INET;
    address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address_);
    EXPECT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&address_), size), 0);
    EXPECT_EQ(getsockname(fd_, reinterpret_cast<sockaddr*>(&address_), &size), 0);
    EXPECT_EQ(listen(fd_, SOMAXCONN), 0);
    thread_ = std::thread([this] {
      for (int fd; (fd = accept(fd_, nullptr, nullptr)) >= 0; ++accepted_) close(fd);
    });
  }
  ~Acceptor() { Stop(); }
  const sockaddr_in& address() const { return address_; }

  // Ends it and returns how many connections it accepted.
  size_t Stop() {
    if (thread_.joinable()) {
      shutdown(fd_, SHUT_RDWR);  // Wakes the thread, with an error.
      thread_.join();
      close(fd_);
    }
    return accepted_;
  }

 private:
  const int fd_;
  sockaddr_in address_{};
  size_t accepted_ = 0;
  std::thread thread_;
};

TEST(ConnectLoop, CountsEveryConnection) {
  Acceptor acceptor;
  const auto measured = RunConnectLoop({.at_once = 4,
                                        .warm_up = milliseconds(0),
                                        .measure = milliseconds(100),
                                        .drain = milliseconds(5000)},
                                       acceptor.address());
  ASSERT_TRUE(measured.ok()) << measured.status();
  EXPECT_EQ(acceptor.Stop(), measured->begun);
  EXPECT_GT(measured->connects, 0u);
  // Connections under way at the end of the interval do not count.
  EXPECT_GE(measured->connects + 4, measured->begun);
  EXPECT_EQ(measured->lost, 0u);
  EXPECT_GT(measured->p50_us, 0);
  EXPECT_LE(measured->p50_us, measured->p99_us);
}

TEST(ConnectLoop, BeginsNoMoreThanItsRate) {
  Acceptor acceptor;
  const auto measured = RunConnectLoop({.at_once = 64,
                                        .rate = 100,
                                        .warm_up = milliseconds(0),
                                        .measure = milliseconds(100),
                                        .drain = milliseconds(5000)},
                                       acceptor.address());
  ASSERT_TRUE(measured.ok()) << measured.status();
  EXPECT_GT(measured->begun, 0u);
  EXPECT_LE(measured->begun, 10u);
}

TEST(ConnectLoop, WhatIsRefusedIsLost) {
  Acceptor acceptor;
  acceptor.Stop();
  const auto measured = RunConnectLoop(
      {.at_once = 2, .rate = 1000, .warm_up = milliseconds(0), .measure = milliseconds(20)},
      acceptor.address());
  ASSERT_TRUE(measured.ok()) << measured.status();
  EXPECT_GT(measured->begun, 0u);
  EXPECT_EQ(measured->lost, measured->begun);
  EXPECT_EQ(measured->connects, 0u);
}

}  // namespace
}  // namespace sluice::bench
