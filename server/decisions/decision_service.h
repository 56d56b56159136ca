#pragma once

#include "server/decisions/decide_stream.h"
#include "sluice/v1/decision.grpc.pb.h"

namespace sluice::server {

// DecisionService: decides by the current policy, or has the gateway's screener decide, and enters
// what was decided into the log. Tells the agents when the policy is another. Called by gRPC.
class DecisionServiceImpl final : public v1::DecisionService::CallbackService {
 public:
  explicit DecisionServiceImpl(const DecideParts& parts) : parts_(parts) {}

  grpc::ServerBidiReactor<v1::DecideRequest, v1::DecideResponse>* Decide(
      grpc::CallbackServerContext* context) override {
    return BeginDecide(context, parts_);
  }

 private:
  const DecideParts parts_;
};

}  // namespace sluice::server
