#include "clients/cli/capture/connection_follower.h"

#include <gtest/gtest.h>

#include <string>
#include <tuple>
#include <vector>

#include "clients/cli/capture/test_packets.h"
#include "clients/cli/format/words.h"

namespace sluice::cli {
namespace {

constexpr int kFin = 1;
constexpr int kSyn = 2;
constexpr int kRst = 4;
constexpr int kPsh = 8;
constexpr int kAck = 16;

class ConnectionFollowerTest : public testing::TestWithParam<bool> {
 protected:
  // "new", "established" ...
  std::string Follow(const std::string& packet) {
    return StateWord(follower_.Follow(At(now_, packet)));
  }
  // A segment from host 1's port 1024 to host 2's port 80, and the other way.
  std::string There(int flags) { return Follow(Packet(1, 2, 6, TcpSegment(1024, 80, flags))); }
  std::string Back(int flags) { return Follow(Packet(2, 1, 6, TcpSegment(80, 1024, flags))); }
  static std::string Packet(int from, int to, int protocol, const std::string& data) {
    return Ip(GetParam(), from, to, protocol, data);
  }
  void Open() {
    EXPECT_EQ(There(kSyn), "new");
    EXPECT_EQ(Back(kSyn | kAck), "established");
    EXPECT_EQ(There(kAck), "established");
  }

