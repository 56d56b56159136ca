#include "server/edge/listen_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace sluice::server {
namespace {

absl::Status Wrong(const std::string& text) {
  return absl::InvalidArgumentError(
      absl::StrCat("\"", text,
                   "\" is not an address to listen on; allowed are IPV4:PORT, [IPV6]:PORT with a "
                   "port of 0 to 65535, and unix:/PATH"));
}

class Socket final {
 public:
  explicit Socket(int family)
      : fd_(socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {}
  ~Socket() {
    if (fd_ >= 0) close(fd_);
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  int fd() const { return fd_; }
  int Release() { return std::exchange(fd_, -1); }
  // Best effort: an option that this kernel lacks makes nothing worse.
  void Set(int level, int option, int value) {
    setsockopt(fd_, level, option, &value, sizeof value);
  }

 private:
  int fd_;
};

// Connections that wait to be accepted: those of a fleet that connects again at once. The kernel
// takes less if net.core.somaxconn says so.
constexpr int kBacklog = 4096;

absl::Status CannotListen(const ListenAddress& address, int error) {
  const char* const advice =
      error == EADDRINUSE      ? "; another process has it: stop that one first, or choose another"
      : error == EADDRNOTAVAIL ? "; this host has no such address"
      : error == EACCES ? "; ports below 1024 need CAP_NET_BIND_SERVICE, and a unix socket a "
                          "folder that may be written"
                        : "";
  return absl::UnavailableError(absl::StrCat("cannot listen on ", address.WithPort(address.port),
                                             ": ", std::strerror(error), advice));
}

absl::StatusOr<ListeningSocket> ListenUnix(const ListenAddress& address) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  address.path.copy(name.sun_path, sizeof(name.sun_path) - 1);
  const auto* const generic = reinterpret_cast<const sockaddr*>(&name);
  if (const Socket probe(AF_UNIX); connect(probe.fd(), generic, sizeof name) == 0) {
    return CannotListen(address, EADDRINUSE);
  } else if (errno == ECONNREFUSED) {
    unlink(address.path.c_str());
  }
  Socket socket(AF_UNIX);
  if (bind(socket.fd(), generic, sizeof name) < 0 || listen(socket.fd(), kBacklog) < 0) {
    return CannotListen(address, errno);
  }
  chmod(address.path.c_str(), 0666);
  return ListeningSocket{socket.Release(), 1};
}

// When a connection is given up because its other end is gone (tcp(7)). A connection inherits the
// options from the listening socket. The probes notice a host that is gone, not a program that
// hangs.
void KeepAlive(Socket* socket) {
  constexpr int kIdle = 10;     // seconds of silence before the kernel probes
  constexpr int kInterval = 1;  // seconds between probes, as one may be lost
  constexpr int kPatience = 5;  // seconds of probing before giving up
  socket->Set(IPPROTO_TCP, TCP_KEEPIDLE, kIdle);
  socket->Set(IPPROTO_TCP, TCP_KEEPINTVL, kInterval);
  socket->Set(IPPROTO_TCP, TCP_USER_TIMEOUT, 1000 * (kIdle + kPatience));
  socket->Set(SOL_SOCKET, SO_KEEPALIVE, 1);
}

}  // namespace

absl::StatusOr<ListenAddress> ListenAddress::Parse(const std::string& text) {
  ListenAddress address;
  if (absl::StartsWith(text, "unix:")) {
    address.path = text.substr(5);
    if (address.path.empty() || address.path[0] != '/' ||
        address.path.size() >= sizeof(sockaddr_un::sun_path)) {
      return absl::InvalidArgumentError(
          absl::StrCat("\"", text, "\": the path of a unix socket begins with / and has at most ",
                       sizeof(sockaddr_un::sun_path) - 1, " bytes"));
    }
    return address;
  }
  const size_t colon = text.rfind(':');
  if (colon == std::string::npos) return Wrong(text);
  address.host = text.substr(0, colon);
  const std::string port = text.substr(colon + 1);
  if (port.empty() || port.find_first_not_of("0123456789") != std::string::npos ||
      !absl::SimpleAtoi(port, &address.port) || address.port > 65535) {
    return Wrong(text);
  }
  in_addr v4;
  in6_addr v6;
  if (address.host.size() > 2 && address.host.front() == '[' && address.host.back() == ']') {
    address.host = address.host.substr(1, address.host.size() - 2);
    if (inet_pton(AF_INET6, address.host.c_str(), &v6) != 1) return Wrong(text);
  } else if (inet_pton(AF_INET, address.host.c_str(), &v4) != 1) {
    return Wrong(text);
  }
  return address;
}

std::string ListenAddress::WithPort(int bound) const {
  if (!path.empty()) return absl::StrCat("unix:", path);
  const bool v6 = host.find(':') != std::string::npos;
  return v6 ? absl::StrCat("[", host, "]:", bound) : absl::StrCat(host, ":", bound);
}

absl::StatusOr<ListeningSocket> Listen(const ListenAddress& address) {
  if (!address.path.empty()) return ListenUnix(address);
  sockaddr_in v4{};
  sockaddr_in6 v6{};
  const bool is_v4 = inet_pton(AF_INET, address.host.c_str(), &v4.sin_addr) == 1;
  v4.sin_family = AF_INET;
  v4.sin_port = htons(static_cast<uint16_t>(address.port));
  inet_pton(AF_INET6, address.host.c_str(), &v6.sin6_addr);
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(static_cast<uint16_t>(address.port));
  Socket socket(is_v4 ? AF_INET : AF_INET6);
  // So that connections of a server that has just ended do not count.
  socket.Set(SOL_SOCKET, SO_REUSEADDR, 1);
  // [::] stands for IPv4's addresses too.
  if (!is_v4) socket.Set(IPPROTO_IPV6, IPV6_V6ONLY, 0);
  KeepAlive(&socket);
  auto* const name = is_v4 ? reinterpret_cast<sockaddr*>(&v4) : reinterpret_cast<sockaddr*>(&v6);
  socklen_t size = is_v4 ? sizeof v4 : sizeof v6;
  if (bind(socket.fd(), name, size) < 0 || listen(socket.fd(), kBacklog) < 0 ||
      getsockname(socket.fd(), name, &size) < 0) {
    return CannotListen(address, errno);
  }
  const int port = ntohs(is_v4 ? v4.sin_port : v6.sin6_port);
  return ListeningSocket{socket.Release(), port};
}

}  // namespace sluice::server
