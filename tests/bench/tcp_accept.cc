// tcp_accept: accepts every TCP connection and lets the other side end it. Prints "ready" once it
// listens. Runs until it is killed.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>

namespace sluice::bench {
namespace {

// Closed when so many have come after it: by then the client has reset it.
constexpr size_t kKept = 512;

int Fail(const char* what) {
  std::fprintf(stderr, "tcp_accept: %s: %s\n", what, std::strerror(errno));
  return 1;
}

int Accept(const sockaddr_in& address) {
  const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (listener < 0) return Fail("socket");
  const int on = 1;
  setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  if (bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) != 0) {
    return Fail("bind");
  }
  if (listen(listener, SOMAXCONN) != 0) return Fail("listen");
  std::puts("ready");
  std::fflush(stdout);

  std::array<int, kKept> kept;
  kept.fill(-1);
  for (size_t next = 0;; next = (next + 1) % kKept) {
    const int connection = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    // ECONNABORTED and the like concern that connection only.
    if (connection < 0 && (errno == EBADF || errno == EMFILE)) return Fail("accept");
    if (kept[next] >= 0) close(kept[next]);
    kept[next] = connection;
  }
}

int Main(int argc, char** argv) {
  CLI::App app("Accepts every TCP connection");
  std::string host;
  uint16_t port = 0;
  app.add_option("address", host, "IPv4 address to bind")->required();
  app.add_option("port", port, "port to bind")->required();
  CLI11_PARSE(app, argc, argv);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  if (inet_pton(AF_INET, host.c_str(), &address.sin_addr) != 1) {
    std::fprintf(stderr, "tcp_accept: %s: not an IPv4 address\n", host.c_str());
    return 2;
  }
  return Accept(address);
}

}  // namespace
}  // namespace sluice::bench

int main(int argc, char** argv) { return sluice::bench::Main(argc, argv); }
