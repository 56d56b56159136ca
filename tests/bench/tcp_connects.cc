// tcp_connects: opens TCP connections, so many at once, to a tcp_accept that closes each. When its
// FIN has come, so that no connection waits there to be accepted, it resets it: then no TIME_WAIT
// uses up the ports, and conntrack takes the port's next connection for a new one. (Not after a
// reset from the server: then it takes the next for the old one.) Prints one line of JSON.
//
//   tcp_connects --to 10.0.0.1:9100 --at-once 32 --seconds 2      as fast as they come
//   tcp_connects --to 10.0.0.1:9100 --rate 1000 --seconds 2       at a fixed rate

#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "tests/bench/times.h"
#include "tests/bench/udp_flows.h"

namespace sluice::bench {
namespace {

// A SYN is sent again after a second, so what takes this long has lost one.
constexpr int64_t kLostNs = 900'000'000;
// After the end, for those that are under way.
constexpr int64_t kDrainNs = 300'000'000;

[[noreturn]] void Fail(const char* what) {
  std::fprintf(stderr, "tcp_connects: %s: %s\n", what, std::strerror(errno));
  std::exit(1);
}

struct Connection {
  int fd = -1;
  int64_t begun_ns = 0;
  int64_t took_ns = 0;  // To be connected; 0: is not yet.
};

class Connects final {
 public:
  // `rate` is connections a second; 0 is no limit.
  Connects(const sockaddr_in& to, size_t at_once, double rate)
      : to_(to), rate_(rate), epoll_(epoll_create1(EPOLL_CLOEXEC)), connections_(at_once) {
    if (epoll_ < 0) Fail("epoll_create1");
    for (size_t i = 0; i < at_once; ++i) free_.push_back(i);
  }
  ~Connects() { close(epoll_); }
  Connects(const Connects&) = delete;

  void Run(double warm_up, double seconds) {
    start_ns_ = NowNs();
    begin_ns_ = start_ns_ + static_cast<int64_t>(warm_up * 1e9);
    end_ns_ = begin_ns_ + static_cast<int64_t>(seconds * 1e9);
    for (int64_t now_ns = start_ns_; now_ns < end_ns_; now_ns = NowNs()) {
      while (!free_.empty() && Due(now_ns)) Begin();
      Wait();
    }
    while (Open() > 0 && NowNs() < end_ns_ + kDrainNs) Wait();
    lost_ += Open();
  }

  void Print() {
    const double seconds = static_cast<double>(end_ns_ - begin_ns_) / 1e9;
    std::printf(
        "{\"begun\": %zu, \"connects\": %zu, \"connects_per_second\": %.1f, \"p50_us\": %.1f, "
        "\"p99_us\": %.1f, "
        "\"lost\": %zu}\n",
        begun_, times_ns_.size(), static_cast<double>(times_ns_.size()) / seconds,
        PercentileUs(times_ns_, 0.50), PercentileUs(times_ns_, 0.99), lost_);
  }

 private:
  size_t Open() const { return connections_.size() - free_.size(); }

  bool Due(int64_t now_ns) const {
    return rate_ == 0 ||
           static_cast<double>(begun_) < rate_ * static_cast<double>(now_ns - start_ns_) / 1e9;
  }

  void Begin() {
    const size_t index = free_.back();
    free_.pop_back();
    ++begun_;
    Connection& connection = connections_[index];
    connection.begun_ns = NowNs();
    connection.took_ns = 0;
    connection.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (connection.fd < 0) Fail("socket");
    const linger reset = {.l_onoff = 1, .l_linger = 0};
    setsockopt(connection.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
    if (connect(connection.fd, reinterpret_cast<const sockaddr*>(&to_), sizeof(to_)) != 0 &&
        errno != EINPROGRESS) {
      Fail("connect");
    }
    epoll_event event = {.events = EPOLLOUT | EPOLLRDHUP | EPOLLET, .data = {.u64 = index}};
    if (epoll_ctl(epoll_, EPOLL_CTL_ADD, connection.fd, &event) != 0) Fail("epoll_ctl");
  }

  void Wait() {
    std::array<epoll_event, 64> events;
    // At a fixed rate the next may be due before one of those under way has ended.
    const int wait_ms = rate_ == 0 ? 10 : 1;
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
    const Connection& connection = connections_[index];
    close(connection.fd);
    free_.push_back(index);
    if (!connected || now_ns - connection.begun_ns > kLostNs) ++lost_;
    if (connected && now_ns >= begin_ns_ && now_ns < end_ns_) {
      times_ns_.push_back(static_cast<uint32_t>(std::min<int64_t>(connection.took_ns, UINT32_MAX)));
    }
  }

  const sockaddr_in to_;
  const double rate_;
  const int epoll_;
  std::vector<Connection> connections_;
  std::vector<size_t> free_;  // Of them, those that may begin.
  size_t begun_ = 0;          // Warm-up included, as for those lost: it is found out later.
  size_t lost_ = 0;
  int64_t start_ns_ = 0;
  int64_t begin_ns_ = INT64_MAX;
  int64_t end_ns_ = INT64_MAX;
  std::vector<uint32_t> times_ns_;
};

int Main(int argc, char** argv) {
  CLI::App app("Opens TCP connections and measures how fast they come");
  std::string to;
  size_t at_once = 32;
  double rate = 0;
  double seconds = 2;
  double warm_up = 0.3;
  app.add_option("--to", to, "address:port")->required();
  app.add_option("--at-once", at_once, "connections under way")->check(CLI::Range(1, 4096));
  app.add_option("--rate", rate, "connections a second")->check(CLI::Range(0.0, 1e6));
  app.add_option("--seconds", seconds, "to measure")->check(CLI::Range(0.01, 600.0));
  app.add_option("--warm-up", warm_up, "seconds before")->check(CLI::Range(0.0, 60.0));
  CLI11_PARSE(app, argc, argv);
  const absl::StatusOr<sockaddr_in> address = ParseAddress(to);
  if (!address.ok()) {
    std::fprintf(stderr, "tcp_connects: --to %s\n",
                 std::string(address.status().message()).c_str());
    return 2;
  }
  Connects connects(*address, at_once, rate);
  connects.Run(warm_up, seconds);
  connects.Print();
  return 0;
}

}  // namespace
}  // namespace sluice::bench

int main(int argc, char** argv) { return sluice::bench::Main(argc, argv); }
