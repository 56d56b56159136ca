#include "agent/streams/decision_client.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace sluice::agent {
namespace {

constexpr int64_t kMillisecond = 1'000'000;
// Errors are for people who debug a decider: no need to send them often.
constexpr int64_t kErrorsInterval = 200 * kMillisecond;

absl::Status Refused(const absl::Status& status) {
  if (status.ok()) return status;
  return absl::Status(status.code(),
                      absl::StrCat("asked for what this agent cannot do: ", status.message()));
}

}  // namespace

DecisionClient::DecisionClient(v1::DecideHello hello, std::vector<std::string> servers,
                               DecisionListener* listener, StreamPoller* poller)
    : hello_(std::move(hello)),
      listener_(listener),
      conversation_(absl::StrCat("queue ", hello_.queue()), std::move(servers), this, poller) {}

void DecisionClient::FillHello(v1::DecideRequest& request) {
  window_.Reset();
  *request.mutable_hello() = hello_;
}

absl::Status DecisionClient::OnWelcome(const v1::DecideResponse& response) {
  return Refused(listener_->OnWelcome(conversation_.stream(), response.welcome()));
}

absl::Status DecisionClient::OnMessage(v1::DecideResponse& response) {
  if (response.has_retune()) return Refused(listener_->OnRetune(response.retune()));
  if (!response.has_verdicts()) return absl::OkStatus();  // from a newer decider
  const uint64_t received = response.verdicts().received_batch();
  if (!window_.Acknowledge(received, now_ns_)) {
    return absl::InvalidArgumentError(
        absl::StrCat("acknowledged batch ", received, ", but only ", window_.sent(), " were sent"));
  }
  if (window_.under_way() > 0) {
    for (const v1::Verdict& verdict : response.verdicts().verdicts()) {
      window_.Answered(verdict.transaction_id(), now_ns_);
    }
  }
  listener_->OnVerdicts(conversation_.stream(), response.verdicts());
  return absl::OkStatus();
}

void DecisionClient::OnLost() {
  window_.Reset();
  listener_->OnLost();
}

void DecisionClient::OnNobody() { listener_->OnNobody(); }

void DecisionClient::Leave(int64_t now_ns, const std::string& reason) {
  if (!connected()) return;
  if (conversation_.servers() > 1) return conversation_.Leave(now_ns, reason);
  conversation_.Complain(absl::StrCat("server ", server(), " ", reason, "; there is no other"));
}

void DecisionClient::Run(int64_t now_ns) {
  now_ns_ = now_ns;
  opens_ns_ = INT64_MAX;
  conversation_.Run(now_ns);
  conversation_.Acknowledged(now_ns, window_.sent(), window_.acknowledged());
  // If a heartbeat is being written, errors follow at its end: both come every 200 ms.
  if (now_ns < errors_due_ns_ || !conversation_.Writable()) return;
  errors_due_ns_ = now_ns + kErrorsInterval;
  v1::VerdictErrors errors;
  if (!listener_->TakeErrors(errors)) return;
  conversation_.outgoing().mutable_errors()->Swap(&errors);
  conversation_.Write();
}

bool DecisionClient::CanSend() {
  const int64_t opens_ns = window_.Opens();
  if (opens_ns <= now_ns_) return conversation_.Writable();
  opens_ns_ = opens_ns;
  return false;
}

void DecisionClient::Send(v1::PacketBatch& batch) {
  const uint64_t last_id = batch.packets(batch.packets_size() - 1).transaction_id();
  batch.set_batch(window_.Send(now_ns_, last_id));
  v1::PacketBatch& outgoing = *conversation_.outgoing().mutable_packets();
  outgoing.Swap(&batch);
  conversation_.Write();
  outgoing.Swap(&batch);
}

}  // namespace sluice::agent
