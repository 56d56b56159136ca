#include "server/policy/engine/rule_order.h"

#include <algorithm>
#include <array>
#include <numeric>
#include <tuple>

#include "server/policy/engine/rule_bits.h"

namespace sluice::server::policy {
namespace {

// The term's place in the order of addresses: terms for no particular addresses come first, then
// IPv4, then IPv6. The first of several patterns stands for all.
using Where = std::tuple<size_t, std::array<uint8_t, 16>>;

Where Locate(const AddressTerm& term) {
  if (term.kind != AddressTerm::Kind::kOneOf || term.patterns.empty()) return {};
  const AddressPattern& pattern = term.patterns.front();
  if (pattern.mask[0] == 0) return {};  // 0.0.0.0/0 and the like.
  return {pattern.value.size, pattern.value.bytes};
}

using PortKey = std::tuple<uint8_t, uint16_t>;

PortKey Locate(const TransportTerm& term) {
  if (term.kind == TransportTerm::Kind::kAnything) return {};
  const bool ports = !term.negated && !term.ports.empty();
  return {term.protocol, ports ? term.ports.front().low : uint16_t{0}};
}

// The first to compare is which side asks for addresses, and of which family.
using Key = std::tuple<size_t, size_t, Where, Where, PortKey, PortKey>;

Key Locate(const CheckedRule& rule) {
  const Where source = Locate(rule.source.address);
  const Where destination = Locate(rule.destination.address);
  return {std::get<0>(source), std::get<0>(destination),           source,
          destination,         Locate(rule.destination.transport), Locate(rule.source.transport)};
}

// The indexes of the rules, by position.
std::vector<uint32_t> Sort(const std::vector<CheckedRule>& rules) {
  std::vector<uint32_t> order(rules.size());
  std::iota(order.begin(), order.end(), 0);
  if (rules.size() <= RuleBits::kBits) return order;
  std::vector<Key> keys;
  keys.reserve(rules.size());
  for (const CheckedRule& rule : rules) keys.push_back(Locate(rule));
  std::stable_sort(order.begin(), order.end(),
                   [&keys](uint32_t a, uint32_t b) { return keys[a] < keys[b]; });
  for (size_t line = 0; line < order.size(); line += RuleBits::kBits) {
    const size_t end = std::min(line + RuleBits::kBits, order.size());
    std::sort(order.begin() + static_cast<ptrdiff_t>(line),
              order.begin() + static_cast<ptrdiff_t>(end));
  }
  return order;
}

}  // namespace

RuleOrder OrderRules(const std::vector<CheckedRule>& rules) {
  RuleOrder order{Sort(rules), {}};
  order.rules.reserve(rules.size());
  for (const uint32_t index : order.indexes) order.rules.push_back(&rules[index]);
  return order;
}

}  // namespace sluice::server::policy
