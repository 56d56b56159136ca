#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "sluice/v1/stats.pb.h"

namespace sluice::cli {

// One cause for which an agent settles packets without a verdict.
struct CauseTotals {
  const char* name;  // as in the wire and the metrics
  uint64_t dropped;
  uint64_t accepted;
};

// screenstat(8)'s columns. They add up: packets is the sum of all others.
struct ScreenTotals {
  uint64_t packets;   // received, and those the kernel's queue had no room for
  uint64_t nobuffer;  // kernel_queue_full + table_full
  uint64_t accept;    // accepted by verdict
  uint64_t reject;    // dropped by verdict
  uint64_t badsync;
  uint64_t stale;
  uint64_t queued;  // waiting for a verdict now
  uint64_t other;   // what screenstat had no column for: CausesOf has it
};

// The queues' counters added up; what cannot be added (hold times, the decider) is left out.
v1::QueueStats Sum(const v1::GatewayStats& stats);

// All causes there are, in a fixed order.
std::vector<CauseTotals> CausesOf(const v1::QueueStats& queue);

ScreenTotals ScreenOf(const v1::QueueStats& queue);

// The right-hand side of the identity of QueueStats: received, if nothing got lost.
uint64_t AccountedFor(const v1::QueueStats& queue);

// Packets asked about that nobody listened to; nothing where the agent does not keep the rules.
std::optional<uint64_t> Unheard(const v1::GatewayStats& stats);

// Packets asked about since the agent started, by queues that were listened to, which the kernel
// neither numbered nor says it dropped. Nothing where that cannot be known: packets were numbered
// in segments, or again in another queue; or let pass after they had been numbered; or the agent
// cannot read the kernel's counters.
std::optional<uint64_t> LostByKernel(const v1::GatewayStats& stats);

}  // namespace sluice::cli
