#include "server/listen_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

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
  explicit Socket(int family) : fd_(socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0)) {}
  ~Socket() {
    if (fd_ >= 0) close(fd_);
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  int fd() const { return fd_; }

 private:
  const int fd_;
};

absl::Status CannotListen(const ListenAddress& address, int error, const char* advice) {
  return absl::UnavailableError(absl::StrCat("cannot listen on ", address.WithPort(address.port),
                                             ": ", std::strerror(error), advice));
}

absl::Status CheckUnix(const ListenAddress& address) {
  sockaddr_un name{};
  name.sun_family = AF_UNIX;
  address.path.copy(name.sun_path, sizeof(name.sun_path) - 1);
  const Socket socket(AF_UNIX);
  if (connect(socket.fd(), reinterpret_cast<const sockaddr*>(&name), sizeof(name)) == 0) {
    return CannotListen(address, EADDRINUSE, "; another server has it, stop that one first");
  }
  return absl::OkStatus();
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

std::string ListenAddress::Target() const { return WithPort(port); }

std::string ListenAddress::WithPort(int bound) const {
  if (!path.empty()) return absl::StrCat("unix:", path);
  const bool v6 = host.find(':') != std::string::npos;
  return v6 ? absl::StrCat("[", host, "]:", bound) : absl::StrCat(host, ":", bound);
}

absl::Status CheckFree(const ListenAddress& address) {
  if (!address.path.empty()) return CheckUnix(address);
  sockaddr_in v4{};
  sockaddr_in6 v6{};
  const bool is_v4 = inet_pton(AF_INET, address.host.c_str(), &v4.sin_addr) == 1;
  v4.sin_family = AF_INET;
  v4.sin_port = htons(static_cast<uint16_t>(address.port));
  v6.sin6_family = AF_INET6;
  v6.sin6_port = htons(static_cast<uint16_t>(address.port));
  if (!is_v4) inet_pton(AF_INET6, address.host.c_str(), &v6.sin6_addr);
  const Socket socket(is_v4 ? AF_INET : AF_INET6);
  // Like gRPC, so that connections of a server that has just ended do not count.
  const int on = 1;
  setsockopt(socket.fd(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
  const auto* name =
      is_v4 ? reinterpret_cast<const sockaddr*>(&v4) : reinterpret_cast<const sockaddr*>(&v6);
  const socklen_t size = is_v4 ? sizeof(v4) : sizeof(v6);
  if (bind(socket.fd(), name, size) == 0 && listen(socket.fd(), 1) == 0) return absl::OkStatus();
  const int error = errno;
  const char* advice = error == EADDRINUSE      ? "; another process has it, or choose another port"
                       : error == EADDRNOTAVAIL ? "; this host has no such address"
                       : error == EACCES        ? "; ports below 1024 need CAP_NET_BIND_SERVICE"
                                                : "";
  return CannotListen(address, error, advice);
}

}  // namespace sluice::server
