#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "agent/config/interface_groups.h"
#include "agent/netfilter/queue/links.h"
#include "agent/netfilter/queue/queue_codec.h"
#include "proto/headers/packet_headers.h"
#include "sluice/v1/packet.pb.h"

namespace sluice::agent {

// Makes the messages that deciders are shown from the kernel's packets. Messages are reused, so
// that nothing is allocated in the steady state. One thread.
class PacketMessages final {
 public:
  // `links` names the interfaces, `groups` says which are trusted alike. Neither is owned; both may
  // be null.
  PacketMessages(const Links* links, const InterfaceGroups* groups)
      : links_(links), groups_(groups) {}

  // The message lacks only the transaction id and how long the packet has waited. It has at most
  // `shown_bytes` of the packet's bytes; the headers were read from all that the kernel copied.
  // `mark_mask` are the agent's bits of the packet's mark (mark_bits.h): the message shows the
  // connection state they stand for, and not the bits themselves.
  std::unique_ptr<v1::Packet> Make(const QueuedPacket& packet, const PacketHeaders& headers,
                                   uint32_t shown_bytes, uint32_t mark_mask,
                                   int64_t arrival_realtime_ns);
  // Takes a message back for reuse; null does nothing.
  void Recycle(std::unique_ptr<v1::Packet> message);

 private:
  struct Interface {
    std::string_view name;   // in snapshot_
    std::string_view group;  // in groups_
    uint16_t type = 0;       // ARPHRD_*
  };

  const Interface& Look(uint32_t ifindex);

  const Links* const links_;             // Not owned; may be null.
  const InterfaceGroups* const groups_;  // Not owned; may be null.
  std::shared_ptr<const LinkMap> snapshot_;
  uint64_t generation_ = UINT64_MAX;
  absl::flat_hash_map<uint32_t, Interface> interfaces_;
  std::vector<std::unique_ptr<v1::Packet>> spare_;
};

}  // namespace sluice::agent
