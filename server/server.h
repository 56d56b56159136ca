#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/calls/methods.h"
#include "server/control/control_service.h"
#include "server/decide/decision_service.h"
#include "server/deciders/deciders.h"
#include "server/edge/edge.h"
#include "server/edge/listen_address.h"
#include "server/flows/event_service.h"
#include "server/flows/flows.h"
#include "server/gateways/command_service.h"
#include "server/gateways/registry.h"
#include "server/gateways/router.h"
#include "server/journal/decision_log.h"
#include "server/journal/decision_writer.h"
#include "server/observe/observe_service.h"
#include "server/policies/compiler.h"
#include "server/policies/name_refresher.h"
#include "server/policies/policy_reverter.h"
#include "server/policies/policy_store.h"
#include "server/policies/set_watcher.h"
#include "server/screen/screeners.h"
#include "server/standard/health_service.h"
#include "server/standard/reflection_service.h"
#include "server/streams/ticker.h"
#include "server/streams/worker.h"
#include "server/trials/policy_trials.h"

namespace sluice::server {

// An address where a server listens.
struct Listener {
  ListenAddress address;
  const TlsContext* tls = nullptr;  // Null: plaintext. Not owned; outlives the server.
};

// The options of a Server.
struct ServerOptions {
  std::vector<Listener> listen;
  EdgeOptions edge;
  // The name this server gives to the deciders it asks.
  std::string name = "sluice-server";
  // Tells this server from others and from its own earlier incarnations, whose policies may have
  // had the same numbers. Gateways forget what they remember of another. 0: there is no other.
  uint32_t incarnation = 0;
  RegistryLimits gateways;
  FlowLimits flows;
  // Where the log of decisions is written: paths of files, or "syslog". Empty: to the server's own
  // log.
  std::vector<std::string> decision_log;
  bool log_all = false;
  // Logged lines a second for each gateway. 0: the default (LinesPerSecond in server.cc).
  uint32_t log_rate = 0;
  std::chrono::milliseconds command_timeout = Router::kTimeout;
};

// All parts of sluice-server put together and listening. Owned by main, or by a test.
class Server final {
 public:
  // Listens on every address, or fails with UNAVAILABLE. If the log of decisions cannot be opened,
  // the error is that of errno. `policies` is not owned.
  static absl::StatusOr<std::unique_ptr<Server>> Create(const ServerOptions& options,
                                                        PolicyStore* policies);
  // Stops if Stop was not called.
  ~Server();

  // The port of each listening address, in their order; 1 for unix sockets.
  const std::vector<int>& ports() const { return ports_; }

  // Has the files of the log of decisions opened again, after they were renamed.
  void ReopenLogs() { writer_.Reopen(); }

  // Ends every stream with UNAVAILABLE, gives unfinished calls `grace` to end, and waits until the
  // last one has ended.
  void Stop(std::chrono::milliseconds grace);

 private:
  Server(const ServerOptions& options, std::vector<std::unique_ptr<LineSink>> sinks,
         PolicyStore* policies);
  void FillPeerUsage(v1::PeerUsage* peers) const;

  // In order of dependency.
  DecisionLog log_;
  Flows flows_;
  Registry registry_;
  const DecisionFilter everything_{Filter::Create({}).value()};
  DecisionWriter writer_;
  Router router_;
  Screeners screeners_;
  PolicyTrials trials_;
  Deciders deciders_;
  Ticker ticker_;
  Compiler compiler_;  // Threads of their own: compiling a policy takes time,
  Worker collector_;   // observers must not wait for that,
  Worker archivist_;   // nor an operator locked out by a policy.
  NameRefresher name_refresher_;
  PolicyReverter reverter_;
  SetWatcher set_watcher_;
  DecisionServiceImpl decision_service_;
  EventServiceImpl event_service_;
  CommandServiceImpl command_service_;
  ControlServiceImpl control_service_;
  ObserveServiceImpl observe_service_;
  HealthService health_service_;
  ReflectionService reflection_service_;
  const size_t most_connections_;
  std::vector<int> ports_;
  Methods methods_;
  std::unique_ptr<Edge> edge_;
};

}  // namespace sluice::server
