// delay_relay: forwards TCP connections to another address, and delays every byte by a fixed time
// in both directions, without limiting the bandwidth. It makes round trips longer where the kernel
// has no netem. Prints "ready" once it listens and, at SIGUSR1, how many gRPC messages have passed
// the busiest connection (MessageCounter). Runs until it is killed.

#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "tests/bench/programs/message_counter.h"
#include "tests/bench/programs/udp_flows.h"

namespace sluice::bench {
namespace {

// A line holds all bytes that are sent within its delay: 64 MiB in 30 ms are 17 Gbit/s.
constexpr size_t kLineHolds = 64 << 20;
constexpr size_t kReadSize = 256 << 10;

[[noreturn]] void Fail(const char* what) {
  std::fprintf(stderr, "delay_relay: %s: %s\n", what, std::strerror(errno));
  std::exit(1);
}

int64_t Now() {
  timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec * int64_t{1'000'000'000} + time.tv_nsec;
}

// One direction of a connection. Neither socket is owned.
class Line final {
 public:
  Line(int from, int to, int64_t delay_ns, bool upwards)
      : from_(from), to_(to), delay_ns_(delay_ns), counter_(upwards) {}

  bool wants_to_read() const { return !ended_ && held_ < kLineHolds; }
  bool wants_to_write(int64_t now_ns) const {
    return !line_.empty() && line_.front().due <= now_ns;
  }
  // When the next bytes reach the line's end; INT64_MAX if it is empty.
  int64_t due() const { return line_.empty() ? INT64_MAX : line_.front().due; }
  bool finished() const { return ended_ && line_.empty(); }
  uint64_t messages() const { return counter_.messages(); }

  // Both return false if the connection is broken.
  bool Read(int64_t now_ns) {
    std::vector<uint8_t> bytes(kReadSize);
    const ssize_t size = read(from_, bytes.data(), bytes.size());
    if (size < 0) return errno == EAGAIN || errno == EINTR;
    bytes.resize(static_cast<size_t>(size));
    counter_.Feed(bytes);
    held_ += bytes.size();
    ended_ = bytes.empty();
    line_.push_back({now_ns + delay_ns_, std::move(bytes)});
    return true;
  }
  bool Write(int64_t now_ns) {
    while (wants_to_write(now_ns)) {
      Chunk& chunk = line_.front();
      if (chunk.bytes.empty()) {
        shutdown(to_, SHUT_WR);
      } else {
        const ssize_t size = send(to_, chunk.bytes.data() + chunk.sent,
                                  chunk.bytes.size() - chunk.sent, MSG_NOSIGNAL);
        if (size < 0) return errno == EAGAIN || errno == EINTR;
        held_ -= static_cast<size_t>(size);
        chunk.sent += static_cast<size_t>(size);
        if (chunk.sent < chunk.bytes.size()) return true;
      }
      line_.pop_front();
    }
    return true;
  }

 private:
  struct Chunk {
    int64_t due = 0;
    std::vector<uint8_t> bytes;  // empty: the end
    size_t sent = 0;
  };

  const int from_;
  const int to_;
  const int64_t delay_ns_;
  MessageCounter counter_;
  std::deque<Chunk> line_;
  size_t held_ = 0;
  bool ended_ = false;
};

// Takes two connected sockets.
struct Connection {
  Connection(int near_fd, int far_fd, int64_t delay_ns)
      : near(near_fd),
        far(far_fd),
        up(near, far, delay_ns, true),
        down(far, near, delay_ns, false) {
    for (const int fd : {near, far}) {
      const int on = 1;
      setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      fcntl(fd, F_SETFL, O_NONBLOCK);
    }
  }
  ~Connection() {
    close(near);
    close(far);
  }
  Connection(const Connection&) = delete;

  pollfd Interest(int fd, const Line& in, const Line& out, int64_t now_ns) const {
    short events = in.wants_to_read() ? POLLIN : 0;
    if (out.wants_to_write(now_ns)) events |= POLLOUT;
    return {fd, events, 0};
  }

  const int near;
  const int far;
  Line up;
  Line down;
};

class Relay final {
 public:
  Relay(const sockaddr_in& listen_at, const sockaddr_in& to, int64_t delay_ns)
      : to_(to), delay_ns_(delay_ns), listener_(socket(AF_INET, SOCK_STREAM, 0)) {
    const int on = 1;
    setsockopt(listener_, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener_, reinterpret_cast<const sockaddr*>(&listen_at), sizeof listen_at) != 0 ||
        listen(listener_, 64) != 0) {
      Fail("listen");
    }
  }

  void Turn(const sigset_t& while_waiting) {
    std::vector<pollfd> fds{{listener_, POLLIN, 0}};
    int64_t due = INT64_MAX;
    int64_t now = Now();
    for (const auto& c : connections_) {
      fds.push_back(c->Interest(c->near, c->up, c->down, now));
      fds.push_back(c->Interest(c->far, c->down, c->up, now));
      // Bytes that are due already wait for POLLOUT.
      for (const int64_t next : {c->up.due(), c->down.due()}) {
        if (next > now) due = std::min(due, next);
      }
    }
    const int64_t wait = due - now;
    const timespec timeout{.tv_sec = wait / 1'000'000'000, .tv_nsec = wait % 1'000'000'000};
    const bool some =
        ppoll(fds.data(), fds.size(), due == INT64_MAX ? nullptr : &timeout, &while_waiting) > 0;
    now = Now();
    const auto served = [&](size_t i) {
      Connection& c = *connections_[i];
      const bool near_readable = some && (fds[1 + 2 * i].revents & ~POLLOUT) != 0;
      const bool far_readable = some && (fds[2 + 2 * i].revents & ~POLLOUT) != 0;
      return (!near_readable || c.up.Read(now)) && (!far_readable || c.down.Read(now)) &&
             c.up.Write(now) && c.down.Write(now) && !(c.up.finished() && c.down.finished());
    };
    for (size_t i = connections_.size(); i-- > 0;) {
      if (!served(i)) connections_.erase(connections_.begin() + static_cast<ptrdiff_t>(i));
    }
    if (some && fds[0].revents != 0) Accept();
  }

  void PrintMessages() const {
    uint64_t up = 0;
    uint64_t down = 0;
    for (const auto& c : connections_) {
      up = std::max(up, c->up.messages());
      down = std::max(down, c->down.messages());
    }
    std::printf("messages %lu %lu\n", up, down);
    std::fflush(stdout);
  }

 private:
  void Accept() {
    const int near = accept(listener_, nullptr, nullptr);
    if (near < 0) return;
    const int far = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(far, reinterpret_cast<const sockaddr*>(&to_), sizeof to_) != 0) {
      close(near);
      close(far);
      return;
    }
    connections_.push_back(std::make_unique<Connection>(near, far, delay_ns_));
  }

