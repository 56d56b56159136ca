#pragma once

#include <grpcpp/support/status.h>

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "server/gateways/gateway_streams.h"
#include "server/gateways/scope_set.h"
#include "sluice/v1/control.pb.h"
#include "sluice/v1/decision.pb.h"
#include "third_party/annotated_mutex/mutex.h"

namespace sluice::server {

// Bounds of a Registry.
struct RegistryLimits {
  // Gateways known at once. Each may cost some 30 MB of history in the worst case.
  size_t gateways = 1024;
  // Decide streams of one gateway; agents have at most 64 queues, and some streams may not yet
  // be known to be dead.
  uint32_t decide_streams = 256;
};

// Which gateways there are and who speaks for them. Streams join when their hello has come and
// leave when they end; a stream stays valid from join to leave, which is what lets commands be
// sent under the lock. Any thread may call.
//
// When the limit of gateways is reached, the one heard longest ago of those with no stream up is
// forgotten; if all are up, a new one gets RESOURCE_EXHAUSTED.
//
// Lock order: this one's, then a stream's. A stream must not call with its own lock held.
class Registry final {
 public:
  using WallTime = std::chrono::system_clock::time_point;

  // `forget` is called for each gateway that is forgotten, with the lock held and none of its
  // streams up.
  explicit Registry(RegistryLimits limits = {},
                    std::function<void(const std::string& gateway)> forget = {});

  // INVALID_ARGUMENT: the identity has no name fit for a gateway. RESOURCE_EXHAUSTED: see above.
  grpc::Status JoinDecide(const v1::DecideHello& hello, const std::string& address, WallTime now);
  void LeaveDecide(const std::string& gateway, WallTime now);

  // A server's stream on which packets of this gateway come, or of others under its own name
  // (DecideHello.relay). It does not speak for the gateway, but keeps it from being forgotten.
  grpc::Status JoinRelay(const std::string& gateway, const std::string& address, WallTime now);
  void LeaveRelay(const std::string& gateway, WallTime now);

  // The streams a gateway has one of. The newer agent has the name: a stream of an agent the
  // server met later ends the stream of the older one with ABORTED, and an agent whose name was
  // so taken gets ABORTED when it calls again while the newer one is here. A new stream of the
  // same agent replaces its old one.
  grpc::Status JoinServe(const v1::ServeHello& hello, const std::string& address, WallTime now,
                         CommandStream* stream);
  void LeaveServe(const std::string& gateway, CommandStream* stream, WallTime now);
  grpc::Status JoinReport(const v1::AgentIdentity& agent, const std::string& address, WallTime now,
                          GatewayStream* stream);
  void LeaveReport(const std::string& gateway, GatewayStream* stream, WallTime now);

  // The gateway has said something.
  void Heard(const std::string& gateway, WallTime now);
  // It has said what mode it is in.
  void SetMode(const std::string& gateway, v1::Mode mode);
  // It has said what it has counted, and its mode with it.
  void SetStats(const std::string& gateway, const v1::GatewayStats& stats);
  // What each has counted, when last heard; by name, those that have said so.
  std::vector<std::shared_ptr<const v1::GatewayStats>> Stats() const;

  // Sends through the gateway's Serve stream; see CommandStream::Send. NOT_FOUND: never heard of.
  grpc::Status Send(const std::string& gateway, v1::Command command,
                    std::chrono::steady_clock::time_point deadline, CommandStream::Done& done);

  // Whether the gateway asks this server about packets now. NOT_FOUND: never heard of;
  // UNAVAILABLE: no Decide stream is up.
  grpc::Status CheckAsking(const std::string& gateway) const;

  // Gateways that ask this server now and whose agents cannot enforce `scope`, sorted by name.
  std::vector<std::string> Lacking(v1::Scope scope) const;

  // All gateways, sorted by name.
  std::vector<v1::Gateway> List() const;

 private:
  struct Entry {
    uint64_t epoch = 0;               // Of the agent that has the name.
    std::deque<uint64_t> superseded;  // Epochs that had it before, the last few.
    std::string agent_version;
    std::string address;
    v1::Mode mode = v1::MODE_UNSPECIFIED;
    std::shared_ptr<const v1::GatewayStats> stats;  // Null: not said yet.
    WallTime first_seen;
    WallTime last_seen;
    uint32_t decide_streams = 0;
    ScopeSet scopes;  // Of the Decide stream that came last.
    uint32_t relay_streams = 0;
    CommandStream* serve = nullptr;   // Not owned.
    GatewayStream* report = nullptr;  // Not owned.
    // Serve and Report streams that have joined and not left, replaced ones among them.
    uint32_t streams = 0;
  };

  grpc::Status Add(const std::string& gateway, WallTime now, Entry** entry)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  grpc::Status Find(const v1::AgentIdentity& agent, const std::string& address, WallTime now,
                    Entry** entry) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  grpc::Status Claim(Entry& entry, uint64_t epoch) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool MakeRoom() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const RegistryLimits limits_;
  const std::function<void(const std::string&)> forget_;
  mutable Mutex mutex_;
  std::map<std::string, Entry> entries_ ABSL_GUARDED_BY(mutex_);
};

// The caller's address for people: without gRPC's scheme, and decoded.
std::string PeerAddress(const std::string& peer);

}  // namespace sluice::server
