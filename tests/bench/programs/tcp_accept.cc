// tcp_accept: accepts every TCP connection and closes it at once. Prints "ready" once it listens.
// Runs until it is killed.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string>

namespace sluice::bench {
namespace {

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

  while (true) {
    const int connection = accept4(listener, nullptr, nullptr, SOCK_CLOEXEC);
    if (connection >= 0) {
      close(connection);
    } else if (errno != ECONNABORTED && errno != EINTR) {
      return Fail("accept");
    }
  }
}

int Main(int argc, char** argv) {
  CLI::App app("Accepts every TCP connection and closes it");
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