  const sockaddr_in to_;
  const int64_t delay_ns_;
  const int listener_;
  std::vector<std::unique_ptr<Connection>> connections_;
};

volatile std::sig_atomic_t asked = 0;

int Main(int argc, char** argv) {
  CLI::App app("Passes TCP connections on, later");
  std::string listen_at;
  std::string to;
  int64_t delay_us = 0;
  app.add_option("--listen", listen_at, "address:port")->required();
  app.add_option("--to", to, "address:port")->required();
  app.add_option("--delay-us", delay_us, "each way, microseconds")
      ->check(CLI::Range(0, 10'000'000));
  CLI11_PARSE(app, argc, argv);
  const auto listen_address = ParseAddress(listen_at);
  const auto to_address = ParseAddress(to);
  if (!listen_address.ok() || !to_address.ok()) {
    std::fprintf(stderr, "delay_relay: --listen and --to want address:port\n");
    return 2;
  }
  // By default timers may be 50 us late.
  prctl(PR_SET_TIMERSLACK, 1);
  // Takes the signal only while it waits.
  sigset_t blocked;
  sigset_t while_waiting;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGUSR1);
  sigprocmask(SIG_BLOCK, &blocked, &while_waiting);
  std::signal(SIGUSR1, [](int) { asked = 1; });

  Relay relay(*listen_address, *to_address, delay_us * 1000);
  std::puts("ready");
  std::fflush(stdout);
  while (true) {
    relay.Turn(while_waiting);
    if (asked == 0) continue;
    asked = 0;
    relay.PrintMessages();
  }
}

}  // namespace
}  // namespace sluice::bench

int main(int argc, char** argv) { return sluice::bench::Main(argc, argv); }
