#pragma once

#include "server/control/policy_store.h"
#include "server/gateways/registry.h"
#include "server/gateways/router.h"
#include "server/screen/screens.h"
#include "server/streams/ticker.h"
#include "server/streams/worker.h"
#include "sluice/v1/control.grpc.pb.h"

namespace sluice::server {

// ControlService: what people and tools ask, handed to the registry, the router and the policy
// store. Policies are compiled by the worker. Called by gRPC.
class ControlServiceImpl final : public v1::ControlService::CallbackService {
 public:
  ControlServiceImpl(PolicyStore* policies, Screens* screens, Registry* registry, Router* router,
                     Worker* worker, Ticker* ticker);

  grpc::ServerUnaryReactor* ListGateways(grpc::CallbackServerContext* context,
                                         const v1::ListGatewaysRequest* request,
                                         v1::ListGatewaysResponse* response) override;
  grpc::ServerUnaryReactor* SetMode(grpc::CallbackServerContext* context,
                                    const v1::SetModeRequest* request,
                                    v1::SetModeResponse* response) override;
  grpc::ServerUnaryReactor* GetStats(grpc::CallbackServerContext* context,
                                     const v1::GetStatsRequest* request,
                                     v1::GetStatsResponse* response) override;
  grpc::ServerWriteReactor<v1::WatchStatsResponse>* WatchStats(
      grpc::CallbackServerContext* context, const v1::WatchStatsRequest* request) override;
  grpc::ServerUnaryReactor* CheckPolicy(grpc::CallbackServerContext* context,
                                        const v1::CheckPolicyRequest* request,
                                        v1::CheckPolicyResponse* response) override;
  grpc::ServerUnaryReactor* ApplyPolicy(grpc::CallbackServerContext* context,
                                        const v1::ApplyPolicyRequest* request,
                                        v1::ApplyPolicyResponse* response) override;
  grpc::ServerUnaryReactor* GetPolicy(grpc::CallbackServerContext* context,
                                      const v1::GetPolicyRequest* request,
                                      v1::GetPolicyResponse* response) override;
  grpc::ServerBidiReactor<v1::ScreenRequest, v1::ScreenResponse>* Screen(
      grpc::CallbackServerContext* context) override;

 private:
  PolicyStore* const policies_;  // Not owned, nor are these.
  Screens* const screens_;
  Registry* const registry_;
  Router* const router_;
  Worker* const worker_;
  Ticker* const ticker_;
};

// "line:column: message" lines, cut to what fits into a status.
std::string Describe(const std::vector<v1::PolicyProblem>& problems);

}  // namespace sluice::server
