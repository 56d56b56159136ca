// Asks a Linux host what it takes for IPv6 extension headers: sends packets with each next header
// to a UDP socket, in the test's own network namespace.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "proto/headers/packet_headers.h"

namespace sluice {
namespace {

using Bytes = std::vector<uint8_t>;

constexpr uint16_t kPort = 4242;
constexpr uint8_t kUdp = 17;
constexpr int kAuthentication = 51;

class Socket {
 public:
  Socket(int type, int protocol) : fd_(socket(AF_INET6, type, protocol)) {}
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;
  ~Socket() { close(fd_); }
  int fd() const { return fd_; }

 private:
  const int fd_;
};

sockaddr_in6 Loopback(uint16_t port) {
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_addr = in6addr_loopback;
  address.sin6_port = htons(port);
  return address;
}

// The UDP checksum by RFC 8200, with both addresses ::1.
uint16_t Checksum(const Bytes& udp) {
  uint32_t sum = 2 + kUdp + static_cast<uint32_t>(udp.size());
  for (size_t i = 0; i < udp.size(); ++i) sum += i % 2 == 0 ? udp[i] << 8 : udp[i];
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

// A packet from ::1 to ::1 with `first` after the IPv6 header, then `chain`, then UDP to kPort with
// `number` as payload.
Bytes Packet(int first, const Bytes& chain, int number) {
  Bytes udp{0x30, 0x39, kPort >> 8, kPort & 255, 0, 9, 0, 0, static_cast<uint8_t>(number)};
  const uint16_t checksum = Checksum(udp);
  udp[6] = static_cast<uint8_t>(checksum >> 8);
  udp[7] = static_cast<uint8_t>(checksum);
  Bytes packet(40);
  packet[0] = 0x60;
  packet[5] = static_cast<uint8_t>(chain.size() + udp.size());
  packet[6] = static_cast<uint8_t>(first);
  packet[7] = 64;
  packet[23] = packet[39] = 1;
  packet.insert(packet.end(), chain.begin(), chain.end());
  packet.insert(packet.end(), udp.begin(), udp.end());
  return packet;
}

class NextHeadersTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    ASSERT_EQ(unshare(CLONE_NEWNET), 0) << std::strerror(errno) << ": needs root";
    const Socket control(SOCK_DGRAM, 0);
    ifreq request{};
    std::strcpy(request.ifr_name, "lo");
    request.ifr_flags = IFF_UP;
    ASSERT_EQ(ioctl(control.fd(), SIOCSIFFLAGS, &request), 0) << std::strerror(errno);
    // On one processor, the queue of the loopback device keeps the order of packets.
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(sched_getcpu(), &one);
    ASSERT_EQ(sched_setaffinity(0, sizeof one, &one), 0);
  }

  void SetUp() override {
    const sockaddr_in6 here = Loopback(kPort);
    ASSERT_EQ(bind(receiver_.fd(), reinterpret_cast<const sockaddr*>(&here), sizeof here), 0);
  }

  // The numbers of the packets that reached the socket.
  std::set<int> Arrived(const std::vector<Bytes>& packets) {
    const sockaddr_in6 to = Loopback(0);
    for (const Bytes& packet : packets) {
      EXPECT_EQ(sendto(sender_.fd(), packet.data(), packet.size(), 0,
                       reinterpret_cast<const sockaddr*>(&to), sizeof to),
                static_cast<ssize_t>(packet.size()))
          << std::strerror(errno);
    }
    const Socket last(SOCK_DGRAM, 0);
    const sockaddr_in6 port = Loopback(kPort);
    EXPECT_EQ(sendto(last.fd(), "end", 3, 0, reinterpret_cast<const sockaddr*>(&port), sizeof port),
              3);
    std::set<int> arrived;
    for (uint8_t buffer[16];;) {
      if (recv(receiver_.fd(), buffer, sizeof buffer, 0) != 1) return arrived;
      arrived.insert(buffer[0]);
    }
  }

  // The numbers of the packets in which the parser finds the transport header.
  static std::set<int> Read(const std::vector<Bytes>& packets) {
    std::set<int> parsed;
    for (const Bytes& packet : packets) {
      PacketHeaders headers;
      // Taken for a TCP header, for example, the bytes make no sense.
      if (ParseHeaders(v1::FAMILY_IPV6, packet, packet.size(), headers) == Parsed::kPacket &&
          headers.protocol == kUdp && headers.destination_port == kPort) {
        parsed.insert(packet.back());
      }
    }
    return parsed;
  }

  const Socket sender_{SOCK_RAW, IPPROTO_RAW};
  const Socket receiver_{SOCK_DGRAM, 0};
};

// The parser looks past AH. A host does so only with a security association, which this host does
// not have: no socket gets a packet that nobody was asked about.
std::set<int> WithoutAuthentication(std::set<int> numbers) {
  EXPECT_EQ(numbers.erase(kAuthentication), 1u);
  return numbers;
}

TEST_F(NextHeadersTest, AreWalkedBehindTheIpv6HeaderAsTheHostWalksThem) {
  std::vector<Bytes> packets;
  for (int next = 0; next < 256; ++next) {
    packets.push_back(Packet(next, {kUdp, 0, 0, 0, 0, 0, 0, 0}, next));
  }
  const std::set<int> arrived = Arrived(packets);
  EXPECT_EQ(arrived, (std::set<int>{0, 43, 44, 60}));
  EXPECT_EQ(WithoutAuthentication(Read(packets)), arrived);
}

TEST_F(NextHeadersTest, AreWalkedBehindAnotherAsTheHostWalksThem) {
  std::vector<Bytes> packets;
  for (int next = 0; next < 256; ++next) {
    const auto number = static_cast<uint8_t>(next);
    packets.push_back(Packet(60, {number, 0, 0, 0, 0, 0, 0, 0, kUdp, 0, 0, 0, 0, 0, 0, 0}, next));
  }
  const std::set<int> arrived = Arrived(packets);
  EXPECT_EQ(arrived, (std::set<int>{43, 44, 60}));
  EXPECT_EQ(WithoutAuthentication(Read(packets)), arrived);
}

}  // namespace
}  // namespace sluice
