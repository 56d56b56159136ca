#pragma once

#include <cstdint>
#include <vector>

#include "agent/packets/pending_table.h"
#include "sluice/v1/decision.pb.h"

namespace sluice::agent {

// The pending packets that are still to be sent to the decider, in order, and the batch that is
// being sent: all that had arrived, up to 1,024 packets and 1 MiB. The batch only borrows the
// packets' messages. One thread. Holds no more packets than the pending table does.
class PacketOutbox final {
 public:
  PacketOutbox() = default;
  ~PacketOutbox() { Sent(); }
  PacketOutbox(const PacketOutbox&) = delete;
  PacketOutbox& operator=(const PacketOutbox&) = delete;

  void Add(uint64_t transaction_id) { ids_.push_back(transaction_id); }

  // The next batch, without its number; null if there is none. Packets that are no longer pending,
  // or whose deadline would pass before they arrive, are left out for good. `travel_ns` is half the
  // round trip. Sent must be called before `pending` is touched.
  v1::PacketBatch* Next(int64_t now_ns, int64_t travel_ns, PendingTable& pending);
  // The batch of Next has been serialized: gives the messages back to their packets, and returns
  // those packets. Valid until `pending` is touched.
  const std::vector<PendingPacket*>& Sent();

  // No packet waits to be sent.
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
