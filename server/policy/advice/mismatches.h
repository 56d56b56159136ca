#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "server/policy/advice/explainer.h"
#include "server/policy/checker/checked_policy.h"
#include "server/policy/engine/packet_view.h"
#include "server/policy/language/syntax.h"

namespace sluice::server::policy {

// Says in words which parts of rules do not match one packet. For people and not for the packet
// path: it is as slow as Matcher, and makes texts. The packet must outlive it; one thread.
class Mismatches final {
 public:
  // `not_told`: facts that the packet states although nobody knows them.
  explicit Mismatches(const PacketView& packet, FactSet not_told = 0)
      : packet_(packet), not_told_(not_told) {}

  // Each thing that does not match, with what the rule asks for, as it is written: "destination
  // port 80 is not 25". Empty if the rule matches; tests compare this with Classifier. `pair` is
  // what the rule was made from, `reversed` is true for the second rule of a `between`.
  // `hinges_on`: as in v1::ExplainPolicyResponse.
  std::vector<std::string> Of(const PairSyntax& pair, bool reversed, const CheckedRule& rule,
                              FactSet* hinges_on);

 private:
  class Finder;

  // Whether the set has the packet's address on this side; searched once, however many rules have
  // the set.
  bool Has(const AddressSet& set, bool source);

  const PacketView& packet_;
  const FactSet not_told_;
  std::map<std::pair<const AddressSet*, bool>, bool> sets_;
};

}  // namespace sluice::server::policy
