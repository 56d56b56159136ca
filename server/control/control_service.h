#pragma once

#include "server/control/policy_store.h"
#include "server/control/policy_test_stream.h"
#include "server/control/policy_trials.h"
#include "server/deciders/deciders.h"
#include "server/gateways/registry.h"
#include "server/gateways/router.h"
#include "server/screen/screens.h"
#include "server/streams/ticker.h"
#include "server/streams/worker.h"
#include "sluice/v1/control.grpc.pb.h"

namespace sluice::server {

// ControlService: what people and tools ask, handed to the registry, the router and the policy
// store. The compiler is the worker for what may wait for names, the archivist that for what waits
// for the disk alone. Called by gRPC.
class ControlServiceImpl final : public v1::ControlService::CallbackService {
 public:
  ControlServiceImpl(PolicyStore* policies, PolicyTrials* trials, Screens* screens,
                     Deciders* deciders, Registry* registry, Router* router, Worker* compiler,
                     Worker* archivist, Ticker* ticker);

  grpc::ServerUnaryReactor* GetServer(grpc::CallbackServerContext* context,
                                      const v1::GetServerRequest* request,
                                      v1::GetServerResponse* response) override;
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
  grpc::ServerWriteReactor<v1::ListRememberedResponse>* ListRemembered(
      grpc::CallbackServerContext* context, const v1::ListRememberedRequest* request) override;
  grpc::ServerUnaryReactor* ClearRemembered(grpc::CallbackServerContext* context,
                                            const v1::ClearRememberedRequest* request,
                                            v1::ClearRememberedResponse* response) override;
  grpc::ServerUnaryReactor* CheckPolicy(grpc::CallbackServerContext* context,
                                        const v1::CheckPolicyRequest* request,
                                        v1::CheckPolicyResponse* response) override;
  grpc::ServerUnaryReactor* ApplyPolicy(grpc::CallbackServerContext* context,
                                        const v1::ApplyPolicyRequest* request,
                                        v1::ApplyPolicyResponse* response) override;
  grpc::ServerUnaryReactor* RollbackPolicy(grpc::CallbackServerContext* context,
                                           const v1::RollbackPolicyRequest* request,
                                           v1::RollbackPolicyResponse* response) override;
  grpc::ServerUnaryReactor* ConfirmPolicy(grpc::CallbackServerContext* context,
                                          const v1::ConfirmPolicyRequest* request,
                                          v1::ConfirmPolicyResponse* response) override;
  grpc::ServerUnaryReactor* GetPolicy(grpc::CallbackServerContext* context,
                                      const v1::GetPolicyRequest* request,
                                      v1::GetPolicyResponse* response) override;
  grpc::ServerUnaryReactor* ListPolicies(grpc::CallbackServerContext* context,
                                         const v1::ListPoliciesRequest* request,
                                         v1::ListPoliciesResponse* response) override;
  grpc::ServerWriteReactor<v1::TryPolicyResponse>* TryPolicy(
      grpc::CallbackServerContext* context, const v1::TryPolicyRequest* request) override;
  grpc::ServerBidiReactor<v1::TestPolicyRequest, v1::TestPolicyResponse>* TestPolicy(
      grpc::CallbackServerContext* context) override;
  grpc::ServerUnaryReactor* ListDeciders(grpc::CallbackServerContext* context,
                                         const v1::ListDecidersRequest* request,
                                         v1::ListDecidersResponse* response) override;
  grpc::ServerUnaryReactor* ExplainPolicy(grpc::CallbackServerContext* context,
                                          const v1::ExplainPolicyRequest* request,
                                          v1::ExplainPolicyResponse* response) override;
  grpc::ServerBidiReactor<v1::ScreenRequest, v1::ScreenResponse>* Screen(
      grpc::CallbackServerContext* context) override;

 private:
  PolicyStore* const policies_;  // Not owned, nor are these.
  PolicyTrials* const trials_;
  Screens* const screens_;
  Deciders* const deciders_;
  Registry* const registry_;
  Router* const router_;
  Worker* const compiler_;
  Worker* const archivist_;
  Ticker* const ticker_;
  PolicyTestRoom test_room_;
};

}  // namespace sluice::server
