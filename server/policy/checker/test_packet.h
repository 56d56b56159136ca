#pragma once

#include <string>

#include "server/policy/terms/address.h"
#include "sluice/v1/packet.pb.h"

namespace sluice::server::policy {

// Packets for tests, as an agent describes them.

inline v1::Packet PacketOf(const std::string& source, const std::string& destination,
                           uint32_t protocol) {
  v1::Packet packet;
  const Address from = ParseAddress(source).value();
  const Address to = ParseAddress(destination).value();
  packet.set_family(from.size == 4 ? v1::FAMILY_IPV4 : v1::FAMILY_IPV6);
  v1::Headers& headers = *packet.mutable_headers();
  headers.set_source(from.bytes.data(), from.size);
  headers.set_destination(to.bytes.data(), to.size);
  headers.set_protocol(protocol);
  return packet;
}

inline v1::Packet Ports(v1::Packet packet, uint32_t source_port, uint32_t destination_port) {
  packet.mutable_headers()->set_source_port(source_port);
  packet.mutable_headers()->set_destination_port(destination_port);
  return packet;
}

inline v1::Packet Tcp(const std::string& source, uint32_t source_port,
                      const std::string& destination, uint32_t destination_port) {
  return Ports(PacketOf(source, destination, 6), source_port, destination_port);
}

inline v1::Packet Udp(const std::string& source, uint32_t source_port,
                      const std::string& destination, uint32_t destination_port) {
  return Ports(PacketOf(source, destination, 17), source_port, destination_port);
}

// ICMP, or ICMPv6 between IPv6 addresses.
inline v1::Packet Icmp(const std::string& source, const std::string& destination, uint32_t type) {
  v1::Packet packet = PacketOf(source, destination, 1);
  if (packet.family() == v1::FAMILY_IPV6) packet.mutable_headers()->set_protocol(58);
  packet.mutable_headers()->set_icmp_type(type);
  packet.mutable_headers()->set_icmp_code(0);
  return packet;
}

}  // namespace sluice::server::policy
