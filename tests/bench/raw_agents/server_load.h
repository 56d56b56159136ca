#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <string>

#include "clients/loadgen/report.h"
#include "tests/bench/raw_agents/raw_agent.h"

namespace sluice::bench {

// What to put on a server.
struct ServerLoadOptions {
  std::string address;  // As the server is told; only for the report.
  ServerAddress server;
  bool tls = false;
  uint32_t agents = 1;     // At least 1.
  uint32_t batch = 8;      // Packets, 1 to 1024.
  uint32_t in_flight = 2;  // Batches each agent keeps unanswered; 0: they stay idle.
  std::chrono::nanoseconds idle = std::chrono::seconds(1);  // 0: no idle phase.
  std::chrono::nanoseconds warm_up = std::chrono::milliseconds(500);
  std::chrono::nanoseconds measure = std::chrono::seconds(2);
  // Ends the busy phase early, once this many batches have been answered in it; 0: no.
  uint64_t batches = 0;
  // How many times as long as the protocol says a server may be silent or take to answer: for one
  // that runs under valgrind.
  uint32_t patience = 1;
  pid_t server_pid = 0;  // 0: the server's CPU time and memory are not known.
};

// What sluice-loadgen reports, and more. Of `load`, `answered` and the percentiles are of the
// measured interval, `sent`, `accepted`, `stale` and `unknown` of everything.
struct ServerLoadReport {
  loadgen::Report load;
  const char* transport = "tcp";  // Or "tls", "unix", "unix+tls".
  double warm_up_seconds = 0;
  uint64_t measured_batches = 0;  // Answered in the measured interval.
  // Of everything: messages that the server has answered.
  uint64_t batches = 0;
  uint64_t heartbeats = 0;
};

// Connects the agents, keeps them idle, then busy, and reports. Ends early if all are lost. Blocks.
// NOT_FOUND if there is no process `server_pid`.
absl::StatusOr<ServerLoadReport> RunServerLoad(const ServerLoadOptions& options);

// One JSON object on one line: loadgen's members and more. Names end with their units; unknown
// values are null.
std::string ToJson(const ServerLoadReport& report);

}  // namespace sluice::bench
