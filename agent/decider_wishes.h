#pragma once

#include "absl/status/status.h"
#include "agent/netfilter/packet_queue.h"
#include "sluice/v1/decision.pb.h"
#include "sluice/v1/stats.pb.h"

namespace sluice::agent {

// What the decider that is asked wishes to see (decision.proto, Wishes), and the settings of the
// kernel's queue that follow from it. Owned by the queue's pipeline; one thread.
class DeciderWishes final {
 public:
  struct Options {
    CopyRange copy_range;  // Unless the decider wishes otherwise.
    bool gso = true;
    bool fail_open = false;
  };
  // `queue` is not owned, and set up as the options say.
  DeciderWishes(const Options& options, PacketQueue* queue);

  // INVALID_ARGUMENT: they make no sense; or what the kernel says of the settings. The wishes are
  // as before then, though the kernel may have taken some.
  absl::Status Set(const v1::Wishes& wishes);
  absl::Status SetMode(v1::Mode mode);

  // The range the kernel is told: at least what the headers take, so that no wish and no setting
  // hides an address or a port from those who decide by them.
  static CopyRange OfKernel(CopyRange range);

  bool Asked(v1::Family family) const { return family == v1::FAMILY_IPV4 ? ipv4_ : ipv6_; }
  // Bytes of each packet the decider is shown.
  uint32_t shown_bytes() const { return copy_range_.bytes; }
  bool strict() const { return strict_; }
  bool rewrite() const { return rewrite_; }
  // The kernel has cut large TCP packets into segments, at some time, and queued them one by one.
  bool segmented() const { return segmented_; }

 private:
  absl::Status SetFlags(bool rewrite);

  const Options options_;
  PacketQueue* const queue_;  // Not owned.
  CopyRange copy_range_;      // As wished; the kernel's may be longer.
  QueueFlags flags_;
  v1::Mode mode_ = v1::MODE_OFF;
  bool ipv4_ = true;
  bool ipv6_ = true;
  bool strict_ = false;
  bool rewrite_ = false;
  bool segmented_ = false;
};

}  // namespace sluice::agent
