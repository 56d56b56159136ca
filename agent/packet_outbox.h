#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string_view>
#include <vector>

#include "agent/netfilter/links.h"
#include "agent/netfilter/queue_codec.h"
#include "agent/pending_table.h"
#include "sluice/v1/decision.pb.h"

namespace sluice::agent {

// Packets on their way to the decider, as messages ready to send: a batch is whatever had arrived,
// at most 1,024 packets and 1 MiB. Messages are used again, so in the steady state nothing is
// allocated. One thread. Holds no more packets than the pending table does.
class PacketOutbox final {
 public:
  // `links` names the interfaces. Not owned; may be null in tests.
  explicit PacketOutbox(const Links* links) : links_(links) {}

  // Appends a packet. `pending` has its transaction id, arrival and headers; `mark` is what the
  // decider is to see.
  void Add(const QueuedPacket& packet, const PendingPacket& pending, uint32_t mark,
           int64_t arrival_realtime_ns, bool kernel_clock);

  // The next batch, complete but for its number; null if there is none. Packets that are no longer
  // pending, or would be too late when they arrive, are left out. `travel_ns` is half the round
  // trip. The caller may swap the message's contents away.
  v1::PacketBatch* Next(int64_t now_ns, int64_t travel_ns, const PendingTable& pending);
  // The batch of Next has been sent.
  void Pop();

  // Name of an interface; empty if there is none.
  std::string_view LinkName(uint32_t ifindex);

  void Clear();
  bool empty() const { return batches_.empty(); }

 private:
  struct Times {
    int64_t arrival_ns;
    int64_t deadline_ns;
  };
  struct Batch {
    v1::PacketBatch message;
    std::vector<Times> times;  // of each packet
    size_t bytes = 0;
  };

  Batch& Current(size_t bytes);
  const Link* FindLink(uint32_t ifindex);
  void Recycle(std::unique_ptr<Batch> batch);

  const Links* const links_;  // Not owned.
  std::shared_ptr<const LinkMap> snapshot_;
  uint64_t generation_ = UINT64_MAX;
  std::deque<std::unique_ptr<Batch>> batches_;
  std::vector<std::unique_ptr<Batch>> spare_;
};

}  // namespace sluice::agent
