#include "server/policy/transport_match.h"

namespace sluice::server::policy {
namespace {

constexpr int kIcmp = 1;
constexpr int kIcmpV6 = 58;

}  // namespace

bool ProtocolMatches(const TransportTerm& term, const PacketView& packet, bool unknown) {
  using Kind = TransportTerm::Kind;
  if (term.kind == Kind::kAnything) return true;
  if (term.kind == Kind::kNothing) return false;
  if (packet.protocol == PacketView::kUnknown) return unknown;
  if (term.kind == Kind::kProtocol) return (packet.protocol == term.protocol) != term.negated;
  if (term.kind == Kind::kPort) return packet.protocol == term.protocol;
  const bool ipv6 = packet.address_size == 16;
  if (packet.protocol != (ipv6 ? kIcmpV6 : kIcmp)) return false;
  if (term.kind == Kind::kIcmp) return true;
  if (packet.icmp_type == PacketView::kUnknown) return unknown;
  const bool matches = term.kind == Kind::kIcmpInfo
                           ? IsInfoType(ipv6, packet.icmp_type)
                           : packet.icmp_type == (ipv6 ? term.icmp_type.ipv6 : term.icmp_type.ipv4);
  return matches != term.negated;
}

bool TransportMatches(const TransportTerm& term, const PacketView& packet, int port, bool unknown) {
  if (!ProtocolMatches(term, packet, unknown)) return false;
  if (term.kind != TransportTerm::Kind::kPort || packet.protocol == PacketView::kUnknown) {
    return true;
  }
  if (port == PacketView::kUnknown) return unknown;
  return (port >= term.low && port <= term.high) != term.negated;
}

}  // namespace sluice::server::policy
