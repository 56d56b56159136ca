#pragma once

#include <cstdint>
#include <optional>
#include <ostream>
#include <vector>

#include "sluice/v1/stats.pb.h"

namespace sluice::cli {

// What an agent did with packets for one cause.
struct CauseTotals {
  const char* name;  // as on the wire and in the metrics
  uint64_t dropped;
  uint64_t accepted;
};

// The columns of screenstat(8). They add up: packets is the sum of all others.
struct ScreenTotals {
  uint64_t packets;   // received, plus those the kernel's queue had no room for
  uint64_t nobuffer;  // kernel_queue_full + table_full
  uint64_t accept;    // accepted by verdict
  uint64_t reject;    // dropped by verdict
  uint64_t badsync;
  uint64_t stale;
  uint64_t queued;  // waiting for a verdict now
  uint64_t other;   // what screenstat has no column for; see CausesOf
};

// Adds up the counters of the queues; leaves out what cannot be added (hold times, the decider).
v1::QueueStats Sum(const v1::GatewayStats& stats);

// All causes there are: the verdict, then those that QueueStats has a Settled for.
std::vector<CauseTotals> CausesOf(const v1::QueueStats& queue);

ScreenTotals ScreenOf(const v1::QueueStats& queue);

// The right-hand side of the identity of QueueStats: equals `received` if no packet got lost.
uint64_t AccountedFor(const v1::QueueStats& queue);

// Packets that the rules sent to a queue while nobody listened to it; none where the agent does not
// manage the rules.
std::optional<uint64_t> Unheard(const v1::GatewayStats& stats);

// Packets that the rules sent to a queue with a listener since the agent started, and that the
// kernel neither numbered nor counted as dropped. None where that cannot be known: packets were
// numbered in segments, or again in another queue, or let pass after they had been numbered; or the
// agent cannot read the kernel's counters.
std::optional<uint64_t> LostByKernel(const v1::GatewayStats& stats);

// Prints a page of a gateway's counters: first in the layout of screenstat(8), then what that has
// no place for. With `before`, an earlier reading of the same agent, a second row shows rates per
// second.
void PrintStatPage(const v1::GatewayStats& stats, const v1::GatewayStats* before, bool color,
                   std::ostream& out);

}  // namespace sluice::cli
