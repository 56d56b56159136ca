#include "server/policy/protocol_index.h"

#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <unordered_map>

#include "server/policy/transport_match.h"

namespace sluice::server::policy {
namespace {

// Equal for terms that say the same of protocols, types and flags in the same words.
std::string Words(const TransportTerm& term) {
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

// What several rules say of protocols and types on both their sides.
struct Pair {
  const CheckedRule* rule;  // One of them.
  bool Matches(const PacketView& packet) const {
    const bool rejects = !rule->decision.accept;
    return ProtocolMatches(rule->source.transport, packet, rejects) &&
           ProtocolMatches(rule->destination.transport, packet, rejects);
  }
};

}  // namespace

PacketView ProtocolIndex::Example(size_t of) {
  PacketView packet;
  packet.address_size = 4;
  if (of == kUnknown) return packet;
  if (of < kUnknown) {
    packet.protocol = static_cast<int>(of);
    // ICMP has classes of its own, but in the other family it is a protocol like any.
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

ProtocolIndex::ProtocolIndex(const std::vector<const CheckedRule*>& rules, RuleBits* bits) {
  std::vector<Pair> pairs;
  std::vector<uint32_t> pair_of(rules.size());
  std::map<std::tuple<bool, std::string, std::string>, uint32_t> known;
  for (size_t i = 0; i < rules.size(); ++i) {
    const CheckedRule& rule = *rules[i];
    const auto [entry, is_new] =
        known.emplace(std::tuple(rule.decision.accept, Words(rule.source.transport),
                                 Words(rule.destination.transport)),
                      static_cast<uint32_t>(pairs.size()));
    if (is_new) pairs.push_back({&rule});
    pair_of[i] = entry->second;
  }

  RuleBitsWriter writer(bits);
  std::unordered_map<std::vector<bool>, RuleBits::Id> written;  // By which pairs match.
  std::vector<bool> matches(pairs.size());
  std::vector<bool> before;  // Of the class before, which most are like.
  for (size_t of = 0; of < kClasses; ++of) {
    const PacketView packet = Example(of);
    for (size_t i = 0; i < pairs.size(); ++i) matches[i] = pairs[i].Matches(packet);
    if (of != 0 && matches == before) {
      sets_[of] = sets_[of - 1];
      continue;
    }
    before = matches;
    const auto [entry, is_new] = written.emplace(matches, RuleBits::kEmpty);
    if (is_new) {
      for (size_t i = 0; i < rules.size(); ++i) writer.Set(i, matches[pair_of[i]]);
      entry->second = writer.Write();
    }
    sets_[of] = entry->second;
  }
}

}  // namespace sluice::server::policy
