#pragma once

#include "server/calls/call_queue.h"
#include "server/calls/unary_call.h"
#include "server/control/compiler.h"
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
// store. The compiler is for what compiles and may wait for names, the archivist is the worker for
// what waits for the disk alone.
class ControlServiceImpl final {
 public:
  ControlServiceImpl(PolicyStore* policies, PolicyTrials* trials, Screens* screens,
                     Deciders* deciders, Registry* registry, Router* router, Compiler* compiler,
                     Worker* archivist, Ticker* ticker);

  grpc::Service* service() { return &service_; }
  // Once the server that has the service has started.
  void Open(CallQueue* queue);

 private:
  void OpenGateways(CallQueue* queue);
  void OpenPolicies(CallQueue* queue);
  void OpenStreams(CallQueue* queue);

  void SetMode(UnaryCall<v1::SetModeRequest, v1::SetModeResponse>* call);
  void GetStats(UnaryCall<v1::GetStatsRequest, v1::GetStatsResponse>* call);
  void ClearRemembered(UnaryCall<v1::ClearRememberedRequest, v1::ClearRememberedResponse>* call);
  void ListDeciders(UnaryCall<v1::ListDecidersRequest, v1::ListDecidersResponse>* call);

  PolicyStore* const policies_;  // Not owned, nor are these.
  PolicyTrials* const trials_;
  Screens* const screens_;
  Deciders* const deciders_;
  Registry* const registry_;
  Router* const router_;
  Compiler* const compiler_;
  Worker* const archivist_;
  Ticker* const ticker_;
  PolicyTestRoom test_room_;
  Worker tester_;
  v1::ControlService::AsyncService service_;
};

}  // namespace sluice::server
