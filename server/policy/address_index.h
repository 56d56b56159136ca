#pragma once

#include <cstddef>
#include <vector>

#include "server/policy/checked_policy.h"
#include "server/policy/interval_map.h"
#include "server/policy/packet_view.h"
#include "server/policy/rule_bits.h"

namespace sluice::server::policy {

// Says which rules an address matches on one side of them, source or destination. Masks with
// holes, which only screend's `subnet` has, are taken for the prefix they begin with: too many
// rules, and whoever asks must look at these again (HasHoles). Immutable; any number of threads.
class AddressIndex final {
 public:
  AddressIndex(const std::vector<const CheckedRule*>& rules, ObjectTerm CheckedRule::*side,
               RuleBits* bits);

  // `size` 0: of a packet whose addresses are not known.
  RuleBits::Id Find(size_t size, const AddressWords& address) const;

  size_t memory() const { return ipv4_.memory() + ipv6_.memory(); }

 private:
  using IpV6 = unsigned __int128;

  RuleBits::Id unknown_ = RuleBits::kEmpty;
  IntervalMap<uint32_t> ipv4_;
  IntervalMap<IpV6> ipv6_;
};

// The mask has a one behind a zero, within the bits addresses of its size have.
bool HasHoles(const AddressPattern& pattern);
bool HasHoles(const AddressTerm& term);

}  // namespace sluice::server::policy
