#pragma once

#include "absl/status/status.h"
#include "agent/netfilter/queue/packet_queue.h"
#include "sluice/v1/decision.pb.h"
#include "sluice/v1/stats.pb.h"

namespace sluice::agent {

// What the connected decider wants to see (decision.proto, PacketOptions), and the settings of the
// kernel's queue that follow from it. Owned by the queue's pipeline; one thread.
class DeciderOptions final {
 public:
  struct Options {
    CopyRange copy_range;  // Unless the decider asks for another.
    bool gso = true;
    bool fail_open = false;
  };
  // `queue` is not owned. It is already set up as `options` say.
  DeciderOptions(const Options& options, PacketQueue* queue);

  // INVALID_ARGUMENT: the packet options make no sense. Other errors are the kernel's, about the
  // settings. After an error the packet options are as before, though the kernel may have taken
  // some of the new settings.
  absl::Status Set(const v1::PacketOptions& packet_options);
  absl::Status EnterMode(v1::Mode mode);

  // The range to set in the kernel: unless only metadata is copied, at least as long as the
  // headers, so that no packet options and no configuration hide an address or a port from those
  // who decide by them.
  static CopyRange OfKernel(CopyRange range);

  bool Asked(v1::Family family) const { return family == v1::FAMILY_IPV4 ? ipv4_ : ipv6_; }
  // Bytes of each packet the decider is shown.
  uint32_t shown_bytes() const { return copy_range_.bytes; }
  bool strict() const { return strict_; }
  bool rewrite() const { return rewrite_; }
  // At some time the kernel was set to queue large TCP packets segment by segment.
  bool segmented() const { return segmented_; }

 private:
  absl::Status SetFlags(bool rewrite);

  const Options options_;
  PacketQueue* const queue_;  // Not owned.
  CopyRange copy_range_;      // As asked for; the kernel's may be longer.
  QueueFlags flags_;
  v1::Mode mode_ = v1::MODE_OFF;
  bool ipv4_ = true;
  bool ipv6_ = true;
  bool strict_ = false;
  bool rewrite_ = false;
  bool segmented_ = false;
};

}  // namespace sluice::agent
