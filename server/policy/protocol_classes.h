#pragma once

#include <bitset>
#include <cstddef>

#include "server/policy/packet_view.h"

namespace sluice::server::policy {

// Packets that no rule tells apart by protocol, ICMP type or TCP flags are of one class: protocols,
// one that is not known, types of ICMP and ICMPv6 and flags of TCP, each with one not known.
class ProtocolClasses final {
 public:
  static constexpr size_t kUnknown = 256;
  static constexpr size_t kIcmpV4 = kUnknown + 1;
  static constexpr size_t kIcmpV6 = kIcmpV4 + 257;
  static constexpr size_t kTcp = kIcmpV6 + 257;
  static constexpr size_t kCount = kTcp + 257;
  using Set = std::bitset<kCount>;

  static size_t Of(const PacketView& packet) {
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

  // Those whose packets show all that tells classes apart.
  static Set Known();
  // Those that have packets of IPv4, and of IPv6.
  static Set IpV4();
  static Set IpV6();
};

}  // namespace sluice::server::policy
