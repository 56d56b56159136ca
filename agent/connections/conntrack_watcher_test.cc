#include "agent/connections/conntrack_watcher.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "third_party/annotated_mutex/mutex.h"

namespace sluice::agent {
namespace {

constexpr std::chrono::seconds kPatience{30};
constexpr size_t kPlenty = 8 * 1024 * 1024;
constexpr size_t kTiny = 4096;

// Keeps what is posted and waits for it.
class Sink final : public EventSink {
 public:
  void Post(v1::Event event) override {
    MutexLock lock(mutex_);
    events_.push_back(std::move(event));
    changed_.notify_all();
  }
  bool Congested() const override {
    MutexLock lock(mutex_);
    return congested_;
  }
  void SetCongested(bool congested) {
    MutexLock lock(mutex_);
    congested_ = congested;
  }

  // Everything that was not handed out yet, up to the first event that `matches`.
  std::vector<v1::Event> Sent(const std::function<bool(const v1::Event&)>& matches) {
    MutexLock lock(mutex_);
    size_t looked_at = 0;
    size_t count = 0;
    const bool came = lock.WaitFor(changed_, kPatience, [&]() ABSL_NO_THREAD_SAFETY_ANALYSIS {
      while (looked_at < events_.size() && count == 0) {
        if (matches(events_[looked_at++])) count = looked_at;
      }
      return count > 0;
    });
    EXPECT_TRUE(came);
    std::vector<v1::Event> sent(events_.begin(), events_.begin() + static_cast<ptrdiff_t>(count));
    events_.erase(events_.begin(), events_.begin() + static_cast<ptrdiff_t>(count));
    return sent;
  }

 private:
  mutable Mutex mutex_;
  std::condition_variable changed_;
  std::vector<v1::Event> events_ ABSL_GUARDED_BY(mutex_);
  bool congested_ ABSL_GUARDED_BY(mutex_) = false;
};

bool IsGap(const v1::Event& event) { return event.has_gap(); }
bool IsDone(const v1::Event& event) { return event.has_resync_done(); }
// Of the flow to `port`.
std::function<bool(const v1::Event&)> Is(v1::EventType type, uint32_t port) {
  return [=](const v1::Event& event) {
    return event.conntrack().type() == type &&
           event.conntrack().flow().original().destination_port() == port;
  };
}

std::set<uint32_t> SnapshotPorts(const std::vector<v1::Event>& events) {
  std::set<uint32_t> ports;
  for (const v1::Event& event : events) {
    if (event.conntrack().type() != v1::EVENT_TYPE_SNAPSHOT) continue;
    ports.insert(event.conntrack().flow().original().destination_port());
  }
  return ports;
}

// nft and conntrack work in this process's network namespace.
void Command(const std::string& command) {
  ASSERT_EQ(std::system((command + " >/dev/null 2>&1").c_str()), 0) << command;
}

// A socket that closes itself.
class Socket {
 public:
  Socket(int family, int type) : fd_(socket(family, type | SOCK_CLOEXEC, 0)) {}
  explicit Socket(int fd) : fd_(fd) {}
  ~Socket() { close(fd_); }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  int fd() const { return fd_; }

