#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "server/policy/checked_policy.h"
#include "server/policy/packet_facts.h"
#include "server/policy/packet_view.h"
#include "server/policy/syntax.h"

namespace sluice::server::policy {

// Says what in rules does not match one packet, in words. For people, and off the packets' way: it
// is as slow as Matcher, and makes texts. The packet must outlive it; one thread.
class Mismatches final {
 public:
  // `not_told`: what the packet says without anybody knowing.
  explicit Mismatches(const PacketView& packet, FactSet not_told = 0)
      : packet_(packet), not_told_(not_told) {}

  // Each thing that does not match, with what the rule asks for as it is written: "destination port
  // 80 is not 25". Empty if the rule matches; tests hold that against Classifier. `pair` is what
  // the rule was made from, `reversed` for the second rule of a `between`. `hinges_on`: as in
  // v1::ExplainPolicyResponse.
  std::vector<std::string> Of(const PairSyntax& pair, bool reversed, const CheckedRule& rule,
                              FactSet* hinges_on);

 private:
  class Finder;

  // Whether the set has the address; looked for once, however many rules have the set.
  bool Has(const AddressSet& set, bool source);

  const PacketView& packet_;
  const FactSet not_told_;
  std::map<std::pair<const AddressSet*, bool>, bool> sets_;
};

}  // namespace sluice::server::policy
