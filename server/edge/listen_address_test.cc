#include "server/edge/listen_address.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <string>

namespace sluice::server {
namespace {

TEST(ListenAddressTest, ReadsWhatIsAllowed) {
  const struct {
    const char* text;
    const char* bound;  // With port 9.
  } kCases[] = {
      {"127.0.0.1:7654", "127.0.0.1:9"},
      {"0.0.0.0:0", "0.0.0.0:9"},
      {"[::1]:65535", "[::1]:9"},
      {"unix:/run/sluice.sock", "unix:/run/sluice.sock"},
  };
  for (const auto& each : kCases) {
    const auto address = ListenAddress::Parse(each.text);
    ASSERT_TRUE(address.ok()) << address.status();
    EXPECT_EQ(address->WithPort(9), each.bound);
  }
}

TEST(ListenAddressTest, RefusesTheRest) {
  for (const std::string& text :
       {std::string(), std::string("7654"), std::string("127.0.0.1"), std::string("127.0.0.1:"),
        std::string("127.0.0.1:65536"), std::string("127.0.0.1:-1"), std::string("host:1"),
        std::string("::1:7654"), std::string("[::1]"), std::string("[::1"), std::string("[]:1"),
        std::string("unix:"), std::string("unix:relative"), "unix:/" + std::string(120, 'x')}) {
    EXPECT_EQ(ListenAddress::Parse(text).status().code(), absl::StatusCode::kInvalidArgument)
        << text;
  }
}

TEST(ListenAddressTest, SaysWhenAnAddressIsTaken) {
  const int taken = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in name{};
  name.sin_family = AF_INET;
  name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(name);
  ASSERT_EQ(bind(taken, reinterpret_cast<sockaddr*>(&name), size), 0);
  ASSERT_EQ(listen(taken, 1), 0);
  ASSERT_EQ(getsockname(taken, reinterpret_cast<sockaddr*>(&name), &size), 0);
  ListenAddress address{"127.0.0.1", ntohs(name.sin_port), ""};
  const absl::Status status = Listen(address).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_NE(status.message().find("already in use"), absl::string_view::npos) << status;
  close(taken);
  address.port = 0;
  const absl::StatusOr<ListeningSocket> free = Listen(address);
  ASSERT_TRUE(free.ok()) << free.status();
  EXPECT_GT(free->port, 0);
  close(free->fd);
  address.host = "192.0.2.77";
  EXPECT_NE(Listen(address).status().message().find("no such address"), absl::string_view::npos);
}

TEST(ListenAddressTest, ReplacesTheSocketOfAServerThatIsGone) {
  std::string folder = "/tmp/listenXXXXXX";  // A socket's path has at most 107 bytes.
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  const ListenAddress address{"", 0, folder + "/s"};
  const absl::StatusOr<ListeningSocket> first = Listen(address);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(Listen(address).status().code(), absl::StatusCode::kUnavailable);
  close(first->fd);
  const absl::StatusOr<ListeningSocket> second = Listen(address);
  ASSERT_TRUE(second.ok()) << second.status();
  close(second->fd);
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace sluice::server
