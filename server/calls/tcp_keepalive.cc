#include "server/calls/tcp_keepalive.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <charconv>
#include <cstring>
#include <filesystem>
#include <string>
#include <system_error>

#include "absl/strings/str_cat.h"

namespace sluice::server {
namespace {

bool ListensForTcp(int fd) {
  int listens = 0;
  int domain = 0;
  socklen_t size = sizeof listens;
  if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) < 0 || listens == 0) return false;
  size = sizeof domain;
  if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) < 0) return false;
  return domain == AF_INET || domain == AF_INET6;
}

bool Set(int fd, int level, int option, int64_t value) {
  const int number = static_cast<int>(value);
  return setsockopt(fd, level, option, &number, sizeof number) == 0;
}

bool Keep(int fd, const KeepaliveTimes& times) {
  // TCP_USER_TIMEOUT decides, and not the number of probes (TCP_KEEPCNT).
  const std::chrono::milliseconds given_up = times.idle + times.patience;
  return Set(fd, IPPROTO_TCP, TCP_KEEPIDLE, times.idle.count()) &&
         Set(fd, IPPROTO_TCP, TCP_KEEPINTVL, times.interval.count()) &&
         Set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, given_up.count()) &&
         Set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
}

}  // namespace

absl::Status KeepAccepted(const KeepaliveTimes& times) {
  std::error_code error;
  // gRPC does not tell which sockets are its own.
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd", error)) {
    const std::string name = entry.path().filename();
    int fd = -1;
    std::from_chars(name.data(), name.data() + name.size(), fd);
    if (ListensForTcp(fd) && !Keep(fd, times)) {
      return absl::InternalError(absl::StrCat("TCP keepalive: ", std::strerror(errno)));
    }
  }
  if (error) return absl::InternalError(absl::StrCat("/proc/self/fd: ", error.message()));
  return absl::OkStatus();
}

}  // namespace sluice::server
