#pragma once

#include <cstdint>
#include <vector>

#include "agent/pending_table.h"
#include "sluice/v1/decision.pb.h"

namespace sluice::agent {

// Which pending packets are still to be sent to the decider, in order, and the batch that is being
// sent: whatever had arrived, at most 1,024 packets and 1 MiB. The packets' messages stay theirs
// and are only lent to the batch. One thread. Holds no more packets than the pending table does.
class PacketOutbox final {
 public:
  PacketOutbox() = default;
  ~PacketOutbox() { Sent(); }
  PacketOutbox(const PacketOutbox&) = delete;
  PacketOutbox& operator=(const PacketOutbox&) = delete;

  void Add(uint64_t transaction_id) { ids_.push_back(transaction_id); }

  // The next batch, complete but for its number; null if there is none. Packets that are no longer
  // pending, or would be too late when they arrive, are left out for good. `travel_ns` is half the
  // round trip. To be followed by Sent before `pending` is touched.
  v1::PacketBatch* Next(int64_t now_ns, int64_t travel_ns, PendingTable& pending);
  // The batch of Next has been serialized: its packets, whose messages are given back. Valid until
  // `pending` is touched.
  const std::vector<PendingPacket*>& Sent();

  // Nothing is waiting.
  bool empty() const { return next_ == ids_.size(); }
  void Clear();

 private:
  std::vector<uint64_t> ids_;
  size_t next_ = 0;  // of ids_
  v1::PacketBatch batch_;
  std::vector<v1::Packet*> lent_;
  std::vector<PendingPacket*> sent_;
};

}  // namespace sluice::agent
