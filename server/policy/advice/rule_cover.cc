#include "server/policy/advice/rule_cover.h"

#include <map>
#include <optional>
#include <string>
#include <tuple>

#include "server/policy/engine/transport_match.h"

namespace sluice::server::policy {
namespace {

constexpr uint8_t kIpV4 = 1;
constexpr uint8_t kIpV6 = 2;
constexpr uint8_t kBoth = 3;

uint8_t FamilyOf(const AddressPattern& pattern) { return pattern.value.size == 4 ? kIpV4 : kIpV6; }

bool IsNothing(const ObjectTerm& term) {
  return term.address.kind == AddressTerm::Kind::kNothing ||
         term.transport.kind == TransportTerm::Kind::kNothing;
}

// Whether the rule asks for nothing that a packet may leave unknown.
bool TakesUnknown(const CheckedRule& rule) {
  const auto takes = [](const ObjectTerm& term) {
    return term.address.kind == AddressTerm::Kind::kAnything &&
           term.transport.kind == TransportTerm::Kind::kAnything;
  };
  return takes(rule.source) && takes(rule.destination) && !rule.states && !rule.match;
}

bool Covers(const std::optional<StateSet>& covering, const std::optional<StateSet>& covered) {
  if (!covering) return true;
  return covered && (*covered & ~*covering) == 0;
}

bool Covers(const std::optional<MatchTerm>& covering, const std::optional<MatchTerm>& covered) {
  if (!covering) return true;
  return covered && covered->expression == covering->expression;
}

}  // namespace

RuleCover::RuleCover(const std::vector<CheckedRule>& rules) : rules_(rules), classes_(1) {
  std::map<std::tuple<bool, std::string, std::string>, uint32_t> numbers;
  reaches_.reserve(rules.size());
  for (const CheckedRule& rule : rules) {
    const TransportTerm& source = rule.source.transport;
    const TransportTerm& destination = rule.destination.transport;
    uint32_t number = kNotWorkedOut;
    if (classes_.size() < kMostClasses) {
      const auto [entry, is_new] = numbers.emplace(
          std::tuple(rule.decision.accept, ProtocolWords(source), ProtocolWords(destination)),
          static_cast<uint32_t>(classes_.size()));
      number = entry->second;
      if (is_new) {
        ProtocolClasses::Set& set = classes_.emplace_back();
        for (size_t of = 0; of < ProtocolClasses::kCount; ++of) {
          const PacketView packet = ProtocolClasses::Example(of);
          set[of] = ProtocolMatches(source, packet, !rule.decision.accept) &&
                    ProtocolMatches(destination, packet, !rule.decision.accept);
        }
      }
    }
    reaches_.push_back(
        {FamiliesOf(rule.source.address), FamiliesOf(rule.destination.address), number});
  }
}

RuleCover::Families RuleCover::FamiliesOf(const AddressTerm& term) {
  if (term.kind == AddressTerm::Kind::kAnything) return kBoth;
  if (term.kind == AddressTerm::Kind::kNothing) return 0;
  if (term.kind == AddressTerm::Kind::kNoneOf) {
    Families families = kBoth;
    for (const AddressPattern& pattern : term.patterns) {
      if (IsEverything(pattern)) families &= static_cast<Families>(~FamilyOf(pattern));
    }
    return families;
  }
  Families families = 0;
  for (const AddressPattern& pattern : term.patterns) families |= FamilyOf(pattern);
  for (const auto& set : term.sets) {
    const auto [known, is_new] = set_families_.emplace(set.get(), Families{0});
    // An empty set is hardly meant to stay empty.
    if (is_new && (set->from_file || set->patterns.empty())) known->second = kBoth;
    if (is_new) {
      for (const AddressPattern& pattern : set->patterns) {
        if (known->second == kBoth) break;
        known->second |= FamilyOf(pattern);
      }
    }
    families |= known->second;
  }
  return families;
}

ProtocolClasses::Set RuleCover::ClassesOfFamilies(size_t rule) const {
  const Families families = reaches_[rule].source & reaches_[rule].destination;
  ProtocolClasses::Set of_families;
  of_families.set(ProtocolClasses::kUnknown);
  if ((families & kIpV4) != 0) of_families |= ipv4_;
  if ((families & kIpV6) != 0) of_families |= ipv6_;
  return Classes(rule) & of_families;
}

std::string_view RuleCover::Contradiction(size_t rule) const {
  const CheckedRule& checked = rules_[rule];
  const Reach& reach = reaches_[rule];
  if (reach.classes == kNotWorkedOut) return {};
  if (IsNothing(checked.source) || IsNothing(checked.destination)) {
    return "`-not any` matches nothing";
  }
  if (checked.states == StateSet{0}) return "no state is left";
  if (reach.source != 0 && reach.destination != 0 && (reach.source & reach.destination) == 0) {
    return "its source and its destination are of different families";
  }
  if ((Classes(rule) & known_).none()) {
    return "no packet has what both its objects ask of protocol, type and flags";
  }
  if ((ClassesOfFamilies(rule) & known_).none()) {
    return "no packet of its addresses' family has that protocol or type";
  }
  return {};
}

bool RuleCover::MatchesNothing(size_t rule) const {
  return !Rejects(rule) || IsNothing(rules_[rule].source) || IsNothing(rules_[rule].destination);
}

std::optional<PacketView> RuleCover::Example(size_t rule) const {
  const Families families = reaches_[rule].source & reaches_[rule].destination;
  const ProtocolClasses::Set classes = ClassesOfFamilies(rule) & known_;
  for (const Families family : {kIpV4, kIpV6}) {
    const ProtocolClasses::Set of_family = classes & (family == kIpV4 ? ipv4_ : ipv6_);
    if ((families & family) == 0 || of_family.none()) continue;
    return ExamplePacket(rules_[rule], family == kIpV4 ? 4 : 16, of_family._Find_first());
  }
  return std::nullopt;
}

RuleCover::Extent RuleCover::Of(size_t covering, size_t covered) const {
  const CheckedRule& a = rules_[covering];
  const CheckedRule& b = rules_[covered];
  if (reaches_[covering].classes == kNotWorkedOut || reaches_[covered].classes == kNotWorkedOut) {
    return Extent::kSome;
  }
  // Of packets that leave something unknown, rules that reject match more than rules that accept.
  // Two rules of the same kind match alike if both ask for what is unknown.
  const bool all = !Rejects(covered) || Rejects(covering) || TakesUnknown(a);
  ProtocolClasses::Set classes = ClassesOfFamilies(covered);
  if (!all) classes &= known_;
  const bool covers =
      (classes & ~Classes(covering)).none() && Covers(a.source.group, b.source.group) &&
      Covers(a.destination.group, b.destination.group) && Covers(a.states, b.states) &&
      Covers(a.match, b.match) && PortsCover(a.source.transport, b.source.transport) &&
      PortsCover(a.destination.transport, b.destination.transport) &&
      Covers(a.source.address, b.source.address) &&
      Covers(a.destination.address, b.destination.address);
  if (!covers) return Extent::kSome;
  return all ? Extent::kAll : Extent::kShown;
}

}  // namespace sluice::server::policy
