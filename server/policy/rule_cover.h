#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "server/policy/checked_policy.h"
#include "server/policy/protocol_classes.h"

namespace sluice::server::policy {

// Compares what rules match. It may fail to see that one matches all another does, but never sees
// it where it is not so. The rules must outlive it; one thread.
class RuleCover final {
 public:
  explicit RuleCover(const std::vector<CheckedRule>& rules);

  // How many of the packets that another rule matches a rule matches too.
  enum class Extent {
    kSome,   // or none
    kShown,  // those that show all that the other asks for
    kAll,
  };
  Extent Of(size_t covering, size_t covered) const;

  // Why no packet that shows all the rule asks for matches it; empty if one may.
  std::string_view Contradiction(size_t rule) const;
  // Of a rule with a contradiction: nor does any other packet.
  bool MatchesNothing(size_t rule) const;

  // A packet that matches the rule, as far as anything but `match` goes; none where that is not
  // easily found. Its texts are the rule's.
  std::optional<PacketView> Example(size_t rule) const;

 private:
  // Families of addresses, a bit for each.
  using Families = uint8_t;

  struct Reach {
    Families source;
    Families destination;
    uint32_t classes;  // Index of classes_.
  };

  // Rules that say something else about protocols than so many before them are not compared: to
  // work out what each of those matches takes some microseconds.
  static constexpr size_t kMostClasses = 4096;
  static constexpr uint32_t kNotWorkedOut = 0;

  Families FamiliesOf(const AddressTerm& term);
  // Of packets that agree with the rule in protocol, types and flags; and, of those that show their
  // addresses, are of a family it is about.
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
