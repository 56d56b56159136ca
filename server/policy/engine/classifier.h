#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "server/policy/checker/checked_policy.h"
#include "server/policy/engine/indexes.h"
#include "server/policy/engine/packet_view.h"
#include "server/policy/engine/rule_bits.h"
#include "server/policy/engine/rule_order.h"

namespace sluice::server::policy {

// Finds the first rule of a policy that matches a packet, in a time that hardly depends on the
// number of rules. For each thing that rules look at (source, destination, protocol, ports, groups,
// state), an index maps what a packet shows to the set of rules that agree. The answer is the first
// rule that is in all these sets. Rules with `match` are the exception: where the rest of such a
// rule matches, its expression is run, one rule after the other. Matcher gives the same answers,
// slowly; tests compare the two. Immutable; any number of threads; a call allocates nothing.
class Classifier final {
 public:
  static constexpr size_t kNone = RuleBits::kNone;

  explicit Classifier(const std::vector<CheckedRule>& rules);

  // Index of the rule, or kNone.
  size_t FirstMatch(const PacketView& packet) const;

  // Index of the first rule for which `confirm` holds and that matches the packet as far as the
  // indexes can tell, which leave out masks with holes and `match`; or kNone.
  size_t FirstOf(const PacketView& packet, const std::function<bool(size_t)>& confirm) const;

  // The most steps that a packet may cost, or more than that, but no more than all rules together
  // take. A step is one of a `match` program, or about as much work. Rules that the indexes sort
  // out cost none. Takes a while for a large policy, so it does not look closer where all rules
  // together take no more than `enough`.
  uint64_t MostSteps(uint64_t enough) const;
  // What trying each rule costs.
  std::vector<uint32_t> StepsByRule() const;

  // How many bytes it takes.
  size_t memory() const;

 private:
  // The part of a rule that no index covers: addresses with masks that have holes, and `match`.
  struct Rest {
    uint32_t rule;
    AddressTerm source;
    AddressTerm destination;
    std::shared_ptr<const BpfProgram> match;  // Null for none.
    bool rejects;
  };

  Classifier(const std::vector<CheckedRule>& rules, const RuleOrder& order);

  static uint32_t StepsOf(const Rest& rest);
  template <typename Also>
  size_t Search(const PacketView& packet, const Also& also) const;
  bool Confirm(size_t rule, const PacketView& packet) const;

  RuleBits bits_;
  AddressIndex source_;
  AddressIndex destination_;
  ProtocolIndex protocol_;
  PortIndex tcp_source_;
  PortIndex tcp_destination_;
  PortIndex udp_source_;
  PortIndex udp_destination_;
  GroupIndex input_group_;
  GroupIndex output_group_;
  StateIndex state_;
  std::vector<Rest> rests_;  // In order of rules; most rules have none.
};

}  // namespace sluice::server::policy
