#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "server/policy/checker/checked_policy.h"
#include "server/policy/engine/packet_view.h"
#include "server/policy/engine/protocol_classes.h"

namespace sluice::server::policy {

// Whether a term matches whatever another one does, for packets that show what both ask for. False
// if that is not easy to see, as for long lists.

bool Covers(const AddressTerm& covering, const AddressTerm& covered);

// Compares only ports; the caller has compared protocol, types and flags.
bool PortsCover(const TransportTerm& covering, const TransportTerm& covered);

bool Covers(const GroupTerm& covering, const GroupTerm& covered);

// Whether the pattern covers all addresses of its family.
bool IsEverything(const AddressPattern& pattern);

// A packet of the family (4 or 16, the size of an address) and of the class `of_class`
// (ProtocolClasses) that the rule matches, apart from its `match`. Nothing if the first few
// candidates do not match. Its texts are the rule's.
std::optional<PacketView> ExamplePacket(const CheckedRule& rule, size_t family, size_t of_class);

// Compares what rules match. It may fail to see that one rule matches everything another does, but
// never claims it wrongly. The rules must outlive it; one thread.
class RuleCover final {
 public:
  explicit RuleCover(const std::vector<CheckedRule>& rules);

  // How many of the packets that the rule `covered` matches the rule `covering` matches too.
  enum class Extent {
    kSome,   // some or none
    kShown,  // those that show everything that `covered` asks for
    kAll,
  };
  Extent Of(size_t covering, size_t covered) const;

  // Why no packet that shows everything the rule asks for matches it; empty if one may.
  std::string_view Contradiction(size_t rule) const;
  // For a rule with a contradiction: whether no other packet matches it either.
  bool MatchesNothing(size_t rule) const;

  // A packet that matches the rule, apart from its `match`; nothing if it is not easily found. Its
  // texts are the rule's.
  std::optional<PacketView> Example(size_t rule) const;

 private:
  // Families of addresses, a bit for each.
  using Families = uint8_t;

  struct Reach {
    Families source;
    Families destination;
    uint32_t classes;  // Index in classes_.
  };

  // Most different things that rules say about protocols. Rules that say further ones are not
  // compared, since working out what each matches takes some microseconds.
  static constexpr size_t kMostClasses = 4096;
  static constexpr uint32_t kNotWorkedOut = 0;

  Families FamiliesOf(const AddressTerm& term);
  // The classes of packets that agree with the rule in protocol, types and flags. ClassesOfFamilies
  // leaves out those of a family that the rule's addresses exclude.
  const ProtocolClasses::Set& Classes(size_t rule) const {
    return classes_[reaches_[rule].classes];
  }
  ProtocolClasses::Set ClassesOfFamilies(size_t rule) const;
  bool Rejects(size_t rule) const { return !rules_[rule].decision.accept; }

  const std::vector<CheckedRule>& rules_;
  std::unordered_map<const AddressSet*, Families> set_families_;
  std::vector<ProtocolClasses::Set> classes_;  // The first is for those not worked out.
  std::vector<Reach> reaches_;                 // By rule.
  const ProtocolClasses::Set known_ = ProtocolClasses::Known();
  const ProtocolClasses::Set ipv4_ = ProtocolClasses::IpV4();
  const ProtocolClasses::Set ipv6_ = ProtocolClasses::IpV6();
};

}  // namespace sluice::server::policy