  int64_t now_ = 1'700'000'000;
  ConnectionFollower follower_{4};
};

INSTANTIATE_TEST_SUITE_P(Families, ConnectionFollowerTest, testing::Bool());

TEST_P(ConnectionFollowerTest, ATcpConnection) {
  EXPECT_EQ(There(kSyn), "new");
  EXPECT_EQ(There(kSyn), "new");
  EXPECT_EQ(There(kAck), "invalid");  // Not answered yet.
  EXPECT_EQ(Back(kSyn | kAck), "established");
  EXPECT_EQ(There(kAck), "established");
  EXPECT_EQ(There(kAck | kPsh), "established");
  EXPECT_EQ(There(kSyn | kAck), "invalid");
  EXPECT_EQ(Back(kSyn), "invalid");
  now_ += 86'400;
  EXPECT_EQ(Back(kAck), "established");
  EXPECT_EQ(Back(kFin | kAck), "established");
  EXPECT_EQ(There(kFin | kAck), "established");
  EXPECT_EQ(Back(kAck), "established");
  EXPECT_EQ(There(kSyn), "new");  // The same ports again.
  EXPECT_EQ(Back(kRst | kAck), "established");
  EXPECT_EQ(There(kSyn), "new");
}

TEST_P(ConnectionFollowerTest, ConnectionsEndByTheirTimeouts) {
  Open();
  EXPECT_EQ(Back(kRst), "established");
  now_ += 11;
  EXPECT_EQ(Back(kRst), "invalid");
  EXPECT_EQ(There(kSyn), "new");
  now_ += 121;
  EXPECT_EQ(Back(kSyn | kAck), "invalid");
}

// Connections that began before the capture.
TEST_P(ConnectionFollowerTest, TcpIsPickedUp) {
  EXPECT_EQ(Back(kAck), "new");
  EXPECT_EQ(Back(kAck | kPsh), "new");
  EXPECT_EQ(There(kAck), "established");
  EXPECT_EQ(Back(kAck), "established");
}

TEST_P(ConnectionFollowerTest, WhatBeginsNoConnection) {
  for (const int flags : {kSyn | kAck, kFin | kAck, kRst, kRst | kAck, kFin, 0, kSyn | kFin,
                          kSyn | kRst, kFin | kPsh | 32}) {
    EXPECT_EQ(There(flags), "invalid") << flags;
  }
}

TEST_P(ConnectionFollowerTest, Datagrams) {
  const std::string query = Packet(1, 2, 17, UdpDatagram(1024, 53));
  const std::string answer = Packet(2, 1, 17, UdpDatagram(53, 1024));
  EXPECT_EQ(Follow(query), "new");
  EXPECT_EQ(Follow(query), "new");
  EXPECT_EQ(Follow(Packet(2, 1, 17, UdpDatagram(53, 1025))), "new");  // Of another connection.
  EXPECT_EQ(Follow(answer), "established");
  EXPECT_EQ(Follow(query), "established");
  now_ += 121;
  EXPECT_EQ(Follow(answer), "new");
}

TEST_P(ConnectionFollowerTest, ProtocolsWithoutPorts) {
  EXPECT_EQ(Follow(Packet(1, 2, 47, "abcd")), "new");
  EXPECT_EQ(Follow(Packet(1, 2, 47, "efgh")), "new");
  EXPECT_EQ(Follow(Packet(2, 1, 47, "ijkl")), "established");
  EXPECT_EQ(Follow(Packet(2, 1, 50, "ijkl")), "new");
}

TEST_P(ConnectionFollowerTest, Pings) {
  const int icmp = GetParam() ? 58 : 1;
  const int request = GetParam() ? 128 : 8;
  const int reply = GetParam() ? 129 : 0;
  const auto ping = [&](int from, int to, int type, char id) {
    return Follow(Packet(from, to, icmp, IcmpMessage(type, {0, id, 0, 1})));
  };
  EXPECT_EQ(ping(2, 1, reply, 1), "invalid");
  EXPECT_EQ(ping(1, 2, request, 1), "new");
  EXPECT_EQ(ping(2, 1, request, 1), "new");  // Another ping, with the same identifier.
  EXPECT_EQ(ping(2, 1, reply, 2), "invalid");
  EXPECT_EQ(ping(2, 1, reply, 1), "established");
  EXPECT_EQ(ping(1, 2, request, 1), "established");
  // Messages that are neither requests nor replies are not tracked: router advertisements.
  EXPECT_EQ(ping(1, 2, GetParam() ? 134 : 9, 1), "invalid");
}

TEST_P(ConnectionFollowerTest, ErrorsAreRelatedToWhatTheyAreAbout) {
  const int icmp = GetParam() ? 58 : 1;
  const int unreachable = GetParam() ? 1 : 3;
  const std::string query = Packet(1, 2, 17, UdpDatagram(1024, 53, "long enough"));
  const auto error = [&](int from, int to, const std::string& about) {
    return Follow(Packet(from, to, icmp, IcmpMessage(unreachable) + about));
  };
  EXPECT_EQ(error(9, 1, query), "invalid");
  EXPECT_EQ(Follow(query), "new");
  EXPECT_EQ(error(9, 1, query), "related");
  EXPECT_EQ(error(9, 1, query.substr(0, query.size() - 10)), "related");  // 8 bytes will do.
  EXPECT_EQ(error(9, 2, query), "invalid");                               // Not where it came from.
  EXPECT_EQ(error(9, 1, query.substr(0, 22)), "invalid");
  EXPECT_EQ(Follow(query), "new");  // An error is not an answer.
  Open();
  EXPECT_EQ(error(1, 2, Packet(2, 1, 6, TcpSegment(80, 1024, kAck)).substr(0, 60)), "related");
}

TEST_P(ConnectionFollowerTest, WhatWasNotCapturedIsNotKnown) {
  const std::string whole = Packet(1, 2, 6, TcpSegment(1024, 80, kSyn));
  for (size_t size = 0; size < whole.size() - 6; ++size) {
    CapturedPacket packet = At(now_, whole.substr(0, size));
    EXPECT_EQ(StateWord(follower_.Follow(packet)), "invalid") << size;  // The packet is that short.
    packet.length = static_cast<uint32_t>(whole.size());
    EXPECT_EQ(StateWord(follower_.Follow(packet)), "unknown") << size;
  }
  EXPECT_EQ(Follow(whole), "new");
}

TEST_P(ConnectionFollowerTest, TheOneHeardOfLeastRecentlyGoes) {
  const auto send = [&](int from, int to) {
    return Follow(Packet(from, to, 17, UdpDatagram(5, 5)));
  };
  for (int host = 11; host < 15; ++host) EXPECT_EQ(send(host, 1), "new");
  EXPECT_EQ(send(1, 11), "established");
  EXPECT_EQ(send(15, 1), "new");          // There is room for four: 12 is removed.
  EXPECT_EQ(send(1, 11), "established");  // Still known.
  EXPECT_EQ(send(1, 12), "new");
}

}  // namespace
}  // namespace sluice::cli