 private:
  const int fd_;
};

struct Loopback {
  Loopback(int family, uint16_t port) {
    auto* v4 = reinterpret_cast<sockaddr_in*>(&storage);
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&storage);
    storage.ss_family = static_cast<sa_family_t>(family);
    if (family == AF_INET) {
      v4->sin_port = htons(port);
      v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      size = sizeof *v4;
    } else {
      v6->sin6_port = htons(port);
      v6->sin6_addr = in6addr_loopback;
      size = sizeof *v6;
    }
  }
  sockaddr* address() { return reinterpret_cast<sockaddr*>(&storage); }
  sockaddr_storage storage{};
  socklen_t size;
};

// One flow for each port; nobody listens there.
void SendUdp(int family, uint16_t first_port, int count = 1) {
  for (int i = 0; i < count; ++i) {
    // A fresh socket, as the answers (port unreachable) would fail the next send.
    const Socket sender(family, SOCK_DGRAM);
    Loopback to(family, static_cast<uint16_t>(first_port + i));
    ASSERT_EQ(sendto(sender.fd(), "x", 1, 0, to.address(), to.size), 1);
  }
}

class ConntrackWatcherTest : public testing::Test {
 protected:
  // A network namespace of the test process's own, with a loopback device and something that uses
  // conntrack: a listener alone does not make the kernel track connections.
  static void SetUpTestSuite() {
    ASSERT_EQ(unshare(CLONE_NEWNET), 0) << "needs root";
    const Socket any(AF_INET, SOCK_DGRAM);
    ifreq request{};
    request.ifr_name[0] = 'l';
    request.ifr_name[1] = 'o';
    request.ifr_flags = IFF_UP;
    ASSERT_EQ(ioctl(any.fd(), SIOCSIFFLAGS, &request), 0);
    Command(
        "nft 'add table inet t; add chain inet t c { type filter hook input priority 0; }; "
        "add rule inet t c ct state new accept'");
  }
  void SetUp() override { Command("conntrack -F"); }

  void Open(size_t receive_buffer) {
    auto watcher = ConntrackWatcher::Open({.receive_buffer = receive_buffer}, &sink_);
    ASSERT_TRUE(watcher.ok()) << watcher.status();
    watcher_ = *std::move(watcher);
  }
  // Started, with the first snapshot behind it.
  void Follow(size_t receive_buffer) {
    Open(receive_buffer);
    watcher_->Start();
    watcher_->RequestResync(v1::GAP_CAUSE_STREAM_START);
    sink_.Sent(IsDone);
  }

