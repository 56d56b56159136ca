#include "agent/netfilter/table/table_testbed.h"

#include <fcntl.h>
#include <libmnl/libmnl.h>
#include <linux/if_tun.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <vector>

#include "agent/netfilter/table/table_hold.h"

namespace sluice::agent {
namespace {

bool older_kernel = false;

constexpr uint8_t kIcmp = 1;
constexpr uint8_t kUdp = 17;
constexpr uint8_t kHopLimit = 64;
constexpr std::array<uint8_t, 8> kUdpAnswer = {0x00, 0x35, 0x30, 0x39, 0, 8, 0, 0};

uint16_t Checksum(const uint8_t* bytes, size_t size) {
  uint32_t sum = 0;
  for (size_t i = 0; i < size; i += 2) sum += static_cast<uint32_t>(bytes[i] << 8 | bytes[i + 1]);
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

void SetHeaderChecksum(uint8_t* header) {
  header[10] = header[11] = 0;
  const uint16_t checksum = Checksum(header, 20);
  header[10] = static_cast<uint8_t>(checksum >> 8);
  header[11] = static_cast<uint8_t>(checksum);
}

using Ipv4Packet = std::array<uint8_t, 28>;

Ipv4Packet Ipv4(std::array<uint8_t, 4> source, std::array<uint8_t, 4> destination,
                std::array<uint8_t, 8> transport, uint8_t protocol = kUdp) {
  Ipv4Packet packet = {0x45, 0, 0, 28, 0, 0, 0, 0, kHopLimit, protocol};
  memcpy(&packet[12], source.data(), source.size());
  memcpy(&packet[16], destination.data(), destination.size());
  SetHeaderChecksum(packet.data());
  memcpy(&packet[20], transport.data(), transport.size());
  return packet;
}

// From 2001:db8:1::flow to 2001:db8:2::1.
std::array<uint8_t, 48> Ipv6(uint8_t flow, std::array<uint8_t, 8> transport, uint8_t protocol) {
  std::array<uint8_t, 48> packet = {0x60,      0,    0,    0,    0,    8, protocol,
                                    kHopLimit, 0x20, 0x01, 0x0d, 0xb8, 0, 1};
  packet[23] = flow;
  const std::array<uint8_t, 6> net = {0x20, 0x01, 0x0d, 0xb8, 0, 2};
  memcpy(&packet[24], net.data(), net.size());
  packet[39] = 1;
  memcpy(&packet[40], transport.data(), transport.size());
  return packet;
}

template <typename Packet>
void Write(int fd, const Packet& packet) {
  ASSERT_EQ(write(fd, packet.data(), packet.size()), std::ssize(packet)) << strerror(errno);
}

// The number of packets of that protocol that can be read from fd. The gateway itself sends other
// packets there, such as router solicitations.
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

OlderKernel::OlderKernel() { older_kernel = true; }
OlderKernel::~OlderKernel() { older_kernel = false; }

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
  if (guests_ >= 0) close(guests_);
  if (outside_ >= 0) close(outside_);
}

void TableTestbed::StartForwarding() {
  inside_ = OpenDevice("inside", IFF_TUN);
  guests_ = OpenDevice("guests", IFF_TUN);
  outside_ = OpenDevice("outside", IFF_TUN);
  ASSERT_GE(inside_, 0) << strerror(errno);
  ASSERT_GE(guests_, 0) << strerror(errno);
  ASSERT_GE(outside_, 0) << strerror(errno);
  Shell(
      "sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 "
      "net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.inside.rp_filter=0 "
      "net.ipv4.conf.outside.rp_filter=0 net.ipv4.conf.guests.rp_filter=0 && "
      "ip link set lo up && ip link set inside up && ip link set guests up && "
      "ip link set outside up && "
      "ip route add 198.51.100.0/24 dev inside && ip route add 203.0.113.0/24 dev outside && "
      "ip route add 2001:db8:1::/64 dev inside && ip route add 2001:db8:2::/64 dev outside");
}

void TableTestbed::SendIpv4(uint8_t flow) { Send({.flow = flow}); }

void TableTestbed::SendIpv6(uint8_t flow) { Send({.ipv6 = true, .flow = flow}); }

void TableTestbed::Send(const Sent& sent) {
  const int device = sent.guests ? guests_ : inside_;
  if (sent.ipv6) {
    Write(device, Ipv6(sent.flow, sent.transport, sent.protocol));
  } else {
    Write(device, Ipv4({198, 51, 100, sent.flow}, {203, 0, 113, 1}, sent.transport, sent.protocol));
  }
}

void TableTestbed::AnswerIpv4(uint8_t flow) {
  Write(outside_, Ipv4({203, 0, 113, 1}, {198, 51, 100, flow}, kUdpAnswer));
}

void TableTestbed::ErrorAboutIpv4(uint8_t flow) {
  const Ipv4Packet about = Ipv4({198, 51, 100, flow}, {203, 0, 113, 1}, Sent().transport);
  std::array<uint8_t, 28 + 28> packet{};
  // From a router on the way: port unreachable, an ICMP header of eight bytes that begins with 3/3.
  const Ipv4Packet header = Ipv4({203, 0, 113, 9}, {198, 51, 100, flow}, {3, 3}, kIcmp);
  std::copy(header.begin(), header.end(), packet.begin());
  std::copy(about.begin(), about.end(), packet.begin() + header.size());
  packet[3] = packet.size();
  SetHeaderChecksum(packet.data());
  const uint16_t checksum = Checksum(&packet[20], packet.size() - 20);
  packet[22] = static_cast<uint8_t>(checksum >> 8);
  packet[23] = static_cast<uint8_t>(checksum);
  Write(outside_, packet);
}

int TableTestbed::Received(uint8_t protocol) { return Count(outside_, protocol); }

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

// Replaces libmnl's. A message type that an older kernel does not know becomes one that no kernel
// knows.
extern "C" ssize_t mnl_socket_sendto(const mnl_socket* socket, const void* bytes, size_t size) {
  std::vector<char> copy(static_cast<const char*>(bytes), static_cast<const char*>(bytes) + size);
  int rest = static_cast<int>(size);
  constexpr uint16_t kUnknownType = NFNL_SUBSYS_NFTABLES << 8 | 0xff;
  for (auto* message = reinterpret_cast<nlmsghdr*>(copy.data()); mnl_nlmsg_ok(message, rest);
       message = mnl_nlmsg_next(message, &rest)) {
    if (sluice::agent::older_kernel &&
        NFNL_SUBSYS_ID(message->nlmsg_type) == NFNL_SUBSYS_NFTABLES &&
        NFNL_MSG_TYPE(message->nlmsg_type) == sluice::agent::kDestroyTableMessage) {
      message->nlmsg_type = kUnknownType;
    }
  }
  return send(mnl_socket_get_fd(socket), copy.data(), copy.size(), 0);
}
