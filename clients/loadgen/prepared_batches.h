#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "sluice/v1/decision.pb.h"
#include "sluice/v1/packet.pb.h"

namespace sluice::loadgen {

// The packet number `index` that simulated agents ask about; after 65,536 they repeat. IPv4 with
// real headers as an agent sends them, new connections: source 10.64.0.0/16 with ports from 1024
// on, destination 198.51.100.0/24; three in four a TCP SYN to port 22, 80 or 443, the fourth a UDP
// datagram to port 53.
v1::Packet MakePacket(uint32_t index);

// Messages that are made once and sent again and again with other ids: making packets must not cost
// more than deciding them. Used by one thread.
class PreparedBatches final {
 public:
  // Of `batch` packets each.
  explicit PreparedBatches(uint32_t batch);

  // The next one in turn, its packets numbered from `first_id` on. Valid until the next call.
  const v1::DecideRequest& Next(uint64_t number, uint64_t first_id);

 private:
  size_t next_ = 0;
  std::vector<v1::DecideRequest> requests_;
};

}  // namespace sluice::loadgen
