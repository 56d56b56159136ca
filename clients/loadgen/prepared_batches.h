#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "sluice/v1/decision.pb.h"
#include "sluice/v1/packet.pb.h"

namespace sluice::loadgen {

// Packet number `index` of those that simulated agents ask about; they repeat after 65,536. All
// begin new connections, and have IPv4 headers as an agent sends them: source 10.64.0.0/16 with
// ports from 1024 on, destination 198.51.100.0/24. Three in four are TCP SYNs to port 22, 80 or
// 443, the fourth is a UDP datagram to port 53.
v1::Packet MakePacket(uint32_t index);

// Messages that are made once and sent repeatedly with new ids: making packets must not cost more
// than deciding them. Used by one thread.
class PreparedBatches final {
 public:
  // Makes batches of `batch` packets each.
  explicit PreparedBatches(uint32_t batch);

  // The next message in turn, with its packets numbered from `first_id` on. Valid until the next
  // call.
  const v1::DecideRequest& Next(uint64_t number, uint64_t first_id);

 private:
  size_t next_ = 0;
  std::vector<v1::DecideRequest> requests_;
};

}  // namespace sluice::loadgen
