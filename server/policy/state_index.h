#pragma once

#include <array>
#include <vector>

#include "server/policy/checked_policy.h"
#include "server/policy/packet_view.h"
#include "server/policy/rule_bits.h"

namespace sluice::server::policy {

// Says which rules match what connection tracking makes of a packet. Immutable; any number of
// threads.
class StateIndex final {
 public:
  StateIndex(const std::vector<const CheckedRule*>& rules, RuleBits* bits);

  // `state` is a PacketView's.
  RuleBits::Id Find(int state) const { return sets_[static_cast<size_t>(state)]; }

 private:
  std::array<RuleBits::Id, 5> sets_{};  // By v1::ConnectionState.
};

}  // namespace sluice::server::policy
