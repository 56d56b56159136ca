#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <thread>

#include "tests/bench/programs/loops.h"
#include "tests/bench/programs/measured_interval.h"
#include "tests/bench/programs/udp_flows.h"

namespace sluice::bench {
namespace {

using std::chrono::milliseconds;

// An echo on the loopback that loses every `lose`-th datagram; 0 loses none.
class LossyEcho final {
 public:
  explicit LossyEcho(uint64_t lose) : fd_(socket(AF_INET, SOCK_DGRAM, 0)), lose_(lose) {
    address_.sin_family = AF_INET;
    address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof(address_);
    EXPECT_EQ(bind(fd_, reinterpret_cast<sockaddr*>(&address_), size), 0);
    EXPECT_EQ(getsockname(fd_, reinterpret_cast<sockaddr*>(&address_), &size), 0);
    thread_ = std::thread([this] { Run(); });
  }
  ~LossyEcho() {
    shutdown(fd_, SHUT_RDWR);  // Wakes the thread, with 0 bytes.
    thread_.join();
    close(fd_);
  }
  const sockaddr_in& address() const { return address_; }

 private:
  void Run() {
    std::array<char, 2048> bytes;
    sockaddr_in peer;
    for (uint64_t i = 1;; ++i) {
      socklen_t peer_size = sizeof(peer);
      const ssize_t size = recvfrom(fd_, bytes.data(), bytes.size(), 0,
                                    reinterpret_cast<sockaddr*>(&peer), &peer_size);
      if (size <= 0) return;
      if (lose_ != 0 && i % lose_ == 0) continue;
      sendto(fd_, bytes.data(), static_cast<size_t>(size), 0, reinterpret_cast<sockaddr*>(&peer),
             peer_size);
    }
  }

  const int fd_;
  const uint64_t lose_;
  sockaddr_in address_{};
  std::thread thread_;
};

UdpFlows Open(const LossyEcho& echo) {
  absl::StatusOr<UdpFlows> flows = UdpFlows::Open(echo.address(), 3, 64);
  EXPECT_TRUE(flows.ok()) << flows.status();
  return *std::move(flows);
}

TEST(ClosedLoop, CountsEveryRoundTrip) {
  LossyEcho echo(0);
  UdpFlows flows = Open(echo);
  const Measured measured = RunClosedLoop(
      {.in_flight = 8, .warm_up = milliseconds(20), .measure = milliseconds(100)}, flows);
  EXPECT_GT(measured.round_trips, 0u);
  EXPECT_EQ(measured.lost, 0u);
  EXPECT_GE(measured.seconds, 0.1);
  EXPECT_NEAR(measured.packets_per_second * measured.seconds,
              2.0 * static_cast<double>(measured.round_trips), 1);
  EXPECT_GT(measured.p50_us, 0);
  EXPECT_LE(measured.p50_us, measured.p99_us);
  EXPECT_LE(measured.p99_us, measured.max_us);
}

TEST(ClosedLoop, ReplacesLostProbesAndCountsThem) {
  LossyEcho echo(10);
  UdpFlows flows = Open(echo);
  const Measured measured = RunClosedLoop({.in_flight = 8,
                                           .warm_up = milliseconds(20),
                                           .measure = milliseconds(500),
                                           .drain = milliseconds(1000)},
                                          flows);
  // Without replacement, eight losses would have ended it.
  ASSERT_GT(measured.sent, 50u);
  EXPECT_NEAR(static_cast<double>(measured.lost), static_cast<double>(measured.sent) / 10,
              static_cast<double>(measured.sent) / 100 + 2);
}

TEST(OpenLoop, SendsAtItsRateAndCountsLoss) {
  LossyEcho echo(5);
  UdpFlows flows = Open(echo);
  const OpenLoopMeasured result = RunOpenLoop({.rate = 1000,
                                               .warm_up = milliseconds(20),
                                               .measure = milliseconds(200),
                                               .drain = milliseconds(1000)},
                                              flows);
  const auto sent = static_cast<double>(result.measured.sent);
  EXPECT_NEAR(sent, 200, 100);  // A busy machine sends late, but not at another rate.
  EXPECT_NEAR(static_cast<double>(result.measured.lost), sent / 5, 2);
}

TEST(MeasuredInterval, LeavesOutWhatWasSentBeforeAndAfter) {
  MeasuredInterval interval;
  interval.Sent(10, 1);  // Before it began.
  interval.Begin(100);
  interval.Received({.sent_ns = 10}, 110);
  interval.Sent(120, 2);
  interval.Received({.sent_ns = 120}, 130);
  interval.End(200);
  interval.Sent(210, 1);
  interval.Received({.sent_ns = 210}, 220);
  EXPECT_EQ(interval.outstanding(), 1u);
  const Measured measured = interval.Finish();
  EXPECT_EQ(measured.sent, 2u);
  EXPECT_EQ(measured.lost, 1u);
  EXPECT_EQ(measured.round_trips, 2u);
  EXPECT_DOUBLE_EQ(measured.max_us, 0.1);
}

TEST(ParseAddress, WantsAddressAndPort) {
  EXPECT_TRUE(ParseAddress("10.0.0.1:9000").ok());
  for (const char* wrong : {"", "10.0.0.1", "10.0.0.1:", "10.0.0.1:0", "10.0.0.1:70000", "10.0.0:1",
                            "host:1", "10.0.0.1:9000x"}) {
    EXPECT_FALSE(ParseAddress(wrong).ok()) << wrong;
  }
}

TEST(UdpFlows, RefusesPayloadsThatHoldNoProbe) {
  LossyEcho echo(0);
  EXPECT_FALSE(UdpFlows::Open(echo.address(), 1, sizeof(Probe) - 1).ok());
  EXPECT_FALSE(UdpFlows::Open(echo.address(), 1, UdpFlows::kMaxPayload + 1).ok());
  EXPECT_FALSE(UdpFlows::Open(echo.address(), 0, 64).ok());
}

}  // namespace
}  // namespace sluice::bench
