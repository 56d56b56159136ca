#include "tests/bench/programs/udp_flows.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstring>
#include <string>
#include <utility>

namespace sluice::bench {
namespace {

// Large enough for everything in flight, so that the generator itself loses nothing.
constexpr int kSocketBuffer = 16 << 20;

absl::Status Errno(std::string_view what) {
  return absl::ErrnoToStatus(errno, absl::string_view(what.data(), what.size()));
}

}  // namespace

absl::StatusOr<sockaddr_in> ParseAddress(std::string_view text) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  const size_t colon = text.rfind(':');
  uint16_t port = 0;
  if (colon != text.npos) {
    const char* const end = text.data() + text.size();
    const auto [stopped, error] = std::from_chars(text.data() + colon + 1, end, port);
    const std::string host(text.substr(0, colon));
    if (error == std::errc() && stopped == end && port != 0 &&
        inet_pton(AF_INET, host.c_str(), &address.sin_addr) == 1) {
      address.sin_port = htons(port);
      return address;
    }
  }
  return absl::InvalidArgumentError(std::string(text) +
                                    ": not an IPv4 address and a port, like 10.0.0.1:9000");
}

absl::StatusOr<UdpFlows> UdpFlows::Open(const sockaddr_in& to, size_t flows, size_t payload) {
  if (flows == 0) return absl::InvalidArgumentError("flows: at least 1");
  if (payload < sizeof(Probe) || payload > kMaxPayload) {
    return absl::InvalidArgumentError("payload: " + std::to_string(sizeof(Probe)) + " to " +
                                      std::to_string(kMaxPayload) + " bytes");
  }
  UdpFlows made(payload);
  for (size_t i = 0; i < flows; ++i) {
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return Errno("socket");
    made.sockets_.push_back({.fd = fd, .events = POLLIN, .revents = 0});
    // Needs CAP_NET_ADMIN; without it the default buffer stays.
    setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &kSocketBuffer, sizeof(kSocketBuffer));
    setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &kSocketBuffer, sizeof(kSocketBuffer));
    if (connect(fd, reinterpret_cast<const sockaddr*>(&to), sizeof(to)) != 0) {
      return Errno("connect");
    }
  }
  return made;
}

UdpFlows::UdpFlows(UdpFlows&& other) noexcept
    : payload_(other.payload_), sockets_(std::exchange(other.sockets_, {})) {}

UdpFlows::~UdpFlows() {
  for (const pollfd& socket : sockets_) close(socket.fd);
}

int64_t UdpFlows::Send(size_t flow, std::span<Probe> probes) {
  const int64_t now = NowNs();
  std::array<std::array<char, kMaxPayload>, kBatch> bytes;
  std::array<iovec, kBatch> parts;
  std::array<mmsghdr, kBatch> messages{};
  while (!probes.empty()) {
    const size_t count = std::min(probes.size(), kBatch);
    for (size_t i = 0; i < count; ++i) {
      probes[i].sent_ns = now;
      probes[i].flow = static_cast<uint32_t>(flow);
      std::memcpy(bytes[i].data(), &probes[i], sizeof(Probe));
      std::memset(bytes[i].data() + sizeof(Probe), 0, payload_ - sizeof(Probe));
      parts[i] = {.iov_base = bytes[i].data(), .iov_len = payload_};
      messages[i].msg_hdr.msg_iov = &parts[i];
      messages[i].msg_hdr.msg_iovlen = 1;
    }
    for (size_t sent = 0; sent < count;) {
      const int n = sendmmsg(sockets_[flow].fd, &messages[sent], count - sent, 0);
      // An ICMP error for an earlier datagram is reported here once; this one is then skipped
      // and counts as lost.
      sent += n > 0 ? n : (errno == EINTR ? 0 : 1);
    }
    probes = probes.subspan(count);
  }
  return now;
}

std::span<const Probe> UdpFlows::Receive(std::chrono::nanoseconds timeout) {
  received_.clear();
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(timeout);
  const timespec wait = {.tv_sec = seconds.count(), .tv_nsec = (timeout - seconds).count()};
  if (ppoll(sockets_.data(), sockets_.size(), &wait, nullptr) <= 0) return {};

  // Reads only the probe; the kernel cuts off the rest of a datagram.
  std::array<Probe, kBatch> probes;
  std::array<iovec, kBatch> parts;
  std::array<mmsghdr, kBatch> messages{};
  for (size_t i = 0; i < kBatch; ++i) {
    parts[i] = {.iov_base = &probes[i], .iov_len = sizeof(Probe)};
    messages[i].msg_hdr.msg_iov = &parts[i];
    messages[i].msg_hdr.msg_iovlen = 1;
  }
  for (const pollfd& socket : sockets_) {
    if (socket.revents == 0) continue;
    const int n = recvmmsg(socket.fd, messages.data(), kBatch, MSG_DONTWAIT, nullptr);
    for (int i = 0; i < n; ++i) {
      if (messages[i].msg_len == sizeof(Probe) && probes[i].flow < sockets_.size()) {
        received_.push_back(probes[i]);
      }
    }
  }
  return received_;
}

}  // namespace sluice::bench
