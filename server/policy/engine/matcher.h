#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "server/policy/checker/checked_policy.h"
#include "server/policy/engine/packet_view.h"

namespace sluice::server::policy {

// Finds the first rule of a policy that matches a packet by trying one after the other. It is
// simple enough to be the reference for anything faster. What a packet does not show counts against
// it: a term about that matches in rules that reject and does not in rules that accept. Immutable;
// any number of threads; a call allocates nothing.
class Matcher final {
 public:
  static constexpr size_t kNone = SIZE_MAX;

  explicit Matcher(const std::vector<CheckedRule>& rules);

  // Index of the rule, or kNone.
  size_t FirstMatch(const PacketView& packet) const;

 private:
  struct Pattern {
    size_t size;
    AddressWords value;
    AddressWords mask;
  };
  // An ObjectTerm, with its patterns in patterns_: `patterns` of them, from `first_pattern` on.
  struct Side {
    AddressTerm::Kind address;
    uint32_t first_pattern;
    uint32_t patterns;
    GroupTerm group;
    TransportTerm transport;
  };
  struct Rule {
    Side source;
    Side destination;
    std::optional<StateSet> states;
    bool rejects;
    std::shared_ptr<const BpfProgram> match;  // Null for none.
  };

  Side Add(const ObjectTerm& term);
  static bool Matches(const std::optional<StateSet>& states, int state, bool unknown);
  static bool Matches(const GroupTerm& term, std::string_view group);
  bool Matches(const Side& side, size_t address_size, const AddressWords& address,
               bool unknown) const;

  std::vector<Pattern> patterns_;
  std::vector<Rule> rules_;
};

}  // namespace sluice::server::policy
