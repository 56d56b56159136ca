#include "server/policy/engine/matcher.h"

#include <algorithm>

#include "server/policy/engine/transport_match.h"

namespace sluice::server::policy {
Matcher::Matcher(const std::vector<CheckedRule>& rules) {
  rules_.reserve(rules.size());
  for (const CheckedRule& rule : rules) {
    const Side source = Add(rule.source);
    rules_.push_back({source, Add(rule.destination), rule.states, !rule.decision.accept,
                      rule.match ? rule.match->program : nullptr});
  }
  patterns_.shrink_to_fit();
}

Matcher::Side Matcher::Add(const ObjectTerm& term) {
  const auto first = static_cast<uint32_t>(patterns_.size());
  const auto add = [this](const std::vector<AddressPattern>& patterns) {
    for (const AddressPattern& pattern : patterns) {
      patterns_.push_back(
          {pattern.value.size, ToWords(pattern.value.bytes), ToWords(pattern.mask)});
    }
  };
  add(term.address.patterns);
  for (const auto& set : term.address.sets) add(set->patterns);
  return {term.address.kind, first, static_cast<uint32_t>(patterns_.size()) - first, term.group,
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

bool Matcher::Matches(const std::optional<StateSet>& states, int state, bool unknown) {
  if (!states) return true;
  if (state == v1::CONNECTION_STATE_UNSPECIFIED) return unknown;
  return (*states >> (state - 1) & 1) != 0;
}

bool Matcher::Matches(const GroupTerm& term, std::string_view group) {
  if (term.names.empty()) return true;
  return (std::find(term.names.begin(), term.names.end(), group) != term.names.end()) !=
         term.negated;
}

size_t Matcher::FirstMatch(const PacketView& packet) const {
  for (size_t i = 0; i < rules_.size(); ++i) {
    const Rule& rule = rules_[i];
    if (Matches(rule.source.group, packet.input_group) &&
        Matches(rule.destination.group, packet.output_group) &&
        Matches(rule.states, packet.state, rule.rejects) &&
        Matches(rule.source, packet.address_size, packet.source, rule.rejects) &&
        Matches(rule.destination, packet.address_size, packet.destination, rule.rejects) &&
        TransportMatches(rule.source.transport, packet, packet.source_port, rule.rejects) &&
        TransportMatches(rule.destination.transport, packet, packet.destination_port,
                         rule.rejects) &&
        (rule.match == nullptr || rule.match->Matches(packet.bytes, rule.rejects))) {
      return i;
    }
  }
  return kNone;
}

}  // namespace sluice::server::policy
