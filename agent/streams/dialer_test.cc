#include "agent/streams/dialer.h"

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <string>
#include <vector>

namespace sluice::agent {
namespace {

// Takes connections and says nothing on them.
class MuteServer final {
 public:
  MuteServer() : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    address_.sin_family = AF_INET;
    address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address_;
    auto* const name = reinterpret_cast<sockaddr*>(&address_);
    EXPECT_EQ(bind(fd_, name, size), 0);
    EXPECT_EQ(listen(fd_, 16), 0);
    EXPECT_EQ(getsockname(fd_, name, &size), 0);
  }
  ~MuteServer() { close(fd_); }
  MuteServer(const MuteServer&) = delete;
  MuteServer& operator=(const MuteServer&) = delete;

  std::string address() const { return "127.0.0.1:" + std::to_string(ntohs(address_.sin_port)); }

 private:
  const int fd_;
  sockaddr_in address_{};
};

TEST(DialerTest, OfSeveralAddressesTheFirstThatAnswersIsUsed) {
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  const auto queue = builder.AddCompletionQueue();
  const auto server = builder.BuildAndStart();
  ASSERT_NE(server, nullptr);
  // One after the other they would take half a second each.
  const MuteServer mute[4];
  std::string list = "ipv4:";
  for (const MuteServer& one : mute) list += one.address() + ",";
  list += "127.0.0.1:" + std::to_string(port);
  Dialer dialer({list});
  GrpcWatch watch;
  const auto channel = dialer.Dial(&watch).channel;
  EXPECT_TRUE(channel->WaitForConnected(std::chrono::system_clock::now() +
                                        std::chrono::milliseconds(1500)));
  server->Shutdown(std::chrono::system_clock::now());
  queue->Shutdown();
  void* tag = nullptr;
  bool ok = false;
  while (queue->Next(&tag, &ok)) {
  }
}

}  // namespace
}  // namespace sluice::agent
