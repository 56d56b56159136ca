#pragma once

#include <grpcpp/grpcpp.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "sluice/v1/control.grpc.pb.h"

namespace sluice::loadgen {

// The resources that a program has used until now.
struct Usage {
  double cpu_seconds = 0;
  uint64_t resident_bytes = 0;
};

// Asks a server for its usage (ControlService.GetServer).
class ServerUsage final {
 public:
  // `server` is a gRPC target.
  explicit ServerUsage(const std::string& server);

  // None if it does not answer within 5 s; `problem` says why. A decider need not offer the call.
  std::optional<Usage> Read();
  const std::string& problem() const { return problem_; }

 private:
  const std::unique_ptr<v1::ControlService::Stub> control_;
  std::string problem_;
};

// CPU time of this process (getrusage(2)).
double OwnCpuSeconds();

}  // namespace sluice::loadgen
