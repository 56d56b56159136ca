#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "server/policy/address_index.h"
#include "server/policy/checked_policy.h"
#include "server/policy/group_index.h"
#include "server/policy/packet_view.h"
#include "server/policy/port_index.h"
#include "server/policy/protocol_index.h"
#include "server/policy/rule_bits.h"
#include "server/policy/rule_order.h"
#include "server/policy/state_index.h"

namespace sluice::server::policy {

// Finds the first rule of a policy that matches a packet, in a time that hardly depends on how
// many there are: each thing rules look at (source, destination, protocol, ports, groups, state)
// has an index from what a packet shows to the set of rules that agree, and the first rule all
// these sets have in common is the answer. Rules with `match` are the exception: the expressions of
// those that agree else are run one after the other. Matcher says the same, slowly, and is what
// tests hold this against.
// Immutable; any number of threads; a call allocates nothing.
class Classifier final {
 public:
  static constexpr size_t kNone = RuleBits::kNone;

  explicit Classifier(const std::vector<CheckedRule>& rules);

  // Index of the rule, or kNone.
  size_t FirstMatch(const PacketView& packet) const;

  // Index of the first rule that matches the packet as far as the indexes can tell, masks with
  // holes and `match` left aside, and for which `confirm` holds; or kNone.
  size_t FirstOf(const PacketView& packet, const std::function<bool(size_t)>& confirm) const;

  // Bytes it takes.
  size_t memory() const;

 private:
  // What no index can tell of a rule: addresses with masks that have holes, `match`.
  struct Rest {
    uint32_t rule;
    AddressTerm source;
    AddressTerm destination;
    std::shared_ptr<const BpfProgram> match;  // Null for none.
    bool rejects;
  };

  Classifier(const std::vector<CheckedRule>& rules, const RuleOrder& order);

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
  std::vector<Rest> rests_;  // In order of rules; most have none.
};

}  // namespace sluice::server::policy
