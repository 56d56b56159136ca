#pragma once

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/calls/call_queue.h"
#include "server/control/compiler.h"
#include "server/control/control_service.h"
#include "server/control/name_refresher.h"
#include "server/control/policy_reverter.h"
#include "server/control/policy_store.h"
#include "server/control/policy_trials.h"
#include "server/control/set_watcher.h"
#include "server/deciders/deciders.h"
#include "server/decisions/decision_log.h"
#include "server/decisions/decision_service.h"
#include "server/decisions/decision_writer.h"
#include "server/flows/event_service.h"
#include "server/flows/flows.h"
#include "server/gateways/command_service.h"
#include "server/gateways/registry.h"
#include "server/gateways/router.h"
#include "server/observe/observe_service.h"
#include "server/screen/screens.h"
#include "server/streams/ticker.h"
#include "server/streams/worker.h"

namespace sluice::server {

// What a Server is made with.
struct ServerOptions {
  // As gRPC takes them: "192.0.2.1:7654", "[2001:db8::1]:7654", "unix:/run/sluice.sock".
  std::vector<std::string> listen;
  // What this server is called by the deciders it asks.
  std::string name = "sluice-server";
  // Tells this server from another and from itself before a restart, which may count other policies
  // by the same numbers: what gateways remember does not outlive it. 0: there is no other.
  uint32_t run = 0;
  RegistryLimits gateways;
  FlowLimits flows;
  // Where the log of decisions is written: paths of files, or "syslog". None: the server's own log.
  std::vector<std::string> decision_log;
  bool log_all = false;
  // Of each gateway, a second. 0 is the usual number.
  uint32_t log_rate = 0;
  std::chrono::milliseconds command_timeout = Router::kTimeout;
  // For how long the threads that serve calls look for the next before they sleep.
  std::chrono::nanoseconds busy_poll{0};
};

// All parts of sluice-server put together and listening. Owned by main, or by a test.
class Server final {
 public:
  // Listens on every address, or fails with UNAVAILABLE; as errno says, if the log of decisions
  // cannot be opened. `policies` is not owned.
  static absl::StatusOr<std::unique_ptr<Server>> Create(const ServerOptions& options,
                                                        PolicyStore* policies);
  // Stops if need be.
  ~Server();

  // One a listening address, in their order; 1 for unix sockets.
  const std::vector<int>& ports() const { return ports_; }

  // Has the files of the log of decisions opened again, after they were renamed.
  void ReopenLogs() { writer_.Reopen(); }

  // Ends every stream with UNAVAILABLE, gives unfinished calls until `grace` has passed, and
  // waits for the last one to end.
  void Stop(std::chrono::milliseconds grace);

 private:
  Server(const ServerOptions& options, std::vector<std::unique_ptr<LineSink>> sinks,
         PolicyStore* policies);

  // In order of dependency.
  DecisionLog log_;
  Flows flows_;
  Registry registry_;
  const DecisionFilter everything_{Filter::Create({}).value()};
  DecisionWriter writer_;
  Router router_;
  Screens screens_;
  PolicyTrials trials_;
  Deciders deciders_;
  Ticker ticker_;
  Compiler compiler_;  // A policy may take its time,
  Worker collector_;   // and observers must not wait for that,
  Worker archivist_;   // nor who was locked out by a policy.
  NameRefresher name_refresher_;
  PolicyReverter reverter_;
  SetWatcher set_watcher_;
  DecisionServiceImpl decision_service_;
  EventServiceImpl event_service_;
  CommandServiceImpl command_service_;
  ControlServiceImpl control_service_;
  ObserveServiceImpl observe_service_;
  std::vector<int> ports_;
  std::unique_ptr<CallQueue> calls_;
  std::unique_ptr<grpc::Server> grpc_;
};

}  // namespace sluice::server
