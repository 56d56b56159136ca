#include <cstdint>
#include <map>
#include <string>
#include <tuple>
#include <unordered_map>

#include "server/policy/engine/indexes.h"
#include "server/policy/engine/transport_match.h"

namespace sluice::server::policy {
namespace {

// What several rules say about protocols, types and flags on both their sides.
struct Pair {
  const CheckedRule* rule;  // One of them.
  bool Matches(const PacketView& packet) const {
    const bool rejects = !rule->decision.accept;
    return ProtocolMatches(rule->source.transport, packet, rejects) &&
           ProtocolMatches(rule->destination.transport, packet, rejects);
  }
};

}  // namespace

ProtocolIndex::ProtocolIndex(const std::vector<const CheckedRule*>& rules, RuleBits* bits) {
  std::vector<Pair> pairs;
  std::vector<uint32_t> pair_of(rules.size());
  std::map<std::tuple<bool, std::string, std::string>, uint32_t> known;
  for (size_t i = 0; i < rules.size(); ++i) {
    const CheckedRule& rule = *rules[i];
    const auto [entry, is_new] =
        known.emplace(std::tuple(rule.decision.accept, ProtocolWords(rule.source.transport),
                                 ProtocolWords(rule.destination.transport)),
                      static_cast<uint32_t>(pairs.size()));
    if (is_new) pairs.push_back({&rule});
    pair_of[i] = entry->second;
  }

  RuleBitsWriter writer(bits);
  std::unordered_map<std::vector<bool>, RuleBits::Id> written;  // By which pairs match.
  std::vector<bool> matches(pairs.size());
  std::vector<bool> before;  // Of the previous class; most classes equal it.
  for (size_t of = 0; of < ProtocolClasses::kCount; ++of) {
    const PacketView packet = ProtocolClasses::Example(of);
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
