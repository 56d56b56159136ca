// udp_echo: sends every UDP datagram back to its sender, many in a system call. Prints "ready" once
// it can. Runs until it is killed.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <CLI/CLI.hpp>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>
#include <vector>

namespace sluice::bench {
namespace {

constexpr size_t kBatch = 64;
constexpr size_t kLongest = 2048;
constexpr int kSocketBuffer = 16 << 20;

int Fail(const char* what) {
  std::fprintf(stderr, "udp_echo: %s: %s\n", what, std::strerror(errno));
  return 1;
}

int Echo(const sockaddr_in& address) {
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return Fail("socket");
  setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &kSocketBuffer, sizeof(kSocketBuffer));
  setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &kSocketBuffer, sizeof(kSocketBuffer));
  if (bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return Fail("bind");
  }
  std::puts("ready");
  std::fflush(stdout);

  std::vector<std::array<char, kLongest>> bytes(kBatch);
  std::array<sockaddr_in, kBatch> peers;
  std::array<iovec, kBatch> parts;
  std::array<mmsghdr, kBatch> messages{};
  for (size_t i = 0; i < kBatch; ++i) {
    messages[i].msg_hdr.msg_name = &peers[i];
    messages[i].msg_hdr.msg_iov = &parts[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  while (true) {
    for (size_t i = 0; i < kBatch; ++i) {
      parts[i] = {.iov_base = bytes[i].data(), .iov_len = kLongest};
      messages[i].msg_hdr.msg_namelen = sizeof(sockaddr_in);
    }
    const int received = recvmmsg(fd, messages.data(), kBatch, MSG_WAITFORONE, nullptr);
    if (received < 0) {
      if (errno == EINTR) continue;
      return Fail("recvmmsg");
    }
    for (int i = 0; i < received; ++i) parts[i].iov_len = messages[i].msg_len;
    for (int sent = 0; sent < received;) {
      const int n = sendmmsg(fd, &messages[sent], received - sent, 0);
      sent += n > 0 ? n : (errno == EINTR ? 0 : 1);
    }
  }
}

int Main(int argc, char** argv) {
  CLI::App app("Sends every UDP datagram back");
  std::string host;
  uint16_t port = 0;
  app.add_option("address", host, "IPv4 address to bind")->required();
  app.add_option("port", port, "port to bind")->required();
  CLI11_PARSE(app, argc, argv);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  if (inet_pton(AF_INET, host.c_str(), &address.sin_addr) != 1) {
    std::fprintf(stderr, "udp_echo: %s: not an IPv4 address\n", host.c_str());
    return 2;
  }
  return Echo(address);
}

}  // namespace
}  // namespace sluice::bench

int main(int argc, char** argv) { return sluice::bench::Main(argc, argv); }
