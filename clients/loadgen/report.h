#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

namespace sluice::loadgen {

// What a phase cost the server.
struct Cost {
  double cpu_seconds = 0;
  // Growth of its memory since before the first agent connected; it may have shrunk.
  int64_t memory_bytes = 0;
};

// The time in which agents were idle, or in which they asked.
struct Phase {
  double seconds = 0;
  std::optional<Cost> server;  // None if the server does not say.
  double own_cpu_seconds = 0;
};

// The results of a run.
struct Report {
  std::string server;
  uint32_t agents = 0;
  uint32_t batch = 0;      // Packets.
  uint32_t in_flight = 0;  // Batches; 0: at a fixed rate, or idle.
  double rate = 0;         // Packets a second, of all agents.

  uint32_t connected = 0;
  uint32_t refused = 0;
  uint32_t lost = 0;
  std::map<std::string, uint32_t> reasons;  // How many were refused or lost for each reason.
  uint32_t only_deciding = 0;               // Agents whose server lacks Report or Serve.
  double connect_seconds = 0;
  std::string no_usage;  // Why the server does not say what it costs.

  Phase idle;
  std::optional<Phase> busy;
  // Packets. `answered` is counted at the end of the busy phase; `sent`, `stale` and `unknown` once
  // all is answered.
  uint64_t answered = 0;
  uint64_t sent = 0;
  uint64_t accepted = 0;
  uint64_t stale = 0;
  uint64_t unknown = 0;
  // Round trips of batches, from sending to the last answer.
  double p50_us = 0;
  double p99_us = 0;
  double max_us = 0;
  // Answered packets of the agent with the fewest and of the one with the most.
  uint64_t fewest = 0;
  uint64_t most = 0;

  // All agents connected and stayed, and every packet was answered once.
  bool ok() const { return refused + lost == 0 && stale + unknown == 0; }
};

// Several lines for people.
std::string ToText(const Report& report);

// Why it is not ok(), in one line.
std::string Shortcomings(const Report& report);

// One JSON object on one line. Names end with their units; unknown values are null.
std::string ToJson(const Report& report);

}  // namespace sluice::loadgen
