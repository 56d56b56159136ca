// Which packets pass unasked, on a real kernel. Nobody listens on the queue, so packets that are
// asked about are dropped.

#include "agent/netfilter/table/table_exemptions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/if_tun.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "agent/netfilter/table/table.h"
#include "agent/netfilter/table/table_testbed.h"

namespace sluice::agent {
namespace {

constexpr uint8_t kUdp = 17;

IpNetwork Ipv4(std::array<uint8_t, 4> address, uint8_t prefix_length) {
  IpNetwork network = {.ipv6 = false, .address = {}, .prefix_length = prefix_length};
  memcpy(network.address.data(), address.data(), address.size());
  return network;
}

// 2001:db8:`net`::`host`.
IpNetwork Ipv6(uint8_t net, uint8_t host, uint8_t prefix_length) {
  return {.ipv6 = true,
          .address = {0x20, 0x01, 0x0d, 0xb8, 0, net, 0, 0, 0, 0, 0, 0, 0, 0, 0, host},
          .prefix_length = prefix_length};
}

class TableExemptionsTest : public TableTestbed {
 protected:
  void Install(const std::vector<ExemptFlow>& exempt) {
    if (table_ != nullptr) {
      ASSERT_EQ(table_->Remove(), absl::OkStatus());
    }
    auto table = Table::Open({.exempt = exempt});
    ASSERT_TRUE(table.ok()) << table.status();
    table_ = *std::move(table);
    ASSERT_EQ(table_->Install(TableMode::kOn), absl::OkStatus());
  }
  TableCounters Counters() {
    auto counters = table_->ReadCounters();
    EXPECT_TRUE(counters.ok()) << counters.status();
    return counters.value_or(TableCounters{});
  }

