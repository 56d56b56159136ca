#pragma once

#include <chrono>
#include <memory>
#include <utility>

#include "server/calls/methods.h"
#include "server/decide/decide_stream.h"
#include "sluice/v1/decision.pb.h"

namespace sluice::server {

// DecisionService: decides by the policy in force, or has the gateway's screener decide, and logs
// the decisions. Tells the agents when another policy comes into force.
class DecisionServiceImpl final {
 public:
  explicit DecisionServiceImpl(const DecideParts& parts) : parts_(parts) {
    parts_.error_lines = &error_lines_;
  }

  void AddTo(Methods* methods) {
    methods->AddBidi<v1::DecideRequest, v1::DecideResponse>(
        "sluice.v1.DecisionService", "Decide", Lane::kPackets,
        [this](std::shared_ptr<Call> call) { BeginDecide(std::move(call), parts_); });
  }

 private:
  LogRateLimiter error_lines_{50, std::chrono::seconds(1)};
  DecideParts parts_;  // Constant after construction.
};

}  // namespace sluice::server
