#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "agent/netfilter/queue/queue_codec.h"

namespace sluice::agent {

// How much of each packet the kernel copies. META: no payload at all.
struct CopyRange {
  bool meta = false;
  // 1..65531. The agent asks the kernel for at least kHeaderBytes (packet_headers.h), which is also
  // the default here.
  uint32_t bytes = 128;

  bool operator==(const CopyRange&) const = default;
};

// How the kernel queues (NFQA_CFG_F_*, linux/netfilter/nfnetlink_queue.h).
struct QueueFlags {
  // Merged segments come as one packet; otherwise one by one, with their checksums filled in. Bulk
  // TCP ran at 18.5 Gbit/s without queueing, at 16.1 with this flag and at 4.05 without it.
  bool gso = true;
  // Packets that do not fit the queue are accepted instead of dropped.
  bool fail_open = false;

  bool operator==(const QueueFlags&) const = default;
};

inline constexpr uint32_t kLargestCopyRange = 65531;

// What the packet pipeline needs of an NFQUEUE; QueueSocket is the real one. One thread.
class PacketQueue {
 public:
  virtual ~PacketQueue() = default;

  // Hands the buffered verdicts to the kernel in one system call.
  virtual absl::Status Send(const VerdictBuffer& verdicts) = 0;

  // Makes the kernel copy that much of each packet, from the next packet on.
  virtual absl::Status SetCopyRange(CopyRange range) = 0;

  // Sets the flags, from the next packet on.
  virtual absl::Status SetFlags(QueueFlags flags) = 0;
};

}  // namespace sluice::agent
