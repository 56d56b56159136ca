#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "server/policy/checked_policy.h"
#include "server/policy/packet_facts.h"
#include "server/policy/packet_view.h"
#include "server/policy/syntax.h"

namespace sluice::server::policy {

// A rule that was considered for a packet.
struct ConsideredRule {
  size_t rule = 0;                      // Its index.
  const PairSyntax* pair = nullptr;     // What it was made from. Of the syntax explained.
  std::vector<std::string> mismatches;  // None: it matches, and decides.
  FactSet hinges_on = 0;                // As in v1::ExplainPolicyResponse.
};

// Why a policy says what it says of a packet.
struct Explanation {
  std::vector<ConsideredRule> considered;  // In order.
  uint64_t others = 0;                     // Rules before the one that decides, not told of.
};

// Rules are told of up to this many; the one that decides always is.
inline constexpr size_t kMostConsidered = 10'000;

// Goes through the rules up to the first that matches, and tells of it and of those that differ
// from the packet in one thing only or in things of `not_told` only or, with `all`, of all of them.
// `policy` is what Check made of `syntax`, both without problems. Slow, and off the packets' way.
Explanation Explain(const Syntax& syntax, const CheckedPolicy& policy, const PacketView& packet,
                    bool all, FactSet not_told = 0);

}  // namespace sluice::server::policy
