#pragma once

#include <array>
#include <cstddef>
#include <vector>

#include "server/policy/checked_policy.h"
#include "server/policy/packet_view.h"
#include "server/policy/rule_bits.h"

namespace sluice::server::policy {

// Says which rules match a packet's protocol and, of ICMP its type, of TCP its flags, on both sides
// of them.
// Immutable; any number of threads.
class ProtocolIndex final {
 public:
  ProtocolIndex(const std::vector<const CheckedRule*>& rules, RuleBits* bits);

  RuleBits::Id Find(const PacketView& packet) const { return sets_[Class(packet)]; }

 private:
  // Protocols, one that is not known, types of ICMP and ICMPv6 and flags of TCP, each with one not
  // known.
  static constexpr size_t kUnknown = 256;
  static constexpr size_t kIcmpV4 = kUnknown + 1;
  static constexpr size_t kIcmpV6 = kIcmpV4 + 257;
  static constexpr size_t kTcp = kIcmpV6 + 257;
  static constexpr size_t kClasses = kTcp + 257;

  static size_t Class(const PacketView& packet) {
    if (packet.protocol == PacketView::kUnknown) return kUnknown;
    const auto or_unknown = [](int value) {
      return value == PacketView::kUnknown ? 256 : static_cast<size_t>(value);
    };
    if (packet.protocol == 6) return kTcp + or_unknown(packet.tcp_flags);
    const size_t type = or_unknown(packet.icmp_type);
    if (packet.protocol == 1 && packet.address_size != 16) return kIcmpV4 + type;
    if (packet.protocol == 58 && packet.address_size == 16) return kIcmpV6 + type;
    return static_cast<size_t>(packet.protocol);
  }
  // A packet of the class.
  static PacketView Example(size_t of);

  std::array<RuleBits::Id, kClasses> sets_{};
};

}  // namespace sluice::server::policy
