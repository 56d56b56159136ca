#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "server/policy/checker/checked_policy.h"
#include "server/policy/engine/interval_map.h"
#include "server/policy/engine/packet_view.h"
#include "server/policy/engine/protocol_classes.h"
#include "server/policy/engine/rule_bits.h"

namespace sluice::server::policy {

// Says which rules an address matches on one of their sides, source or destination. A mask with
// holes, which only screend's `subnet` has, is taken for the prefix it begins with. That gives too
// many rules, so the caller must check these rules again (HasHoles). Immutable; any number of
// threads.
class AddressIndex final {
 public:
  AddressIndex(const std::vector<const CheckedRule*>& rules, ObjectTerm CheckedRule::*side,
               RuleBits* bits);

  // `size` 0: for a packet whose addresses are not known.
  RuleBits::Id Find(size_t size, const AddressWords& address) const;

  // Every set that Find may return; likewise in the other indexes.
  std::vector<RuleBits::Id> Sets() const;

  size_t memory() const { return ipv4_.memory() + ipv6_.memory(); }

 private:
  using IpV6 = unsigned __int128;

  RuleBits::Id unknown_ = RuleBits::kEmpty;
  IntervalMap<uint32_t> ipv4_;
  IntervalMap<IpV6> ipv6_;
};

// Whether the mask has a one after a zero, within the bits that addresses of its size have.
bool HasHoles(const AddressPattern& pattern);
bool HasHoles(const AddressTerm& term);

// Says which rules a group of interfaces matches on one of their sides: the first with the group
// that a packet came in by, the second with the one it leaves by. Immutable; any number of threads.
class GroupIndex final {
 public:
  GroupIndex(const std::vector<const CheckedRule*>& rules, ObjectTerm CheckedRule::*side,
             RuleBits* bits);

  // `group` is empty for an interface in no group.
  RuleBits::Id Find(std::string_view group) const {
    const auto found = numbers_.find(group);
    return sets_.Find(found == numbers_.end() ? 0 : found->second);
  }

  const std::vector<RuleBits::Id>& Sets() const { return sets_.sets(); }

 private:
  std::map<std::string, uint32_t, std::less<>> numbers_;  // From 1; 0 is any other.
  IntervalMap<uint32_t> sets_;
};

// Says which rules a port of one protocol matches on one of their sides. Rules that ask for no port
// of this protocol match any port here; ProtocolIndex looks at the protocol they ask for.
// Immutable; any number of threads.
class PortIndex final {
 public:
  PortIndex(const std::vector<const CheckedRule*>& rules, ObjectTerm CheckedRule::*side,
            uint8_t protocol, RuleBits* bits);

  // `port` may be PacketView::kUnknown.
  RuleBits::Id Find(int port) const {
    return port < 0 ? unknown_ : ports_.Find(static_cast<uint32_t>(port));
  }

  std::vector<RuleBits::Id> Sets() const;

  size_t memory() const { return ports_.memory(); }

 private:
  RuleBits::Id unknown_ = RuleBits::kEmpty;
  IntervalMap<uint32_t> ports_;
};

// Says which rules match, on both their sides, a packet's protocol and the type of ICMP or the
// flags of TCP. Immutable; any number of threads.
class ProtocolIndex final {
 public:
  ProtocolIndex(const std::vector<const CheckedRule*>& rules, RuleBits* bits);

  RuleBits::Id Find(const PacketView& packet) const { return sets_[ProtocolClasses::Of(packet)]; }

  // By ProtocolClasses.
  const std::array<RuleBits::Id, ProtocolClasses::kCount>& Sets() const { return sets_; }

 private:
  std::array<RuleBits::Id, ProtocolClasses::kCount> sets_{};
};

// Says which rules match the state that connection tracking gives a packet. Immutable; any number
// of threads.
class StateIndex final {
 public:
  StateIndex(const std::vector<const CheckedRule*>& rules, RuleBits* bits);

  // `state` is a PacketView's.
  RuleBits::Id Find(int state) const { return sets_[static_cast<size_t>(state)]; }

  const std::array<RuleBits::Id, 5>& Sets() const { return sets_; }

 private:
  std::array<RuleBits::Id, 5> sets_{};  // By v1::ConnectionState.
};

}  // namespace sluice::server::policy
