#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "agent/interface_groups.h"
#include "agent/netfilter/links.h"
#include "agent/netfilter/queue_codec.h"
#include "proto/headers/packet_headers.h"
#include "sluice/v1/packet.pb.h"

namespace sluice::agent {

// Makes of the kernel's packets what deciders are shown. Messages are used again, so in the steady
// state nothing is allocated. One thread.
class PacketMessages final {
 public:
  // `links` names the interfaces, `groups` says which are trusted alike. Not owned; may be null.
  PacketMessages(const Links* links, const InterfaceGroups* groups)
      : links_(links), groups_(groups) {}

  // Complete but for the transaction id and how long it has waited. Of the packet's bytes at most
  // `shown_bytes` are in it; headers were read in all that the kernel copied. `mark_mask` are the
  // bits of the packet's mark that are ours (mark_bits.h): what they say of it is shown as such.
  std::unique_ptr<v1::Packet> Make(const QueuedPacket& packet, const PacketHeaders& headers,
                                   uint32_t shown_bytes, uint32_t mark_mask,
                                   int64_t arrival_realtime_ns);
  // Takes back what Make made; null does nothing.
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
