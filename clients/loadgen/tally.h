#pragma once

#include <atomic>
#include <cstdint>

namespace sluice::loadgen {

// What happened to the packets that were asked about. Adds up once none is pending:
//
//   sent = answered + stale
//
// Counted by a worker, read by any thread.
struct Tally {
  std::atomic<uint64_t> sent = 0;
  // Packets answered in time; each counts once.
  std::atomic<uint64_t> answered = 0;
  // Those of them answered with ACTION_ACCEPT.
  std::atomic<uint64_t> accepted = 0;
  // Packets not answered within a second, or whose agent was lost.
  std::atomic<uint64_t> stale = 0;
  // Answers to packets that were not pending: second answers, late ones, invented ones.
  std::atomic<uint64_t> unknown = 0;
};

}  // namespace sluice::loadgen
