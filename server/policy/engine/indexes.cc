#include "server/policy/engine/indexes.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>

#include "server/policy/engine/interval_sweep.h"
#include "server/policy/engine/transport_match.h"

namespace sluice::server::policy {
namespace {

template <typename Key>
Key ToKey(const std::array<uint8_t, 16>& bytes) {
  Key key = 0;
  for (size_t i = 0; i < sizeof(Key); ++i) key = static_cast<Key>(key << 8 | bytes[i]);
  return key;
}

// Number of ones that the mask begins with.
template <typename Key>
unsigned PrefixLength(Key mask) {
  unsigned length = 0;
  while (length < 8 * sizeof(Key) && (mask >> (8 * sizeof(Key) - 1 - length) & 1) != 0) ++length;
  return length;
}

template <typename Key>
SweptInterval<Key> ToInterval(const AddressPattern& pattern, uint32_t term) {
  const unsigned length = PrefixLength(ToKey<Key>(pattern.mask));
  const Key behind = length == 8 * sizeof(Key) ? Key{0} : static_cast<Key>(~Key{0} >> length);
  const Key low = ToKey<Key>(pattern.value.bytes) & static_cast<Key>(~behind);
  return {low, low | behind, term};
}

// Equal for terms that say the same in the same words.
std::string Words(const AddressTerm& term) {
  std::string words(1, term.kind == AddressTerm::Kind::kNoneOf ? '!' : '=');
  for (const AddressPattern& pattern : term.patterns) {
    words += static_cast<char>(pattern.value.size);
    words.append(pattern.value.bytes.begin(), pattern.value.bytes.end());
    words.append(pattern.mask.begin(), pattern.mask.end());
  }
  for (const auto& set : term.sets) {
    const auto address = reinterpret_cast<uintptr_t>(set.get());
    words.append(reinterpret_cast<const char*>(&address), sizeof address);
  }
  return words;
}

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

bool HasHoles(const AddressPattern& pattern) {
  const auto ones = [&pattern](auto key) {
    return pattern.value.size == sizeof key ? PrefixLength(key) : 0;
  };
  unsigned all = 0;
  for (size_t i = 0; i < pattern.value.size; ++i) {
    all += static_cast<unsigned>(std::popcount(pattern.mask[i]));
  }
  return all != ones(ToKey<uint32_t>(pattern.mask)) + ones(ToKey<unsigned __int128>(pattern.mask));
}

bool HasHoles(const AddressTerm& term) {
  return std::any_of(term.patterns.begin(), term.patterns.end(),
                     [](const AddressPattern& pattern) { return HasHoles(pattern); });
}

AddressIndex::AddressIndex(const std::vector<const CheckedRule*>& rules,
                           ObjectTerm CheckedRule::*side, RuleBits* bits) {
  using Kind = AddressTerm::Kind;
  RuleBitsWriter unknown(bits);
  RuleBitsWriter anything(bits);
  std::vector<SweptTerm> terms;
  std::vector<SweptInterval<uint32_t>> ipv4;
  std::vector<SweptInterval<IpV6>> ipv6;
  std::unordered_map<std::string, uint32_t> known;
  for (uint32_t rule = 0; rule < rules.size(); ++rule) {
    const AddressTerm& term = (rules[rule]->*side).address;
    if (term.kind == Kind::kNothing) continue;
    if (term.kind == Kind::kAnything || !rules[rule]->decision.accept) unknown.Set(rule, true);
    const bool negated = term.kind == Kind::kNoneOf;
    // An address outside a mask with holes may be inside the prefix that the mask begins with.
    if (term.kind == Kind::kAnything || (negated && HasHoles(term))) {
      anything.Set(rule, true);
      continue;
    }
    const auto [found, is_new] = known.emplace(Words(term), static_cast<uint32_t>(terms.size()));
    const uint32_t number = found->second;
    if (is_new) {
      terms.push_back({negated, {}});
      const auto add = [&](const std::vector<AddressPattern>& patterns) {
        for (const AddressPattern& pattern : patterns) {
          if (pattern.value.size == 4) {
            ipv4.push_back(ToInterval<uint32_t>(pattern, number));
          } else {
            ipv6.push_back(ToInterval<IpV6>(pattern, number));
          }
        }
      };
      add(term.patterns);
      for (const auto& set : term.sets) add(set->patterns);
    }
    terms[number].rules.push_back(rule);
  }
  unknown_ = unknown.Write();
  ipv4_ = IntervalSweep<uint32_t>(terms, anything).Run(ipv4);
  ipv6_ = IntervalSweep<IpV6>(terms, std::move(anything)).Run(ipv6);
}

RuleBits::Id AddressIndex::Find(size_t size, const AddressWords& address) const {
  const auto bytes = std::bit_cast<std::array<uint8_t, 16>>(address);
  if (size == 4) return ipv4_.Find(ToKey<uint32_t>(bytes));
  if (size == 16) return ipv6_.Find(ToKey<IpV6>(bytes));
  return unknown_;
}

std::vector<RuleBits::Id> AddressIndex::Sets() const {
  std::vector<RuleBits::Id> sets = ipv4_.sets();
  sets.insert(sets.end(), ipv6_.sets().begin(), ipv6_.sets().end());
  sets.push_back(unknown_);
  return sets;
}

GroupIndex::GroupIndex(const std::vector<const CheckedRule*>& rules, ObjectTerm CheckedRule::*side,
                       RuleBits* bits) {
  RuleBitsWriter anything(bits);
  std::vector<SweptTerm> terms;
  std::vector<SweptInterval<uint32_t>> intervals;
  std::map<std::tuple<bool, std::vector<std::string>>, uint32_t> known;
  for (uint32_t rule = 0; rule < rules.size(); ++rule) {
    const GroupTerm& term = (rules[rule]->*side).group;
    if (term.names.empty()) {
      anything.Set(rule, true);
      continue;
    }
    const auto [entry, is_new] = known.emplace(std::tuple(term.negated, term.names), terms.size());
    if (is_new) {
      terms.push_back({term.negated, {}});
      for (const std::string& name : term.names) {
        const auto number =
            numbers_.emplace(name, static_cast<uint32_t>(numbers_.size() + 1)).first->second;
        intervals.push_back({number, number, entry->second});
      }
    }
    terms[entry->second].rules.push_back(rule);
  }
  sets_ = IntervalSweep<uint32_t>(terms, std::move(anything)).Run(intervals);
}

PortIndex::PortIndex(const std::vector<const CheckedRule*>& rules, ObjectTerm CheckedRule::*side,
                     uint8_t protocol, RuleBits* bits) {
  RuleBitsWriter unknown(bits);
  RuleBitsWriter anything(bits);
  std::vector<SweptTerm> terms;
  std::vector<SweptInterval<uint32_t>> intervals;
  std::map<std::tuple<bool, std::vector<PortRange>>, uint32_t> known;
  for (uint32_t rule = 0; rule < rules.size(); ++rule) {
    const TransportTerm& term = (rules[rule]->*side).transport;
    if (term.kind != TransportTerm::Kind::kPort || term.protocol != protocol) {
      unknown.Set(rule, true);
      anything.Set(rule, true);
      continue;
    }
    if (!rules[rule]->decision.accept) unknown.Set(rule, true);
    const auto [entry, is_new] = known.emplace(std::tuple(term.negated, term.ports), terms.size());
    if (is_new) {
      terms.push_back({term.negated, {}});
      for (const PortRange& range : term.ports) {
        intervals.push_back({range.low, range.high, entry->second});
      }
    }
    terms[entry->second].rules.push_back(rule);
  }
  unknown_ = unknown.Write();
  ports_ = IntervalSweep<uint32_t>(terms, std::move(anything)).Run(intervals);
}

std::vector<RuleBits::Id> PortIndex::Sets() const {
  std::vector<RuleBits::Id> sets = ports_.sets();
  sets.push_back(unknown_);
  return sets;
}

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

StateIndex::StateIndex(const std::vector<const CheckedRule*>& rules, RuleBits* bits) {
  RuleBitsWriter writer(bits);
  for (size_t state = 0; state < sets_.size(); ++state) {
    for (size_t i = 0; i < rules.size(); ++i) {
      const CheckedRule& rule = *rules[i];
      const bool matches = !rule.states ? true
                           : state == 0 ? !rule.decision.accept
                                        : (*rule.states >> (state - 1) & 1) != 0;
      writer.Set(i, matches);
    }
    sets_[state] = writer.Write();
  }
}

}  // namespace sluice::server::policy
