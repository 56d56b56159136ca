#include "tests/bench/programs/connect_loop.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <vector>

#include "tests/bench/programs/times.h"

namespace sluice::bench {
namespace {

constexpr int64_t kMs = 1'000'000;
// A SYN is sent again after a second, so a connection that takes this long has lost one.
constexpr int64_t kLostNs = 900 * kMs;

struct Connection {
  int fd = -1;
  int64_t begun_ns = 0;
  int64_t took_ns = 0;  // Time to connect; 0: not connected yet.
};

class ConnectLoop final {
 public:
  ConnectLoop(const ConnectLoopOptions& options, const sockaddr_in& to, int epoll)
      : options_(options), to_(to), epoll_(epoll), connections_(options.at_once) {
    for (size_t i = 0; i < options.at_once; ++i) free_.push_back(i);
  }
  ~ConnectLoop() {
    for (const Connection& connection : connections_) {
      if (connection.fd >= 0) close(connection.fd);
    }
    close(epoll_);
  }
  ConnectLoop(const ConnectLoop&) = delete;

  absl::StatusOr<ConnectsMeasured> Run() {
    start_ns_ = NowNs();
    begin_ns_ = start_ns_ + options_.warm_up.count() * kMs;
    end_ns_ = begin_ns_ + options_.measure.count() * kMs;
    for (int64_t now_ns = start_ns_; now_ns < end_ns_; now_ns = NowNs()) {
      while (!free_.empty() && Due(now_ns)) {
        if (const absl::Status status = Begin(); !status.ok()) return status;
      }
      Wait();
    }
    const int64_t give_up_ns = NowNs() + options_.drain.count() * kMs;
    while (UnderWay() > 0 && NowNs() < give_up_ns) Wait();
    return ConnectsMeasured{.seconds = static_cast<double>(end_ns_ - begin_ns_) / 1e9,
                            .begun = begun_,
                            .lost = lost_ + UnderWay(),
                            .connects = times_ns_.size(),
                            .p50_us = PercentileUs(times_ns_, 0.50),
                            .p99_us = PercentileUs(times_ns_, 0.99)};
  }

 private:
  size_t UnderWay() const { return connections_.size() - free_.size(); }

  bool Due(int64_t now_ns) const {
    const double seconds = static_cast<double>(now_ns - start_ns_) / 1e9;
    return options_.rate == 0 || static_cast<double>(begun_) < options_.rate * seconds;
  }

  absl::Status Begin() {
    const size_t index = free_.back();
    Connection& connection = connections_[index];
    connection = {.begun_ns = NowNs()};
    connection.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (connection.fd < 0) return absl::ErrnoToStatus(errno, "socket");
    const linger reset = {.l_onoff = 1, .l_linger = 0};
    setsockopt(connection.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    if (connect(connection.fd, reinterpret_cast<const sockaddr*>(&to_), sizeof(to_)) != 0 &&
        errno != EINPROGRESS) {
      return absl::ErrnoToStatus(errno, "connect");
    }
    epoll_event event = {.events = EPOLLOUT | EPOLLRDHUP | EPOLLET, .data = {.u64 = index}};
    if (epoll_ctl(epoll_, EPOLL_CTL_ADD, connection.fd, &event) != 0) {
      return absl::ErrnoToStatus(errno, "epoll_ctl");
    }
    free_.pop_back();
    ++begun_;
    return absl::OkStatus();
  }

  void Wait() {
    std::array<epoll_event, 64> events;
    // At a fixed rate, the next may be due before any of those under way has ended.
    const int wait_ms = options_.rate == 0 ? 10 : 1;
    const int count = epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), wait_ms);
    const int64_t now_ns = NowNs();
    for (int i = 0; i < count; ++i) {
      Connection& connection = connections_[events[i].data.u64];
      if (connection.took_ns == 0) connection.took_ns = now_ns - connection.begun_ns;
      if ((events[i].events & (EPOLLRDHUP | EPOLLERR | EPOLLHUP)) != 0) {
        End(events[i].data.u64, (events[i].events & EPOLLERR) == 0, now_ns);
      }
    }
  }

  void End(size_t index, bool connected, int64_t now_ns) {
    Connection& connection = connections_[index];
    close(connection.fd);
    connection.fd = -1;
    free_.push_back(index);
    if (!connected || now_ns - connection.begun_ns > kLostNs) ++lost_;
    if (connected && now_ns >= begin_ns_ && now_ns < end_ns_) {
      times_ns_.push_back(static_cast<uint32_t>(std::min<int64_t>(connection.took_ns, UINT32_MAX)));
    }
  }

  const ConnectLoopOptions options_;
  const sockaddr_in to_;
  const int epoll_;
  std::vector<Connection> connections_;
  std::vector<size_t> free_;  // Indices of those that may begin.
  size_t begun_ = 0;
  size_t lost_ = 0;
  int64_t start_ns_ = 0;
  int64_t begin_ns_ = INT64_MAX;
  int64_t end_ns_ = INT64_MAX;
  std::vector<uint32_t> times_ns_;
};

}  // namespace

absl::StatusOr<ConnectsMeasured> RunConnectLoop(const ConnectLoopOptions& options,
                                                const sockaddr_in& to) {
  const int epoll = epoll_create1(EPOLL_CLOEXEC);
  if (epoll < 0) return absl::ErrnoToStatus(errno, "epoll_create1");
  return ConnectLoop(options, to, epoll).Run();
}

}  // namespace sluice::bench