  std::unique_ptr<Table> table_;
};

TEST_F(TableExemptionsTest, MatchesWhatIsSaidAndNothingElse) {
  StartForwarding();
  struct Row {
    ExemptFlow flow;
    int ipv4, ipv6, answers;  // How many of each pass: from sources 1, 2 and 65.
  };
  const Row rows[] = {
      {{.protocol = kUdp}, 3, 3, 3},
      {{.protocol = 6}, 0, 0, 0},
      {{.protocol = kUdp, .port = kPort}, 3, 3, 3},
      {{.protocol = kUdp, .port = kPort + 1}, 0, 0, 0},
      {{.protocol = kUdp, .port = 12345}, 3, 3, 3},  // May be answers, and vice versa.
      {{.source = Ipv4({198, 51, 100, 2}, 32)}, 1, 0, 1},
      {{.source = Ipv4({198, 51, 100, 0}, 26)}, 2, 0, 2},
      {{.source = Ipv4({0, 0, 0, 0}, 0)}, 3, 0, 3},
      {{.source = Ipv4({203, 0, 113, 0}, 24)}, 3, 0, 3},
      {{.source = Ipv4({203, 0, 113, 0}, 25), .protocol = 6}, 0, 0, 0},
      {{.source = Ipv4({203, 0, 114, 0}, 24)}, 0, 0, 0},
      {{.destination = Ipv4({203, 0, 113, 0}, 24)}, 3, 0, 3},
      {{.destination = Ipv4({198, 51, 100, 64}, 26)}, 1, 0, 1},
      {{.source = Ipv6(1, 65, 128)}, 0, 1, 0},
      {{.source = Ipv6(1, 0, 122)}, 0, 2, 0},
      {{.source = Ipv4({198, 51, 100, 1}, 32),
        .destination = Ipv4({203, 0, 113, 1}, 32),
        .protocol = kUdp,
        .port = kPort},
       1,
       0,
       1},
      {{.source = Ipv4({198, 51, 100, 1}, 32), .destination = Ipv4({203, 0, 113, 2}, 32)}, 0, 0, 0},
  };
  for (size_t i = 0; i < std::size(rows); ++i) {
    SCOPED_TRACE(i);
    Install({rows[i].flow});
    for (const uint8_t source : {1, 2, 65}) SendIpv4(source);
    EXPECT_EQ(Received(), rows[i].ipv4);
    for (const uint8_t source : {1, 2, 65}) SendIpv6(source);
    EXPECT_EQ(Received(), rows[i].ipv6);
    for (const uint8_t source : {1, 2, 65}) AnswerIpv4(source);
    EXPECT_EQ(Answered(), rows[i].answers);
    const auto passed = static_cast<uint64_t>(rows[i].ipv4 + rows[i].ipv6 + rows[i].answers);
    EXPECT_EQ(Counters().exempted, passed);
    EXPECT_EQ(Counters().asked, 9 - passed);
    EXPECT_EQ(Counters().guard_dropped, 0u);
  }
}

TEST_F(TableExemptionsTest, CountsOverReplacementChangesOfModeAndRemoval) {
  StartForwarding();
  Install({{.source = Ipv4({198, 51, 100, 1}, 32)}});
  const auto send = [this] {
    SendIpv4(1);
    SendIpv4(2);
    AnswerIpv4(1);
  };
  send();
  ASSERT_EQ(table_->Install(TableMode::kOn), absl::OkStatus());  // Counters not read before.
  EXPECT_EQ(Counters().exempted, 2u);
  send();
  ASSERT_EQ(table_->Install(TableMode::kShadow), absl::OkStatus());
  send();
  EXPECT_EQ(Counters().exempted, 6u);
  ASSERT_EQ(table_->Install(TableMode::kOn), absl::OkStatus());
  send();
  ASSERT_EQ(table_->StopAsking(), absl::OkStatus());
  ASSERT_EQ(table_->Remove(), absl::OkStatus());
  EXPECT_EQ(Counters().exempted, 8u);
  EXPECT_EQ(Counters().asked, 4u);
}

TEST_F(TableExemptionsTest, TakesAsManyAsAConfigurationMayHave) {
  std::vector<ExemptFlow> exempt;
  for (uint8_t host = 0; host < 64; ++host) {
    exempt.push_back({.source = Ipv6(1, host, 128), .destination = Ipv6(2, host, 127)});
    exempt.back().destination->address[15] &= 0xfe;
  }
  Install(exempt);
  auto intact = table_->Intact();
  ASSERT_TRUE(intact.ok()) << intact.status();
  EXPECT_TRUE(*intact);
  EXPECT_EQ(Counters().exempted, 0u);
  ASSERT_EQ(table_->Remove(), absl::OkStatus());
}

// A frame from one port of a bridge to the other: ICMPv6 of that type and hop limit.
std::array<uint8_t, 14 + 40 + 24> Frame(uint8_t hop_limit, uint8_t type) {
  std::array<uint8_t, 14 + 40 + 24> frame = {
      0x02, 0, 0, 0, 0, 2, 0x02, 0, 0, 0, 0, 1, 0x86, 0xdd, 0x60, 0, 0, 0, 0, 24, 58, hop_limit};
  frame[22] = 0xfe;
  frame[23] = 0x80;
  frame[37] = 1;
  frame[38] = 0xfe;
  frame[39] = 0x80;
  frame[53] = 2;
  frame[54] = type;
  return frame;
}

TEST_F(TableExemptionsTest, NeighbourDiscoveryCrossesABridge) {
  const int left = OpenDevice("left", IFF_TAP);
  const int right = OpenDevice("right", IFF_TAP);
  ASSERT_GE(left, 0) << strerror(errno);
  ASSERT_GE(right, 0) << strerror(errno);
  Shell(
      "ip link add bridge type bridge mcast_snooping 0 && ip link set left master bridge && "
      "ip link set right master bridge && ip link set left up && ip link set right up && "
      "ip link set bridge up && sysctl -qw net.bridge.bridge-nf-call-ip6tables=1");
  const auto crosses = [&](uint8_t hop_limit, uint8_t type) {
    const auto frame = Frame(hop_limit, type);
    EXPECT_EQ(write(left, frame.data(), frame.size()), std::ssize(frame)) << strerror(errno);
    std::array<uint8_t, 2048> out;
    bool crossed = false;
    for (ssize_t size; (size = read(right, out.data(), out.size())) > 0;) {
      crossed |= size == std::ssize(frame) && memcmp(out.data(), frame.data(), frame.size()) == 0;
    }
    return crossed;
  };
  ASSERT_TRUE(crosses(255, 135)) << "the bridge must forward before there is a table";
  Install({});
  for (const uint8_t type : {133, 134, 135, 136, 137}) EXPECT_TRUE(crosses(255, type)) << +type;
  EXPECT_EQ(Counters().exempted, 5u);
  EXPECT_FALSE(crosses(254, 135));
  EXPECT_FALSE(crosses(255, 132));
  EXPECT_FALSE(crosses(255, 138));
  EXPECT_EQ(Counters().exempted, 5u);
  EXPECT_EQ(Counters().asked, 3u);
  close(left);
  close(right);
}

}  // namespace
}  // namespace sluice::agent
