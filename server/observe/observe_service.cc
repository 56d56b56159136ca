#include "server/observe/observe_service.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "server/calls/peer_key.h"
#include "server/journal/filter.h"
#include "server/streams/observer_outbox.h"

namespace sluice::server {
namespace {

absl::Status Busy() {
  return absl::ResourceExhaustedError(
      "this server collects the past for too many observers already; try again later");
}

class DecisionOutbox final : public ObserverOutbox<DecisionLog::Entry, v1::ObserveDecisionsRequest,
                                                   v1::ObserveDecisionsResponse>,
                             public DecisionObserver {
 public:
  DecisionOutbox(WriteCall<v1::ObserveDecisionsRequest>&& call, DecisionFilter filter,
                 DecisionLog* log, Places::Place place, Ticker* ticker)
      : ObserverOutbox(std::move(call), ticker),
        filter_(std::move(filter)),
        log_(log),
        place_(std::move(place)) {}

  void Begin(uint32_t last, bool follow, Worker* worker) {
    if (!worker->Post(
            [this, last, follow] { Start(log_->Watch(this, filter_, last, follow), follow); })) {
      Refuse(Busy());
    }
  }

  void Decided(const std::string& gateway, const DecisionRecord& record) override {
    if (filter_.Matches(record)) Push({gateway, record});
  }

 private:
  ~DecisionOutbox() override = default;

  void Show(const DecisionLog::Entry& entry,
            v1::ObserveDecisionsResponse* response) const override {
    entry.record.Show(entry.gateway, response->mutable_decision());
  }

  void Leave() override { log_->Unwatch(this); }

  const DecisionFilter filter_;
  DecisionLog* const log_;  // Not owned.
  const Places::Place place_;
};

class ConnectionOutbox final : public ObserverOutbox<std::string, v1::ObserveConnectionsRequest,
                                                     v1::ObserveConnectionsResponse>,
                               public FlowObserver {
 public:
  ConnectionOutbox(WriteCall<v1::ObserveConnectionsRequest>&& call, Filter filter,
                   std::vector<v1::EventType> types, Flows* flows, Places::Place place,
                   Ticker* ticker)
      : ObserverOutbox(std::move(call), ticker),
        filter_(std::move(filter)),
        types_(std::move(types)),
        flows_(flows),
        place_(std::move(place)) {}

  void Begin(uint32_t last, bool follow, Worker* worker) {
    if (!worker->Post([this, last, follow] {
          Start(flows_->Watch(this, filter_, types_, last, follow), follow);
        })) {
      Refuse(Busy());
    }
  }

  void Happened(const FlowKey* key, v1::EventType type, const std::string& encoded) override {
    if (key != nullptr) {
      if (!types_.empty() && std::find(types_.begin(), types_.end(), type) == types_.end()) return;
      if (!filter_.Matches(key->traits())) return;
    }
    Push(encoded);
  }

 private:
  ~ConnectionOutbox() override = default;

  void Show(const std::string& encoded, v1::ObserveConnectionsResponse* response) const override {
    response->ParseFromString(encoded);
  }

  void Leave() override { flows_->Unwatch(this); }

  const Filter filter_;
  const std::vector<v1::EventType> types_;
  Flows* const flows_;  // Not owned.
  const Places::Place place_;
};

}  // namespace

ObserveServiceImpl::ObserveServiceImpl(DecisionLog* log, Flows* flows, Worker* worker,
                                       Ticker* ticker)
    : log_(log), flows_(flows), worker_(worker), ticker_(ticker) {}

void ObserveServiceImpl::ObserveDecisions(WriteCall<v1::ObserveDecisionsRequest>&& call) {
  const v1::ObserveDecisionsRequest request = call.request;
  absl::StatusOr<Filter> filter = Filter::Create(request.filter());
  if (!filter.ok()) {
    return Refusal::Make(std::move(call.call), filter.status());
  }
  absl::StatusOr<Places::Place> place = observers_.Take(PeerKey(call.call->peer()));
  if (!place.ok()) return Refusal::Make(std::move(call.call), place.status());
  std::vector<v1::Cause> causes;
  for (const int cause : request.causes()) causes.push_back(static_cast<v1::Cause>(cause));
  // Deletes itself.
  auto* outbox = new DecisionOutbox(
      std::move(call), {*std::move(filter), request.action(), std::move(causes), request.logged()},
      log_, *std::move(place), ticker_);
  outbox->Begin(std::min(request.last(), kMaxLast), request.follow(), worker_);
}

void ObserveServiceImpl::ObserveConnections(WriteCall<v1::ObserveConnectionsRequest>&& call) {
  const v1::ObserveConnectionsRequest request = call.request;
  absl::StatusOr<Filter> filter = Filter::Create(request.filter());
  if (!filter.ok()) {
    return Refusal::Make(std::move(call.call), filter.status());
  }
  absl::StatusOr<Places::Place> place = observers_.Take(PeerKey(call.call->peer()));
  if (!place.ok()) return Refusal::Make(std::move(call.call), place.status());
  std::vector<v1::EventType> types;
  for (const int type : request.types()) types.push_back(static_cast<v1::EventType>(type));
  // Deletes itself.
  auto* outbox = new ConnectionOutbox(std::move(call), *std::move(filter), std::move(types), flows_,
                                      *std::move(place), ticker_);
  outbox->Begin(std::min(request.last(), kMaxLast), request.follow(), worker_);
}

void ObserveServiceImpl::AddTo(Methods* methods) {
  const char* const service = "sluice.v1.ObserveService";
  methods->AddWriting<v1::ObserveDecisionsRequest, v1::ObserveDecisionsResponse>(
      service, "ObserveDecisions",
      [this](WriteCall<v1::ObserveDecisionsRequest>&& call) { ObserveDecisions(std::move(call)); });
  methods->AddWriting<v1::ObserveConnectionsRequest, v1::ObserveConnectionsResponse>(
      service, "ObserveConnections", [this](WriteCall<v1::ObserveConnectionsRequest>&& call) {
        ObserveConnections(std::move(call));
      });
}

}  // namespace sluice::server
