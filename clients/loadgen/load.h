#pragma once

#include <chrono>
#include <cstdint>
#include <string>

#include "clients/loadgen/report.h"

namespace sluice::loadgen {

// What to simulate.
struct LoadOptions {
  std::string server;      // gRPC target.
  uint32_t agents = 1;     // At least 1.
  uint32_t batch = 1;      // Packets, 1 to 1024.
  uint32_t in_flight = 0;  // Batches each agent keeps unanswered, or
  double rate = 0;         // packets a second of all agents; both 0: they stay idle.
  std::chrono::nanoseconds phase = std::chrono::seconds(5);  // Length of each phase, idle and busy.
};

// Connects the agents, keeps them idle for a phase and then busy for a phase, and reports. Ends
// early if all are lost. Blocks.
Report RunLoad(const LoadOptions& options);

}  // namespace sluice::loadgen
