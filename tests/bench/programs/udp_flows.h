#pragma once

#include <netinet/in.h>
#include <poll.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "tests/bench/programs/times.h"

namespace sluice::bench {

// What a datagram carries: enough to recognize it when the echo returns it.
struct Probe {
  uint64_t sequence = 0;
  int64_t sent_ns = 0;
  uint32_t flow = 0;  // Index of the socket it goes out by.
  uint32_t slot = 0;  // The sender's own; comes back unchanged.
};

// Parses "10.0.0.1:9000".
absl::StatusOr<sockaddr_in> ParseAddress(std::string_view text);

// Connected UDP sockets to one address, each with its own source port, so that a kernel can spread
// the flows over several queues. One thread may Send while another calls Receive.
class UdpFlows final {
 public:
  // `payload` is the UDP payload in bytes, at least sizeof(Probe), at most kMaxPayload.
  static absl::StatusOr<UdpFlows> Open(const sockaddr_in& to, size_t flows, size_t payload);
  ~UdpFlows();
  UdpFlows(UdpFlows&& other) noexcept;
  UdpFlows(const UdpFlows&) = delete;

  static constexpr size_t kMaxPayload = 1472;

  // Sends all probes on flow `flow`, many in a system call, and blocks while the socket's buffer is
  // full. Stamps sent_ns and flow, and returns the time. Probes that fail to be sent count as lost.
  int64_t Send(size_t flow, std::span<Probe> probes);

  // Waits up to `timeout` for datagrams, then takes all that have come, at most kBatch of each
  // flow. Valid until the next call. Leaves out datagrams too short to be ours.
  std::span<const Probe> Receive(std::chrono::nanoseconds timeout);

  size_t size() const { return sockets_.size(); }

 private:
  static constexpr size_t kBatch = 64;

  explicit UdpFlows(size_t payload) : payload_(payload) {}

  const size_t payload_;
  std::vector<pollfd> sockets_;
  std::vector<Probe> received_;
};

}  // namespace sluice::bench