  Sink sink_;
  std::unique_ptr<ConntrackWatcher> watcher_;
};

TEST_F(ConntrackWatcherTest, UdpOfBothFamilies) {
  Follow(kPlenty);
  SendUdp(AF_INET, 5000);
  const v1::Event v4 = sink_.Sent(Is(v1::EVENT_TYPE_NEW, 5000)).back();
  EXPECT_EQ(v4.conntrack().flow().family(), v1::FAMILY_IPV4);
  EXPECT_EQ(v4.conntrack().flow().original().source(), std::string("\x7f\0\0\1", 4));
  EXPECT_EQ(v4.conntrack().flow().original().protocol(), 17u);
  EXPECT_TRUE(v4.conntrack().flow().has_id());
  EXPECT_GT(v4.time().seconds(), 1'700'000'000);
  SendUdp(AF_INET6, 5001);
  const v1::Event v6 = sink_.Sent(Is(v1::EVENT_TYPE_NEW, 5001)).back();
  EXPECT_EQ(v6.conntrack().flow().family(), v1::FAMILY_IPV6);
  EXPECT_EQ(v6.conntrack().flow().original().source().size(), 16u);

  Command("conntrack -D -p udp --dport 5000");
  const v1::Event end = sink_.Sent(Is(v1::EVENT_TYPE_DESTROY, 5000)).back();
  EXPECT_EQ(end.conntrack().flow().id(), v4.conntrack().flow().id());
  EXPECT_GE(watcher_->counters().events, 3u);
  EXPECT_EQ(watcher_->counters().lost, 0u);
  EXPECT_EQ(watcher_->counters().gaps, 0u);
}

TEST_F(ConntrackWatcherTest, TcpOfBothFamilies) {
  Follow(kPlenty);
  for (const int family : {AF_INET, AF_INET6}) {
    const Socket listener(family, SOCK_STREAM);
    Loopback at(family, 0);
    ASSERT_EQ(bind(listener.fd(), at.address(), at.size), 0);
    ASSERT_EQ(listen(listener.fd(), 1), 0);
    ASSERT_EQ(getsockname(listener.fd(), at.address(), &at.size), 0);
    const uint16_t port = ntohs(reinterpret_cast<sockaddr_in*>(&at.storage)->sin_port);
    {
      const Socket client(family, SOCK_STREAM);
      ASSERT_EQ(connect(client.fd(), at.address(), at.size), 0);
      sink_.Sent(Is(v1::EVENT_TYPE_NEW, port));
      const auto is_update = Is(v1::EVENT_TYPE_UPDATE, port);
      sink_.Sent([&](const v1::Event& event) {
        return is_update(event) && event.conntrack().flow().tcp().state() == 3;  // ESTABLISHED
      });
    }
    Command("conntrack -D -p tcp -f " + std::string(family == AF_INET ? "ipv4" : "ipv6") +
            " --dport " + std::to_string(port));
    sink_.Sent(Is(v1::EVENT_TYPE_DESTROY, port));
  }
}

TEST_F(ConntrackWatcherTest, FlowsOlderThanTheListenerAreSnapshots) {
  constexpr int kFlows = 300;  // several chunks of a dump
  SendUdp(AF_INET, 10000, kFlows);
  SendUdp(AF_INET6, 20000, kFlows);
  Open(kPlenty);
  watcher_->Start();
  watcher_->RequestResync(v1::GAP_CAUSE_STREAM_START);
  const std::vector<v1::Event> sent = sink_.Sent(IsDone);
  EXPECT_EQ(sent.front().gap().cause(), v1::GAP_CAUSE_STREAM_START);
  const std::set<uint32_t> ports = SnapshotPorts(sent);
  for (int i = 0; i < kFlows; ++i) {
    EXPECT_TRUE(ports.contains(static_cast<uint32_t>(10000 + i))) << i;
    EXPECT_TRUE(ports.contains(static_cast<uint32_t>(20000 + i))) << i;
  }
  EXPECT_EQ(sent.back().resync_done().connections(), sent.size() - 2);
  EXPECT_EQ(watcher_->counters().events, 0u);
}

TEST_F(ConntrackWatcherTest, FlowsOlderThanTheListenerEndUnseen) {
  // As it is without any listener; but others on this machine may listen.
  Command("sysctl -w net.netfilter.nf_conntrack_events=0");
  Command("sysctl -w net.netfilter.nf_conntrack_udp_timeout=3");
  SendUdp(AF_INET, 10000);
  SendUdp(AF_INET6, 20000);
  Command("sysctl -w net.netfilter.nf_conntrack_udp_timeout=30");
  SendUdp(AF_INET, 11000);
  Command("sysctl -w net.netfilter.nf_conntrack_events=2");
  Follow(kPlenty);
  std::set<uint32_t> ended;
  while (ended.size() < 2) {
    const v1::Event end = sink_
                              .Sent([](const v1::Event& event) {
                                return event.conntrack().type() == v1::EVENT_TYPE_DESTROY;
                              })
                              .back();
    EXPECT_TRUE(end.conntrack().unseen());
    EXPECT_TRUE(end.conntrack().flow().has_id());
    EXPECT_GT(end.time().seconds(), 1'700'000'000);
    ended.insert(end.conntrack().flow().original().destination_port());
  }
  EXPECT_EQ(ended, (std::set<uint32_t>{10000, 20000}));
  EXPECT_EQ(watcher_->counters().events, 0u);
}

TEST_F(ConntrackWatcherTest, OverrunIsAGapAndResyncs) {
  constexpr int kFlows = 500;
  Open(kTiny);
  SendUdp(AF_INET, 10000, kFlows);
  watcher_->Start();
  const std::vector<v1::Event> sent = sink_.Sent(IsDone);
  EXPECT_EQ(sent.front().gap().cause(), v1::GAP_CAUSE_KERNEL_OVERRUN);
  EXPECT_EQ(sent.front().gap().lost_at_least(), 1u);
  EXPECT_EQ(sent.back().resync_done().connections(), SnapshotPorts(sent).size());
  EXPECT_GE(SnapshotPorts(sent).size(), static_cast<size_t>(kFlows));
  EXPECT_GE(watcher_->counters().gaps, 1u);
  EXPECT_GE(watcher_->counters().lost, 1u);
  // The watcher goes on.
  SendUdp(AF_INET, 9000);
  sink_.Sent(Is(v1::EVENT_TYPE_NEW, 9000));
}

// The stream, applied as a server would, leads to the table that the kernel has.
TEST_F(ConntrackWatcherTest, ChurnWithOverrunsComesToTheSameTable) {
  Open(kTiny);
  watcher_->Start();
  watcher_->RequestResync(v1::GAP_CAUSE_STREAM_START);
  for (int round = 0; round < 5; ++round) {
    SendUdp(AF_INET, 10000, 400);
    Command("conntrack -D -p udp --dport " + std::to_string(10000 + round));
    Command("conntrack -F -f ipv4");
    SendUdp(AF_INET, static_cast<uint16_t>(20000 + 1000 * round), 100);
  }
  // The last thing that happens; from here on a resync brings everything.
  SendUdp(AF_INET, 9000);
  watcher_->RequestResync(v1::GAP_CAUSE_BACKLOG_FULL);

  std::map<uint32_t, bool> heard;  // port of each flow: since the last gap
  const auto apply = [&heard](const v1::Event& event) {
    if (event.has_gap()) {
      for (auto& [port, since_gap] : heard) since_gap = false;
    } else if (event.has_resync_done()) {
      std::erase_if(heard, [](const auto& flow) { return !flow.second; });
    } else if (event.conntrack().type() == v1::EVENT_TYPE_DESTROY) {
      heard.erase(event.conntrack().flow().original().destination_port());
    } else {
      heard[event.conntrack().flow().original().destination_port()] = true;
    }
  };
  bool asked = false;
  for (bool done = false; !done;) {
    for (const v1::Event& event : sink_.Sent(IsDone)) {
      apply(event);
      if (event.gap().cause() == v1::GAP_CAUSE_BACKLOG_FULL) asked = true;
      done = asked && event.has_resync_done();
    }
  }
  std::set<uint32_t> ports;
  for (const auto& [port, since_gap] : heard) ports.insert(port);
  std::set<uint32_t> expected{9000};
  for (uint32_t port = 24000; port < 24100; ++port) expected.insert(port);
  // Port unreachable answers are no flows of their own.
  EXPECT_EQ(ports, expected);
}

TEST_F(ConntrackWatcherTest, DumpPausesWhileTheSinkIsCongested) {
  SendUdp(AF_INET, 10000, 300);
  Open(kPlenty);
  sink_.SetCongested(true);
  watcher_->Start();
  watcher_->RequestResync(v1::GAP_CAUSE_STREAM_START);
  sink_.Sent(IsGap);
  // A second request is answered while the first dump waits, whose snapshots never come.
  watcher_->RequestResync(v1::GAP_CAUSE_BACKLOG_FULL);
  EXPECT_EQ(sink_.Sent([](const v1::Event&) { return true; }).front().gap().cause(),
            v1::GAP_CAUSE_BACKLOG_FULL);
  sink_.SetCongested(false);
  EXPECT_GE(SnapshotPorts(sink_.Sent(IsDone)).size(), 300u);
}

TEST_F(ConntrackWatcherTest, StopsAtAnyTime) {
  Open(kPlenty);
  watcher_->Stop();
  watcher_.reset();
  SendUdp(AF_INET, 10000, 300);
  Open(kPlenty);
  sink_.SetCongested(true);
  watcher_->Start();
  watcher_->RequestResync(v1::GAP_CAUSE_STREAM_START);
  sink_.Sent(IsGap);
  watcher_->Stop();
}

TEST_F(ConntrackWatcherTest, SaysWhenItMayNot) {
  ASSERT_EQ(seteuid(65534), 0);
  const auto watcher = ConntrackWatcher::Open({}, &sink_);
  ASSERT_EQ(seteuid(0), 0);
  EXPECT_EQ(watcher.status().code(), absl::StatusCode::kPermissionDenied) << watcher.status();
  EXPECT_NE(watcher.status().message().find("CAP_NET_ADMIN"), absl::string_view::npos);
}

}  // namespace
}  // namespace sluice::agent
