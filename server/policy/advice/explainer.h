#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "server/policy/checker/checked_policy.h"
#include "server/policy/engine/packet_view.h"
#include "server/policy/language/syntax.h"
#include "sluice/v1/control.pb.h"

namespace sluice::server::policy {

// Some facts about a packet, a bit for each. PACKET_FACT_UNSPECIFIED stands for everything that is
// stated of every packet, such as its addresses.
using FactSet = uint32_t;

constexpr FactSet Bit(v1::PacketFact fact) { return FactSet{1} << fact; }

// A rule that was considered for a packet.
struct ConsideredRule {
  size_t rule = 0;                      // Its index.
  const PairSyntax* pair = nullptr;     // What it was made from; in the syntax explained.
  std::vector<std::string> mismatches;  // Empty: it matches, and so decides.
  FactSet hinges_on = 0;                // As in v1::ExplainPolicyResponse.
};

// Why a policy decides as it does about a packet.
struct Explanation {
  std::vector<ConsideredRule> considered;  // In order.
  uint64_t others = 0;                     // Rules before the one that decides that are left out.
};

// Most rules in an explanation; the one that decides is always in it.
inline constexpr size_t kMostConsidered = 10'000;

// Goes through the rules up to the first that matches. Tells of that one, and of those that differ
// from the packet in only one thing or only in facts in `not_told`; with `all`, of every rule.
// `policy` is what Check made of `syntax`, both without problems. Slow; not for the packet path.
Explanation Explain(const Syntax& syntax, const CheckedPolicy& policy, const PacketView& packet,
                    bool all, FactSet not_told = 0);

}  // namespace sluice::server::policy
