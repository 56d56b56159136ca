#pragma once

#include "server/calls/methods.h"
#include "server/control/policy_test_stream.h"
#include "server/control/server_usage.h"
#include "server/deciders/deciders.h"
#include "server/gateways/registry.h"
#include "server/gateways/router.h"
#include "server/policies/compiler.h"
#include "server/policies/policy_store.h"
#include "server/screen/screeners.h"
#include "server/streams/ticker.h"
#include "server/streams/worker.h"
#include "server/trials/policy_trials.h"
#include "sluice/v1/control.pb.h"

namespace sluice::server {

// ControlService: handles the calls of people and tools with the registry, the router and the
// policy store. The compiler runs the calls that compile and may wait for names. The archivist is a
// worker for the calls that wait only for the disk.
class ControlServiceImpl final {
 public:
  ControlServiceImpl(PolicyStore* policies, PolicyTrials* trials, Screeners* screeners,
                     Deciders* deciders, Registry* registry, Router* router, FillPeers peers,
                     Compiler* compiler, Worker* archivist, Ticker* ticker);

  void AddTo(Methods* methods);

 private:
  void AddGateways(Methods* methods);
  void AddPolicies(Methods* methods);
  void AddStreams(Methods* methods);

  void SetMode(UnaryCall<v1::SetModeRequest, v1::SetModeResponse>* call);
  void GetStats(UnaryCall<v1::GetStatsRequest, v1::GetStatsResponse>* call);
  void ForgetRemembered(UnaryCall<v1::ForgetRememberedRequest, v1::ForgetRememberedResponse>* call);
  void ListDeciders(UnaryCall<v1::ListDecidersRequest, v1::ListDecidersResponse>* call);

  PolicyStore* const policies_;  // Not owned, nor are the next eight.
  PolicyTrials* const trials_;
  Screeners* const screeners_;
  Deciders* const deciders_;
  Registry* const registry_;
  Router* const router_;
  const FillPeers peers_;
  Compiler* const compiler_;
  Worker* const archivist_;
  Ticker* const ticker_;
  Places test_places_{"policy tests", PolicyTestStream::kMost};
  Worker tester_;
};

}  // namespace sluice::server
