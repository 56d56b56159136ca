#pragma once

#include <cstdint>
#include <optional>

#include "server/policy/checker/checked_policy.h"
#include "server/policy/engine/classifier.h"
#include "server/policy/terms/problems.h"

namespace sluice::server::policy {

// The most steps (Classifier::MostSteps) that a packet may cost by a policy that a caller brings.
// Other packets wait while one is decided. A step takes 2 ns (policy_bench's DecideMatch and
// DecideLongMatch), so this is 0.6 ms, and a few on a slow or busy machine. It allows 13,000 rules
// with a short `match` that all have to be tried for one packet.
inline constexpr uint64_t kMostSteps = 300'000;

// Says that a packet may cost more than `most` steps, which rules cost most of them, and what to do
// about it. Nothing if no packet does.
std::optional<Problem> FindCost(const CheckedPolicy& policy, const Classifier& classifier,
                                uint64_t most = kMostSteps);

}  // namespace sluice::server::policy
