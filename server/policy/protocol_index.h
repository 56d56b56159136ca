#pragma once

#include <array>
#include <vector>

#include "server/policy/checked_policy.h"
#include "server/policy/packet_view.h"
#include "server/policy/protocol_classes.h"
#include "server/policy/rule_bits.h"

namespace sluice::server::policy {

// Says which rules match a packet's protocol and, of ICMP its type, of TCP its flags, on both sides
// of them.
// Immutable; any number of threads.
class ProtocolIndex final {
 public:
  ProtocolIndex(const std::vector<const CheckedRule*>& rules, RuleBits* bits);

  RuleBits::Id Find(const PacketView& packet) const { return sets_[ProtocolClasses::Of(packet)]; }

 private:
  std::array<RuleBits::Id, ProtocolClasses::kCount> sets_{};
};

}  // namespace sluice::server::policy
