#pragma once

#include <cstddef>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "server/flows/flow_table.h"
#include "server/observe/filter.h"
#include "sluice/v1/event.pb.h"
#include "third_party/annotated_mutex/mutex.h"

namespace sluice::server {

// Sees each connection event as it is taken in.
class FlowObserver {
 public:
  // `key` is null for gaps and the like. `encoded` is a v1::ObserveConnectionsResponse. Called
  // with a gateway's lock held: must be quick and must not block.
  virtual void Happened(const FlowKey* key, v1::EventType type, const std::string& encoded) = 0;

 protected:
  ~FlowObserver() = default;
};

// The connections of one gateway. Several Report streams may have it for a moment.
class GatewayFlows final {
 public:
  GatewayFlows(std::string gateway, FlowLimits limits);

  // Takes a batch's events in under one lock.
  void Take(const v1::EventBatch& batch);

 private:
  friend class Flows;

  const std::string gateway_;
  Mutex mutex_;
  FlowTable table_ ABSL_GUARDED_BY(mutex_);
  std::vector<FlowObserver*> observers_ ABSL_GUARDED_BY(mutex_);  // Not owned.
};

// The connections of all gateways, and who watches them. Any thread may call. Lock order: this
// one's, a gateway's, an observer's.
class Flows final {
 public:
  explicit Flows(FlowLimits limits = {});

  // Made if need be; valid until Forget.
  GatewayFlows* Of(const std::string& gateway);
  // Nobody may use the gateway's flows any more.
  void Forget(const std::string& gateway);

  // The last `last` connections that match, as encoded v1::ObserveConnectionsResponse: those
  // alive by the time they were last heard of, then those that ended. With `follow`, `observer`
  // then sees each later event of the gateways that match, none missing and none twice; it must
  // be taken out with Unwatch before it dies. Takes tens of milliseconds where there are
  // 100,000 connections.
  std::deque<std::string> Watch(FlowObserver* observer, const Filter& filter,
                                const std::vector<v1::EventType>& types, size_t last, bool follow);
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
