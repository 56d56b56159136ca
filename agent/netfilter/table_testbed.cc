#include "agent/netfilter/table_testbed.h"

#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>

namespace sluice::agent {
namespace {

constexpr uint8_t kIcmp = 1;
constexpr uint8_t kUdp = 17;
constexpr uint8_t kHopLimit = 64;
constexpr std::array<uint8_t, 8> kUdpHeader = {0x30, 0x39, 0x00, 0x35, 0, 8, 0, 0};
constexpr std::array<uint8_t, 8> kUdpAnswer = {0x00, 0x35, 0x30, 0x39, 0, 8, 0, 0};

uint16_t HeaderChecksum(const uint8_t* header) {
  uint32_t sum = 0;
  for (int i = 0; i < 20; i += 2) sum += static_cast<uint32_t>(header[i] << 8 | header[i + 1]);
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

using Ipv4Packet = std::array<uint8_t, 28>;

Ipv4Packet Ipv4(std::array<uint8_t, 4> source, std::array<uint8_t, 4> destination,
                std::array<uint8_t, 8> udp) {
  Ipv4Packet packet = {0x45, 0, 0, 28, 0, 0, 0, 0, kHopLimit, kUdp};
  memcpy(&packet[12], source.data(), source.size());
  memcpy(&packet[16], destination.data(), destination.size());
  const uint16_t checksum = HeaderChecksum(packet.data());
  packet[10] = static_cast<uint8_t>(checksum >> 8);
  packet[11] = static_cast<uint8_t>(checksum);
  memcpy(&packet[20], udp.data(), udp.size());
  return packet;
}

template <typename Packet>
void Write(int fd, const Packet& packet) {
  ASSERT_EQ(write(fd, packet.data(), packet.size()), std::ssize(packet)) << strerror(errno);
}

// The datagrams that can be read from fd, or the errors of ICMP. The gateway itself says things
// there, too, such as router solicitations.
int Count(int fd, uint8_t protocol = kUdp) {
  int count = 0;
  std::array<uint8_t, 2048> packet;
  while (read(fd, packet.data(), packet.size()) > 0) {
    if ((packet[0] >> 4) == 4 ? packet[9] == protocol : packet[6] == protocol) ++count;
  }
  EXPECT_EQ(errno, EAGAIN) << strerror(errno);
  return count;
}

}  // namespace

std::string Shell(const std::string& command) {
  FILE* pipe = popen(("(" + command + "\n) 2>&1").c_str(), "re");
  if (pipe == nullptr) {
    ADD_FAILURE() << command << ": " << strerror(errno);
    return "";
  }
  std::string output;
  std::array<char, 4096> chunk;
  for (size_t size; (size = fread(chunk.data(), 1, chunk.size(), pipe)) > 0;) {
    output.append(chunk.data(), size);
  }
  const int status = pclose(pipe);
  EXPECT_EQ(status, 0) << command << ": " << output;
  return output;
}

void TableTestbed::SetUp() {
  ASSERT_EQ(unshare(CLONE_NEWNET), 0) << "needs root: " << strerror(errno);
}

void TableTestbed::TearDown() {
  if (inside_ >= 0) close(inside_);
  if (outside_ >= 0) close(outside_);
}

void TableTestbed::StartForwarding() {
  inside_ = OpenDevice("inside", IFF_TUN);
  outside_ = OpenDevice("outside", IFF_TUN);
  ASSERT_GE(inside_, 0) << strerror(errno);
  ASSERT_GE(outside_, 0) << strerror(errno);
  Shell(
      "sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 "
      "net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.inside.rp_filter=0 "
      "net.ipv4.conf.outside.rp_filter=0 && "
      "ip link set lo up && ip link set inside up && ip link set outside up && "
      "ip route add 198.51.100.0/24 dev inside && ip route add 203.0.113.0/24 dev outside && "
      "ip route add 2001:db8:1::/64 dev inside && ip route add 2001:db8:2::/64 dev outside");
}

void TableTestbed::SendIpv4(uint8_t flow) {
  Write(inside_, Ipv4({198, 51, 100, flow}, {203, 0, 113, 1}, kUdpHeader));
}

void TableTestbed::AnswerIpv4(uint8_t flow) {
  Write(outside_, Ipv4({203, 0, 113, 1}, {198, 51, 100, flow}, kUdpAnswer));
}

void TableTestbed::SendIpv6(uint8_t flow) {
  std::array<uint8_t, 48> packet = {0x60,      0,    0,    0,    0,    8, kUdp,
                                    kHopLimit, 0x20, 0x01, 0x0d, 0xb8, 0, 1};
  packet[23] = flow;
  const std::array<uint8_t, 6> net = {0x20, 0x01, 0x0d, 0xb8, 0, 2};
  memcpy(&packet[24], net.data(), net.size());
  packet[39] = 1;
  memcpy(&packet[40], kUdpHeader.data(), kUdpHeader.size());
  Write(inside_, packet);
}

int TableTestbed::Received() { return Count(outside_); }

int TableTestbed::Answered() { return Count(inside_); }

int TableTestbed::Errors() { return Count(inside_, kIcmp); }

int TableTestbed::OpenDevice(const char* name, short kind) {
  const int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0) return fd;
  ifreq request = {};
  request.ifr_flags = static_cast<short>(kind | IFF_NO_PI);
  strncpy(request.ifr_name, name, IFNAMSIZ - 1);
  if (ioctl(fd, TUNSETIFF, &request) < 0) {
    close(fd);
    return -1;
  }
  return fd;
}

}  // namespace sluice::agent
