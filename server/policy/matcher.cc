#include "server/policy/matcher.h"

namespace sluice::server::policy {
namespace {

constexpr int kIcmp = 1;
constexpr int kIcmpV6 = 58;

// `unknown` is the answer where the packet does not show what the term asks for.
bool Matches(const TransportTerm& term, const PacketView& packet, int port, bool unknown) {
  using Kind = TransportTerm::Kind;
  if (term.kind == Kind::kAnything) return true;
  if (term.kind == Kind::kNothing) return false;
  if (packet.protocol == PacketView::kUnknown) return unknown;
  switch (term.kind) {
    case Kind::kProtocol:
      return (packet.protocol == term.protocol) != term.negated;
    case Kind::kPort:
      if (packet.protocol != term.protocol) return false;
      if (port == PacketView::kUnknown) return unknown;
      return (port >= term.low && port <= term.high) != term.negated;
    default:
      break;
  }
  const bool ipv6 = packet.address_size == 16;
  if (packet.protocol != (ipv6 ? kIcmpV6 : kIcmp)) return false;
  if (term.kind == Kind::kIcmp) return true;
  if (packet.icmp_type == PacketView::kUnknown) return unknown;
  const bool matches = term.kind == Kind::kIcmpInfo
                           ? IsInfoType(ipv6, packet.icmp_type)
                           : packet.icmp_type == (ipv6 ? term.icmp_type.ipv6 : term.icmp_type.ipv4);
  return matches != term.negated;
}

}  // namespace

Matcher::Matcher(const std::vector<CheckedRule>& rules) {
  rules_.reserve(rules.size());
  for (const CheckedRule& rule : rules) {
    const Side source = Add(rule.source);
    rules_.push_back({source, Add(rule.destination), !rule.decision.accept});
  }
  patterns_.shrink_to_fit();
}

Matcher::Side Matcher::Add(const ObjectTerm& term) {
  const auto first = static_cast<uint32_t>(patterns_.size());
  for (const AddressPattern& pattern : term.address.patterns) {
    patterns_.push_back({pattern.value.size, ToWords(pattern.value.bytes), ToWords(pattern.mask)});
  }
  return {term.address.kind, first, static_cast<uint32_t>(patterns_.size()) - first,
          term.transport};
}

bool Matcher::Matches(const Side& side, size_t address_size, const AddressWords& address,
                      bool unknown) const {
  if (side.address == AddressTerm::Kind::kAnything) return true;
  if (side.address == AddressTerm::Kind::kNothing) return false;
  if (address_size == 0) return unknown;
  bool found = false;
  for (uint32_t i = 0; i < side.patterns && !found; ++i) {
    const Pattern& pattern = patterns_[side.first_pattern + i];
    found = pattern.size == address_size && (address[0] & pattern.mask[0]) == pattern.value[0] &&
            (address[1] & pattern.mask[1]) == pattern.value[1];
  }
  return found == (side.address == AddressTerm::Kind::kOneOf);
}

size_t Matcher::FirstMatch(const PacketView& packet) const {
  for (size_t i = 0; i < rules_.size(); ++i) {
    const Rule& rule = rules_[i];
    if (Matches(rule.source, packet.address_size, packet.source, rule.rejects) &&
        Matches(rule.destination, packet.address_size, packet.destination, rule.rejects) &&
        policy::Matches(rule.source.transport, packet, packet.source_port, rule.rejects) &&
        policy::Matches(rule.destination.transport, packet, packet.destination_port,
                        rule.rejects)) {
      return i;
    }
  }
  return kNone;
}

}  // namespace sluice::server::policy
