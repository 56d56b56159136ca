#pragma once

#include <atomic>
#include <cstdint>

namespace sluice::loadgen {

// What came of the packets that were asked about. Always adds up, once nothing waits any more:
//
//   sent = answered + stale
//
// Counted by a worker, read by any thread.
struct Tally {
  std::atomic<uint64_t> sent = 0;
  // In time, each once.
  std::atomic<uint64_t> answered = 0;
  // Of those, with ACTION_ACCEPT.
  std::atomic<uint64_t> accepted = 0;
  // Not within a second, or their agent was lost.
  std::atomic<uint64_t> stale = 0;
  // Answers to no packet that waited: second ones, late ones, invented ones.
  std::atomic<uint64_t> unknown = 0;
};

}  // namespace sluice::loadgen
