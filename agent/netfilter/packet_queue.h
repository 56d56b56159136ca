#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "agent/netfilter/queue_codec.h"

namespace sluice::agent {

// How much of each packet the kernel copies. META is no payload at all.
struct CopyRange {
  bool meta = false;
  // 1..65531. The kernel is told kHeaderBytes at least (packet_headers.h), whose number this is.
  uint32_t bytes = 128;

  bool operator==(const CopyRange&) const = default;
};

// How the kernel queues (NFQA_CFG_F_*, linux/netfilter/nfnetlink_queue.h).
struct QueueFlags {
  // Merged segments come whole; else one by one, their checksums filled in. Bulk TCP, 18.5 Gbit/s
  // where nothing was queued, ran at 16.1 with it and at 4.05 without.
  bool gso = true;
  // What does not fit the queue is accepted instead of dropped.
  bool fail_open = false;

  bool operator==(const QueueFlags&) const = default;
};

inline constexpr uint32_t kLargestCopyRange = 65531;

// What the pipeline needs of an NFQUEUE; QueueSocket is the real one. One thread.
class PacketQueue {
 public:
  virtual ~PacketQueue() = default;

  // Hands the buffered verdicts to the kernel in one system call.
  virtual absl::Status Send(const VerdictBuffer& verdicts) = 0;

  // Has the kernel copy more or less from the next packet on.
  virtual absl::Status SetCopyRange(CopyRange range) = 0;

  // From the next packet on.
  virtual absl::Status SetFlags(QueueFlags flags) = 0;
};

}  // namespace sluice::agent
