#pragma once

#include <cstddef>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "server/flows/flow_table.h"
#include "server/journal/filter.h"
#include "sluice/v1/event.pb.h"
#include "third_party/annotated_mutex/mutex.h"

namespace sluice::server {

// Gets each connection event as it is applied.
class FlowObserver {
 public:
  // `key` is null for gaps and completed resyncs. `encoded` is a v1::ObserveConnectionsResponse.
  // Called with a gateway's lock held: must be quick and must not block.
  virtual void Happened(const FlowKey* key, v1::EventType type, const std::string& encoded) = 0;

 protected:
  ~FlowObserver() = default;
};

// The connections of one gateway. Several Report streams may use it at once for a moment, while a
// new one replaces the old.
class GatewayFlows final {
 public:
  GatewayFlows(std::string gateway, FlowLimits limits);

  // Applies all events of a batch under one lock.
  void Take(const v1::EventBatch& batch);

 private:
  friend class Flows;

  const std::string gateway_;
  Mutex mutex_;
  FlowTable table_ ABSL_GUARDED_BY(mutex_);
  std::vector<FlowObserver*> observers_ ABSL_GUARDED_BY(mutex_);  // Not owned.
};

// The connections of all gateways, and the observers that follow them. Any thread may call. Lock
// order: this one's lock, a gateway's, an observer's.
class Flows final {
 public:
  explicit Flows(FlowLimits limits = {});

  // The gateway's flows, created if needed; valid until Forget.
  GatewayFlows* Of(const std::string& gateway);
  // After this call nobody may use the gateway's flows.
  void Forget(const std::string& gateway);

  // Returns the last `last` connections that match, as encoded v1::ObserveConnectionsResponse: the
  // live ones in the order of their last event, then the ended ones. With `follow`, `observer` then
  // sees each later event of the matching gateways, with none missing and none twice; it must be
  // removed with Unwatch before it is destroyed. With 100,000 connections this takes tens of
  // milliseconds. `types` are v1::EventType.
  std::deque<std::string> Watch(FlowObserver* observer, const Filter& filter,
                                const NumberSet& types, size_t last, bool follow);
  // `observer` sees nothing once this has returned.
  void Unwatch(FlowObserver* observer);

 private:
  struct Watcher {
    FlowObserver* observer;  // Not owned.
    const Filter* filter;    // The observer's.
  };

  const FlowLimits limits_;
  Mutex mutex_;
  std::map<std::string, std::unique_ptr<GatewayFlows>> gateways_ ABSL_GUARDED_BY(mutex_);
  std::vector<Watcher> watchers_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sluice::server
