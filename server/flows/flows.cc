#include "server/flows/flows.h"

#include <google/protobuf/util/time_util.h>

#include <algorithm>
#include <utility>

namespace sluice::server {
namespace {

// A connection remembered, on its way to an observer.
struct Found {
  bool ended;
  bool end_unseen;
  int64_t time_ns;
  const std::string* gateway;
  std::string flow;

  bool operator<(const Found& other) const {
    if (ended != other.ended) return !ended;
    return time_ns < other.time_ns;
  }
};

std::string Encode(const Found& found) {
  v1::ObserveConnectionsResponse response;
  *response.mutable_time() =
      google::protobuf::util::TimeUtil::NanosecondsToTimestamp(found.time_ns);
  response.set_gateway(*found.gateway);
  response.set_type(found.ended ? v1::EVENT_TYPE_DESTROY : v1::EVENT_TYPE_SNAPSHOT);
  response.mutable_flow()->ParseFromString(found.flow);
  response.mutable_flow()->DiscardUnknownFields();
  response.set_end_unseen(found.end_unseen);
  return response.SerializeAsString();
}

}  // namespace

GatewayFlows::GatewayFlows(std::string gateway, FlowLimits limits)
    : gateway_(std::move(gateway)), table_(gateway_, limits) {}

void GatewayFlows::Take(const v1::EventBatch& batch) {
  MutexLock lock(mutex_);
  FlowTable::Tell tell;
  std::string encoded;
  if (!observers_.empty()) {
    tell = [&](const FlowKey* key, const v1::ObserveConnectionsResponse& response)
               ABSL_NO_THREAD_SAFETY_ANALYSIS {
                 response.SerializeToString(&encoded);
                 for (FlowObserver* observer : observers_) {
                   observer->Happened(key, response.type(), encoded);
                 }
               };
  }
  for (const v1::Event& event : batch.events()) table_.Take(event, tell);
}

Flows::Flows(FlowLimits limits) : limits_(limits) {}

GatewayFlows* Flows::Of(const std::string& gateway) {
  MutexLock lock(mutex_);
  std::unique_ptr<GatewayFlows>& flows = gateways_[gateway];
  if (flows == nullptr) {
    flows = std::make_unique<GatewayFlows>(gateway, limits_);
    MutexLock flows_lock(flows->mutex_);
    for (const Watcher& watcher : watchers_) {
      if (watcher.filter->MatchesGateway(gateway)) flows->observers_.push_back(watcher.observer);
    }
  }
  return flows.get();
}

void Flows::Forget(const std::string& gateway) {
  MutexLock lock(mutex_);
  gateways_.erase(gateway);
}

std::deque<std::string> Flows::Watch(FlowObserver* observer, const Filter& filter,
                                     const NumberSet& types, size_t last, bool follow) {
  std::vector<Found> found;
  const auto keep_last = [&] {
    std::stable_sort(found.begin(), found.end());
    if (found.size() > last) found.erase(found.begin(), found.end() - static_cast<long>(last));
  };
  MutexLock lock(mutex_);
  if (follow) watchers_.push_back({observer, &filter});
  for (const auto& [gateway, flows] : gateways_) {
    if (!filter.MatchesGateway(gateway)) continue;
    {
      MutexLock flows_lock(flows->mutex_);
      if (last > 0) {
        flows->table_.ForEach([&, &name = gateway](const FlowTable::Remembered& remembered) {
          if (!types.Has(remembered.type)) return;
          if (!filter.Matches(remembered.key->traits())) return;
          found.push_back({remembered.type == v1::EVENT_TYPE_DESTROY, remembered.end_unseen,
                           remembered.time_ns, &name, *remembered.flow});
        });
      }
      if (follow) flows->observers_.push_back(observer);
    }
    // Bounds `found` to little more than twice `last` and one gateway's connections, however many
    // gateways there are.
    if (found.size() / 2 > last) keep_last();
  }
  keep_last();
  std::deque<std::string> encoded;
  for (const Found& each : found) encoded.push_back(Encode(each));
  return encoded;
}

void Flows::Unwatch(FlowObserver* observer) {
  MutexLock lock(mutex_);
  std::erase_if(watchers_, [&](const Watcher& watcher) { return watcher.observer == observer; });
  for (const auto& [gateway, flows] : gateways_) {
    MutexLock flows_lock(flows->mutex_);
    std::erase(flows->observers_, observer);
  }
}

}  // namespace sluice::server
