#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "server/policy/advice/rule_cover.h"

namespace sluice::server::policy {
namespace {

using Patterns = std::vector<AddressPattern>;

// Longest lists that are compared, each entry with each.
constexpr size_t kLongestCompared = 64;

bool Covers(const AddressPattern& covering, const AddressPattern& covered) {
  if (covering.value.size != covered.value.size) return false;
  for (size_t i = 0; i < covering.value.size; ++i) {
    const uint8_t mask = covering.mask[i];
    if ((mask & ~covered.mask[i]) != 0) return false;
    if ((covered.value.bytes[i] & mask) != covering.value.bytes[i]) return false;
  }
  return true;
}

bool Disjoint(const AddressPattern& a, const AddressPattern& b) {
  if (a.value.size != b.value.size) return true;
  for (size_t i = 0; i < a.value.size; ++i) {
    if (((a.value.bytes[i] ^ b.value.bytes[i]) & a.mask[i] & b.mask[i]) != 0) return true;
  }
  return false;
}

// Whether each pattern of `inner` is in one of `outer`.
bool Covers(const Patterns& outer, const Patterns& inner) {
  return std::all_of(inner.begin(), inner.end(), [&outer](const AddressPattern& in) {
    return std::any_of(outer.begin(), outer.end(),
                       [&in](const AddressPattern& out) { return Covers(out, in); });
  });
}

bool Disjoint(const Patterns& a, const Patterns& b) {
  return std::all_of(a.begin(), a.end(), [&b](const AddressPattern& one) {
    return std::all_of(b.begin(), b.end(),
                       [&one](const AddressPattern& other) { return Disjoint(one, other); });
  });
}

// Collects the patterns of the term and of those of its sets that cannot change. False if they are
// too many, or if `all` are wanted and some sets may change.
bool Gather(const AddressTerm& term, bool all, Patterns& patterns) {
  patterns = term.patterns;
  for (const auto& set : term.sets) {
    if (set->from_file) {
      if (all) return false;
      continue;
    }
    if (set->patterns.size() > kLongestCompared) return false;
    patterns.insert(patterns.end(), set->patterns.begin(), set->patterns.end());
  }
  return patterns.size() <= kLongestCompared;
}

// Whether every address of `inner` is in `outer`, both read as lists and not negated.
bool ListCovers(const AddressTerm& outer, const AddressTerm& inner) {
  AddressTerm rest{inner.kind, inner.patterns, {}};
  for (const auto& set : inner.sets) {
    if (std::find(outer.sets.begin(), outer.sets.end(), set) == outer.sets.end()) {
      rest.sets.push_back(set);
    }
  }
  if (rest.patterns.empty() && rest.sets.empty()) return true;
  Patterns in;
  Patterns out;
  return Gather(rest, true, in) && Gather(outer, false, out) && Covers(out, in);
}

bool ListsAreDisjoint(const AddressTerm& a, const AddressTerm& b) {
  Patterns of_a;
  Patterns of_b;
  return Gather(a, true, of_a) && Gather(b, true, of_b) && Disjoint(of_a, of_b);
}

// The ports a term matches, in order and without overlap.
std::vector<PortRange> Normal(const TransportTerm& term) {
  std::vector<PortRange> ranges = term.ports;
  std::sort(ranges.begin(), ranges.end());
  std::vector<PortRange> normal;
  uint32_t free = 0;  // The first port after those seen.
  for (const PortRange& range : ranges) {
    if (term.negated && range.low > free) {
      normal.push_back({static_cast<uint16_t>(free), static_cast<uint16_t>(range.low - 1)});
    }
    if (!term.negated) {
      if (!normal.empty() && range.low <= free) {
        normal.back().high = std::max(normal.back().high, range.high);
      } else {
        normal.push_back(range);
      }
    }
    free = std::max<uint32_t>(free, range.high + uint32_t{1});
  }
  if (term.negated && free <= 65535) normal.push_back({static_cast<uint16_t>(free), 65535});
  return normal;
}

}  // namespace

bool IsEverything(const AddressPattern& pattern) {
  return std::all_of(pattern.mask.begin(), pattern.mask.begin() + pattern.value.size,
                     [](uint8_t byte) { return byte == 0; });
}

bool Covers(const AddressTerm& covering, const AddressTerm& covered) {
  using Kind = AddressTerm::Kind;
  if (covering.kind == Kind::kAnything || covered.kind == Kind::kNothing) return true;
  if (covering.kind == Kind::kNothing || covered.kind == Kind::kAnything) return false;
  const bool negated = covered.kind == Kind::kNoneOf;
  if (covering.kind == Kind::kOneOf) return !negated && ListCovers(covering, covered);
  return negated ? ListCovers(covered, covering) : ListsAreDisjoint(covering, covered);
}

bool PortsCover(const TransportTerm& covering, const TransportTerm& covered) {
  using Kind = TransportTerm::Kind;
  if (covering.kind != Kind::kPort) return true;
  if (covered.kind != Kind::kPort || covered.protocol != covering.protocol) return false;
  if (covering.negated == covered.negated && covering.ports == covered.ports) return true;
  const std::vector<PortRange> outer = Normal(covering);
  const std::vector<PortRange> inner = Normal(covered);
  return std::all_of(inner.begin(), inner.end(), [&outer](const PortRange& in) {
    const auto out =
        std::upper_bound(outer.begin(), outer.end(), in,
                         [](const PortRange& a, const PortRange& b) { return a.low < b.low; });
    return out != outer.begin() && in.high <= std::prev(out)->high;
  });
}

bool Covers(const GroupTerm& covering, const GroupTerm& covered) {
  if (covering.names.empty()) return true;
  if (covered.names.empty()) return false;
  const auto is_in = [](const std::vector<std::string>& names) {
    return [&names](const std::string& name) {
      return std::find(names.begin(), names.end(), name) != names.end();
    };
  };
  const auto& outer = covering.names;
  const auto& inner = covered.names;
  if (covered.negated) {
    return covering.negated && std::all_of(outer.begin(), outer.end(), is_in(inner));
  }
  return covering.negated ? std::none_of(inner.begin(), inner.end(), is_in(outer))
                          : std::all_of(inner.begin(), inner.end(), is_in(outer));
}

}  // namespace sluice::server::policy
