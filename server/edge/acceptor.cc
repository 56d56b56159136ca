#include "server/edge/acceptor.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <spdlog/spdlog.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"

namespace sluice::server {
namespace {

// Connections accepted before those that are there already get their turn.
constexpr int kAcceptedAtOnce = 16;
// When nothing else helps.
constexpr std::chrono::milliseconds kPause{100};

int Reserve() { return open("/dev/null", O_RDONLY | O_CLOEXEC); }

// In gRPC's form.
std::string PeerOf(const sockaddr_storage& address) {
  char text[INET6_ADDRSTRLEN] = "";
  if (address.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(address);
    inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text);
    return absl::StrCat("ipv4:", text, ":", ntohs(v4.sin_port));
  }
  if (address.ss_family != AF_INET6) return "unix:";
  const auto& v6 = reinterpret_cast<const sockaddr_in6&>(address);
  if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
    inet_ntop(AF_INET, v6.sin6_addr.s6_addr + 12, text, sizeof text);
    return absl::StrCat("ipv4:", text, ":", ntohs(v6.sin6_port));
  }
  inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
  const std::string zone = v6.sin6_scope_id == 0 ? "" : absl::StrCat("%", v6.sin6_scope_id);
  return absl::StrCat("ipv6:[", text, zone, "]:", ntohs(v6.sin6_port));
}

}  // namespace

Acceptor::Acceptor(int listening, IoThread* thread, Ledger* ledger, Accepted accepted)
    : thread_(thread),
      ledger_(ledger),
      accepted_(std::move(accepted)),
      listening_(thread->context(), listening),
      pause_(thread->context()),
      reserve_(Reserve()) {}

Acceptor::~Acceptor() {
  if (reserve_ >= 0) close(reserve_);
}

void Acceptor::Stop() {
  listening_.close();
  pause_.cancel();
}

void Acceptor::Await() {
  listening_.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                        [self = shared_from_this()](const boost::system::error_code& error) {
                          if (error || !self->listening_.is_open()) return;
                          self->Accept();
                          self->thread_->Settle();
                        });
}

void Acceptor::Accept() {
  for (int i = 0; i < kAcceptedAtOnce; ++i) {
    sockaddr_storage address{};
    socklen_t size = sizeof address;
    const int fd = accept4(listening_.native_handle(), reinterpret_cast<sockaddr*>(&address), &size,
                           SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      const int on = 1;
      if (address.ss_family != AF_UNIX) setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      accepted_(fd, address.ss_family, PeerOf(address));
      continue;
    }
    if (errno == EMFILE || errno == ENFILE) return TurnAway();
    if (errno == ENOBUFS || errno == ENOMEM) break;
    if (errno == EAGAIN) break;
    // A connection that was broken off before it was accepted. The next one may be well.
  }
  Await();
}

void Acceptor::TurnAway() {
  ledger_->CountRefused("no descriptor is left");
  if (reserve_ >= 0) {
    close(reserve_);
    const int fd = accept4(listening_.native_handle(), nullptr, nullptr, SOCK_CLOEXEC);
    if (fd >= 0) close(fd);
    reserve_ = Reserve();
    if (fd >= 0 && reserve_ >= 0) return Await();
  } else {
    reserve_ = Reserve();
  }
  // Another thread has taken the descriptor.
  pause_.expires_after(kPause);
  pause_.async_wait([self = shared_from_this()](const boost::system::error_code& error) {
    if (!error) self->Await();
  });
}

}  // namespace sluice::server
