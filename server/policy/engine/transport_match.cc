#include "server/policy/engine/transport_match.h"

#include <algorithm>

namespace sluice::server::policy {
namespace {

constexpr int kIcmp = 1;
constexpr int kIcmpV6 = 58;

bool FlagsMatch(const TransportTerm& term, const PacketView& packet, bool unknown) {
  if (!term.flags) return true;
  if (packet.tcp_flags == PacketView::kUnknown) return unknown;
  return ((packet.tcp_flags & term.flags->mask) == term.flags->set) != term.flags->negated;
}

bool IcmpMatches(const TransportTerm& term, const PacketView& packet, bool unknown) {
  const bool ipv6 = packet.address_size == 16;
  if (packet.protocol != (ipv6 ? kIcmpV6 : kIcmp)) return false;
  if (term.kind == TransportTerm::Kind::kIcmp) return true;
  if (packet.icmp_type == PacketView::kUnknown) return unknown;
  const bool found = std::any_of(
      term.icmp_types.begin(), term.icmp_types.end(),
      [&](const IcmpType& type) { return packet.icmp_type == (ipv6 ? type.ipv6 : type.ipv4); });
  return found != term.negated;
}

}  // namespace

bool ProtocolMatches(const TransportTerm& term, const PacketView& packet, bool unknown) {
  using Kind = TransportTerm::Kind;
  if (term.kind == Kind::kAnything) return true;
  if (term.kind == Kind::kNothing) return false;
  if (packet.protocol == PacketView::kUnknown) return unknown;
  if (term.kind == Kind::kPort) {
    return packet.protocol == term.protocol && FlagsMatch(term, packet, unknown);
  }
  if (term.kind != Kind::kProtocol) return IcmpMatches(term, packet, unknown);
  const bool found = std::any_of(term.protocols.begin(), term.protocols.end(),
                                 [&](uint8_t protocol) { return packet.protocol == protocol; });
  return found != term.negated && FlagsMatch(term, packet, unknown);
}

bool TransportMatches(const TransportTerm& term, const PacketView& packet, int port, bool unknown) {
  if (!ProtocolMatches(term, packet, unknown)) return false;
  if (term.kind != TransportTerm::Kind::kPort || packet.protocol == PacketView::kUnknown) {
    return true;
  }
  if (port == PacketView::kUnknown) return unknown;
  const bool found = std::any_of(
      term.ports.begin(), term.ports.end(),
      [port](const PortRange& range) { return port >= range.low && port <= range.high; });
  return found != term.negated;
}

std::string ProtocolWords(const TransportTerm& term) {
  std::string words;
  const auto add = [&words](int value) {
    words += static_cast<char>(value & 255);
    words += static_cast<char>(value >> 8 & 255);
  };
  add(static_cast<int>(term.kind));
  add(term.negated && term.kind != TransportTerm::Kind::kPort);
  add(term.protocol);
  add(term.flags ? 1 + term.flags->negated : 0);
  add(term.flags ? term.flags->set : 0);
  add(term.flags ? term.flags->mask : 0);
  for (const uint8_t protocol : term.protocols) add(protocol);
  for (const IcmpType& type : term.icmp_types) {
    add(type.ipv4);
    add(type.ipv6);
  }
  return words;
}

}  // namespace sluice::server::policy
