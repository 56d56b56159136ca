#include "server/observe/observe_service.h"

#include <google/protobuf/repeated_field.h>

#include <algorithm>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "server/calls/peer_key.h"
#include "server/journal/filter.h"
#include "server/streams/observer_outbox.h"

namespace sluice::server {
namespace {

absl::Status Busy() {
  return absl::ResourceExhaustedError(
      "this server collects the past for too many observers already; try again later");
}

// INVALID_ARGUMENT, naming the field, if one of them is not a value of the enum.
absl::StatusOr<NumberSet> ToSet(const char* field,
                                const google::protobuf::RepeatedField<int>& wanted,
                                bool (*is_valid)(int)) {
  NumberSet set;
  for (const int number : wanted) {
    if (!is_valid(number)) {
      return absl::InvalidArgumentError(
          absl::StrCat(field, ": ", number, " is unknown to this server"));
    }
    set.Add(static_cast<uint32_t>(number));
  }
  return set;
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
                   const NumberSet& types, Flows* flows, Places::Place place, Ticker* ticker)
      : ObserverOutbox(std::move(call), ticker),
        filter_(std::move(filter)),
        types_(types),
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
      if (!types_.Has(type)) return;
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
  const NumberSet types_;
  Flows* const flows_;  // Not owned.
  const Places::Place place_;
};

}  // namespace

ObserveServiceImpl::ObserveServiceImpl(DecisionLog* log, Flows* flows, Worker* worker,
                                       Ticker* ticker)
    : log_(log), flows_(flows), worker_(worker), ticker_(ticker) {}

void ObserveServiceImpl::ObserveDecisions(WriteCall<v1::ObserveDecisionsRequest>&& call) {
  v1::ObserveDecisionsRequest request;
  request.Swap(&call.request);  // The call keeps no long filter for as long as it lasts.
  absl::StatusOr<Filter> filter = Filter::Create(request.filter());
  if (!filter.ok()) return Refusal::Make(std::move(call.call), filter.status());
  const absl::StatusOr<NumberSet> causes = ToSet("causes", request.causes(), &v1::Cause_IsValid);
  if (!causes.ok()) return Refusal::Make(std::move(call.call), causes.status());
  absl::StatusOr<Places::Place> place = observers_.Take(PeerKey(call.call->peer()));
  if (!place.ok()) return Refusal::Make(std::move(call.call), place.status());
  // Deletes itself.
  auto* outbox = new DecisionOutbox(
      std::move(call), {*std::move(filter), request.action(), *causes, request.logged()}, log_,
      *std::move(place), ticker_);
  outbox->Begin(std::min(request.last(), kMaxLast), request.follow(), worker_);
}

void ObserveServiceImpl::ObserveConnections(WriteCall<v1::ObserveConnectionsRequest>&& call) {
  v1::ObserveConnectionsRequest request;
  request.Swap(&call.request);
  absl::StatusOr<Filter> filter = Filter::Create(request.filter());
  if (!filter.ok()) return Refusal::Make(std::move(call.call), filter.status());
  const absl::StatusOr<NumberSet> types = ToSet("types", request.types(), &v1::EventType_IsValid);
  if (!types.ok()) return Refusal::Make(std::move(call.call), types.status());
  absl::StatusOr<Places::Place> place = observers_.Take(PeerKey(call.call->peer()));
  if (!place.ok()) return Refusal::Make(std::move(call.call), place.status());
  // Deletes itself.
  auto* outbox = new ConnectionOutbox(std::move(call), *std::move(filter), *types, flows_,
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
