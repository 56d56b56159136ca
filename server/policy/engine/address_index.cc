#include <algorithm>
#include <bit>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "server/policy/engine/indexes.h"
#include "server/policy/engine/interval_sweep.h"

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

}  // namespace sluice::server::policy
