#pragma once

#include <chrono>
#include <memory>
#include <utility>

#include "server/calls/handle_calls.h"
#include "server/decide/decide_stream.h"
#include "sluice/v1/decision.grpc.pb.h"

namespace sluice::server {

// DecisionService: decides by the policy in force, or has the gateway's screener decide, and logs
// the decisions. Tells the agents when another policy comes into force.
class DecisionServiceImpl final {
 public:
  explicit DecisionServiceImpl(const DecideParts& parts) : parts_(parts) {
    parts_.error_lines = &error_lines_;
  }

  grpc::Service* service() { return &service_; }
  // Called once the server that has the service has started.
  void Open(CallQueue* queue) {
    HandleCalls(queue, &service_, &Async::RequestDecide,
                [this](auto call) { return BeginDecide(std::move(call), parts_); });
  }

 private:
  using Async = v1::DecisionService::AsyncService;

  LogRateLimiter error_lines_{50, std::chrono::seconds(1)};
  DecideParts parts_;  // Constant after construction.
  Async service_;
};

}  // namespace sluice::server
