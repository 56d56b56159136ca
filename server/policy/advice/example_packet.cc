#include <algorithm>
#include <bit>
#include <cstdint>

#include "server/policy/advice/rule_cover.h"
#include "server/policy/engine/protocol_classes.h"

namespace sluice::server::policy {
namespace {

// Most entries of a set that are looked at: it may have millions.
constexpr size_t kMostLookedAt = 256;

bool Matches(const AddressPattern& pattern, size_t family, const AddressWords& address) {
  const AddressWords value = ToWords(pattern.value.bytes);
  const AddressWords mask = ToWords(pattern.mask);
  return pattern.value.size == family && (address[0] & mask[0]) == value[0] &&
         (address[1] & mask[1]) == value[1];
}

// Calls `visit` with the term's patterns until it returns true. Returns whether it did.
template <typename Visit>
bool AnyPattern(const AddressTerm& term, const Visit& visit) {
  if (std::any_of(term.patterns.begin(), term.patterns.end(), visit)) return true;
  return std::any_of(term.sets.begin(), term.sets.end(), [&visit](const auto& set) {
    const size_t size = std::min(set->patterns.size(), kMostLookedAt);
    return std::any_of(set->patterns.begin(), set->patterns.begin() + static_cast<ptrdiff_t>(size),
                       visit);
  });
}

std::optional<AddressWords> AddressOf(const AddressTerm& term, size_t family) {
  if (term.kind == AddressTerm::Kind::kOneOf) {
    std::optional<AddressWords> found;
    AnyPattern(term, [&](const AddressPattern& pattern) {
      if (pattern.value.size == family) found = ToWords(pattern.value.bytes);
      return found.has_value();
    });
    return found;
  }
  // Any address that is not excluded; only the beginning of long sets is looked at.
  for (uint8_t i = 1; i < 32; ++i) {
    std::array<uint8_t, 16> bytes{};
    bytes[0] = static_cast<uint8_t>(i * 7);
    bytes[family - 1] = i;
    const AddressWords address = ToWords(bytes);
    const bool excluded = AnyPattern(
        term, [&](const AddressPattern& pattern) { return Matches(pattern, family, address); });
    if (!excluded) return address;
  }
  return std::nullopt;
}

std::optional<int> PortOf(const TransportTerm& term) {
  if (term.kind != TransportTerm::Kind::kPort) return 0;
  if (!term.negated) return term.ports.front().low;
  // A port just after an excluded range, if one is free.
  const auto is_free = [&term](int port) {
    return std::none_of(term.ports.begin(), term.ports.end(), [port](const PortRange& range) {
      return port >= range.low && port <= range.high;
    });
  };
  if (is_free(0)) return 0;
  for (const PortRange& range : term.ports) {
    if (range.high < 65535 && is_free(range.high + 1)) return range.high + 1;
  }
  return std::nullopt;
}

// A group that the term asks for; no group if it asks for none.
std::string_view GroupOf(const GroupTerm& term) {
  return term.negated || term.names.empty() ? std::string_view() : term.names.front();
}

}  // namespace

std::optional<PacketView> ExamplePacket(const CheckedRule& rule, size_t family, size_t of_class) {
  PacketView packet = ProtocolClasses::Example(of_class);
  const auto source = AddressOf(rule.source.address, family);
  const auto destination = AddressOf(rule.destination.address, family);
  const auto source_port = PortOf(rule.source.transport);
  const auto destination_port = PortOf(rule.destination.transport);
  if (!source || !destination || !source_port || !destination_port) return std::nullopt;
  packet.address_size = family;
  packet.source = *source;
  packet.destination = *destination;
  packet.source_port = *source_port;
  packet.destination_port = *destination_port;
  packet.input_group = GroupOf(rule.source.group);
  packet.output_group = GroupOf(rule.destination.group);
  // If the rule asks for no state, the state stays unknown. Then rules that ask for one and accept
  // do not match this packet.
  if (rule.states) packet.state = 1 + std::countr_zero(*rule.states);
  return packet;
}

}  // namespace sluice::server::policy
