#include "server/policy/engine/protocol_classes.h"

namespace sluice::server::policy {
namespace {

constexpr size_t kTypes = 257;

using Set = ProtocolClasses::Set;

Set Range(size_t first, size_t count) {
  Set set;
  for (size_t i = 0; i < count; ++i) set.set(first + i);
  return set;
}

}  // namespace

PacketView ProtocolClasses::Example(size_t of) {
  PacketView packet;
  packet.address_size = 4;
  if (of == kUnknown) return packet;
  if (of < kUnknown) {
    packet.protocol = static_cast<int>(of);
    // ICMP in IPv4 has classes of its own; in IPv6 protocol 1 is like any other.
    if (of == 1) packet.address_size = 16;
    return packet;
  }
  if (of >= kTcp) {
    packet.protocol = 6;
    if (of < kTcp + 256) packet.tcp_flags = static_cast<int>(of - kTcp);
    return packet;
  }
  packet.address_size = of < kIcmpV6 ? 4 : 16;
  packet.protocol = of < kIcmpV6 ? 1 : 58;
  const size_t type = of - (of < kIcmpV6 ? kIcmpV4 : kIcmpV6);
  if (type < 256) packet.icmp_type = static_cast<int>(type);
  return packet;
}

Set ProtocolClasses::Known() {
  Set set;
  set.set();
  // TCP has classes of its own, so no packet is in class 6.
  for (const size_t unknown : {size_t{6}, kUnknown, kIcmpV6 - 1, kTcp - 1, kCount - 1}) {
    set.reset(unknown);
  }
  return set;
}

Set ProtocolClasses::IpV4() { return ~Range(kIcmpV6, kTypes).set(1); }

Set ProtocolClasses::IpV6() {
  Set others = Range(kIcmpV4, kTypes).set(58);
  // These are extension headers: the packet's protocol comes after them.
  for (const size_t extension : {43, 44, 51, 60}) others.set(extension);
  return ~others;
}

}  // namespace sluice::server::policy
