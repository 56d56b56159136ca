#pragma once

#include <bitset>
#include <cstddef>

#include "server/policy/engine/packet_view.h"

namespace sluice::server::policy {

// A class has the packets that no rule tells apart by protocol, ICMP type or TCP flags. There is a
// class for each protocol and one for an unknown protocol; a class for each type of ICMP and of
// ICMPv6 and for each combination of TCP flags; and one for the unknown type or flags of each of
// these.
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

  // A packet of the class `of`.
  static PacketView Example(size_t of);

  // The classes whose packets show everything that tells classes apart.
  static Set Known();
  // The classes that have packets of IPv4; of IPv6.
  static Set IpV4();
  static Set IpV6();
};

}  // namespace sluice::server::policy
