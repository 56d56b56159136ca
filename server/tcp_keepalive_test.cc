#include "server/tcp_keepalive.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

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

  // What a host that loses its power leaves: nothing is said to the other end.
  void ForgetClient() {
    const int on = 1;
    ASSERT_EQ(setsockopt(client_, IPPROTO_TCP, TCP_REPAIR, &on, sizeof on), 0)
        << "needs CAP_NET_ADMIN";
    close(client_);
    client_ = -1;
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
  EXPECT_EQ(Option(accepted_, IPPROTO_TCP, TCP_KEEPINTVL), 5);
  EXPECT_EQ(Option(accepted_, IPPROTO_TCP, TCP_USER_TIMEOUT), 15'000);
}

TEST_F(TcpKeepaliveTest, AnEndThatIsGoneIsNoticed) {
  ASSERT_TRUE(KeepAccepted({.idle = seconds(1), .interval = seconds(1)}).ok());
  Connect();
  ForgetClient();
  pollfd fd{accepted_, POLLIN, 0};
  ASSERT_EQ(poll(&fd, 1, 60'000), 1);
  char byte = 0;
  EXPECT_LT(recv(accepted_, &byte, 1, 0), 0);
}

}  // namespace
}  // namespace sluice::server
