#pragma once

#include <vector>

#include "server/policy/checked_policy.h"
#include "server/policy/interval_map.h"
#include "server/policy/rule_bits.h"

namespace sluice::server::policy {

// Says which rules a port of one protocol matches on one side of them. Rules that ask for no port
// of this protocol match any here: what protocol they ask for is ProtocolIndex's. Immutable; any
// number of threads.
class PortIndex final {
 public:
  PortIndex(const std::vector<const CheckedRule*>& rules, ObjectTerm CheckedRule::*side,
            uint8_t protocol, RuleBits* bits);

  // `port` may be PacketView::kUnknown.
  RuleBits::Id Find(int port) const {
    return port < 0 ? unknown_ : ports_.Find(static_cast<uint32_t>(port));
  }

  size_t memory() const { return ports_.memory(); }

 private:
  RuleBits::Id unknown_ = RuleBits::kEmpty;
  IntervalMap<uint32_t> ports_;
};

}  // namespace sluice::server::policy
