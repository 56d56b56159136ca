#include "server/calls/tcp_keepalive.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

namespace sluice::server {
namespace {

using std::chrono::seconds;

class TcpKeepaliveTest : public testing::Test {
 protected:
  void SetUp() override {
    listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    address_.sin_family = AF_INET;
    address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address_;
    ASSERT_EQ(bind(listener_, Address(), size), 0);
    ASSERT_EQ(listen(listener_, 8), 0);
    ASSERT_EQ(getsockname(listener_, Address(), &size), 0);
  }
  void TearDown() override {
    for (const int fd : {listener_, client_, accepted_}) {
      if (fd >= 0) close(fd);
    }
  }

  void Connect() {
    client_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    ASSERT_EQ(connect(client_, Address(), sizeof address_), 0);
    accepted_ = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    ASSERT_GE(accepted_, 0);
  }

  // From now on the client's end gets nothing and so sends nothing, like a host without power.
  void Deafen() {
    sock_filter nothing = BPF_STMT(BPF_RET | BPF_K, 0);
    const sock_fprog program{1, &nothing};
    ASSERT_EQ(setsockopt(client_, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program), 0);
  }

  sockaddr* Address() { return reinterpret_cast<sockaddr*>(&address_); }

  sockaddr_in address_{};
  int listener_ = -1;
  int client_ = -1;
  int accepted_ = -1;
};

int Option(int fd, int level, int option) {
  int value = -1;
  socklen_t size = sizeof value;
  EXPECT_EQ(getsockopt(fd, level, option, &value, &size), 0);
  return value;
}

TEST_F(TcpKeepaliveTest, ConnectionsHaveItFromTheSocketThatAcceptsThem) {
  ASSERT_TRUE(KeepAccepted({}).ok());
  Connect();
  EXPECT_EQ(Option(accepted_, SOL_SOCKET, SO_KEEPALIVE), 1);
  EXPECT_EQ(Option(accepted_, IPPROTO_TCP, TCP_KEEPIDLE), 10);
  EXPECT_EQ(Option(accepted_, IPPROTO_TCP, TCP_KEEPINTVL), 1);
  EXPECT_EQ(Option(accepted_, IPPROTO_TCP, TCP_USER_TIMEOUT), 15'000);
}

TEST_F(TcpKeepaliveTest, AnEndThatIsGoneIsNoticed) {
  ASSERT_TRUE(
      KeepAccepted({.idle = seconds(1), .interval = seconds(1), .patience = seconds(2)}).ok());
  Connect();
  Deafen();
  pollfd fd{accepted_, POLLIN, 0};
  ASSERT_EQ(poll(&fd, 1, 60'000), 1);
  char byte = 0;
  EXPECT_EQ(recv(accepted_, &byte, 1, 0), -1);
  EXPECT_EQ(errno, ETIMEDOUT);
}

TEST_F(TcpKeepaliveTest, AnEndThatTakesNothingIsNoticed) {
  ASSERT_TRUE(
      KeepAccepted({.idle = seconds(1), .interval = seconds(1), .patience = seconds(1)}).ok());
  Connect();
  Deafen();
  ASSERT_EQ(send(accepted_, "x", 1, 0), 1);
  pollfd fd{accepted_, POLLIN, 0};
  ASSERT_EQ(poll(&fd, 1, 60'000), 1);
  char byte = 0;
  EXPECT_EQ(recv(accepted_, &byte, 1, 0), -1);
  EXPECT_EQ(errno, ETIMEDOUT);
}

}  // namespace
}  // namespace sluice::server
