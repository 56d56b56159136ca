#pragma once

#include <grpcpp/grpcpp.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "sluice/v1/control.grpc.pb.h"

namespace sluice::loadgen {

// What a program has cost its machine until now.
struct Usage {
  double cpu_seconds = 0;
  uint64_t resident_bytes = 0;
};

// Asks a server what it costs (ControlService.GetServer).
class ServerUsage final {
 public:
  // `server` is a gRPC target.
  explicit ServerUsage(const std::string& server);

  // Nothing if it does not say within 5 s; `problem` says why. A decider need not offer it.
  std::optional<Usage> Read();
  const std::string& problem() const { return problem_; }

 private:
  const std::unique_ptr<v1::ControlService::Stub> control_;
  std::string problem_;
};

// What this process costs (getrusage(2)); its memory is not looked at.
double OwnCpuSeconds();

}  // namespace sluice::loadgen
