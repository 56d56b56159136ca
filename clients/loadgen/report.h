#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

namespace sluice::loadgen {

// Differences of a server's counters over a phase.
struct Cost {
  double cpu_seconds = 0;
  // What its memory grew by since before the first agent connected; it may have shrunk.
  int64_t memory_bytes = 0;
};

// A time in which agents were up and asked nothing, or in which they asked.
struct Phase {
  double seconds = 0;
  std::optional<Cost> server;  // None if the server does not say.
  double own_cpu_seconds = 0;
};

// What a run says.
struct Report {
  std::string server;
  uint32_t agents = 0;
  uint32_t batch = 0;      // Packets.
  uint32_t in_flight = 0;  // Batches; 0: at a fixed rate, or idle.
  double rate = 0;         // Packets a second, of all agents.

  uint32_t connected = 0;
  uint32_t refused = 0;
  uint32_t lost = 0;
  std::map<std::string, uint32_t> reasons;  // Of the refused and lost, how many each.
  uint32_t only_deciding = 0;               // Whose server does not offer Report and Serve.
  double connect_seconds = 0;
  std::string no_usage;  // Why the server does not say what it costs.

  Phase idle;
  std::optional<Phase> busy;
  // Packets: by the end of the busy phase, but sent, stale and unknown once all was answered.
  uint64_t answered = 0;
  uint64_t sent = 0;
  uint64_t accepted = 0;
  uint64_t stale = 0;
  uint64_t unknown = 0;
  // Of batches, from asking to the last answer.
  double p50_us = 0;
  double p99_us = 0;
  double max_us = 0;
  // Packets answered of the agents with the fewest and the most.
  uint64_t fewest = 0;
  uint64_t most = 0;

  // All agents connected and stayed, and every packet was answered once.
  bool ok() const { return refused + lost == 0 && stale + unknown == 0; }
};

// As people read it, several lines.
std::string ToText(const Report& report);

// What is missing where it is not ok(), in one line.
std::string Shortcomings(const Report& report);

// One JSON object in one line, its names ending in their units. What is not known is null.
std::string ToJson(const Report& report);

}  // namespace sluice::loadgen
