#include "server/control/remembered_list.h"

#include <utility>

namespace sluice::server {

RememberedList::RememberedList(WriteCall<v1::ListRememberedRequest>&& call, Router* router,
                               Ticker* ticker)
    : WritingCall(std::move(call), ticker), router_(router) {}

void RememberedList::Begin() {
  ticker_->Add(this);
  v1::Command command;
  command.mutable_list_remembered()->set_limit(request().limit());
  router_->Send(request().gateway(), std::move(command),
                [this](const absl::Status& status, GatewayAnswer&& answer) {
                  Answered(status, std::move(answer));
                });
}

void RememberedList::Answered(const absl::Status& status, GatewayAnswer&& answer) {
  MutexLock lock(mutex_);
  if (!status.ok()) {
    EndLocked(status);
  } else if (!answer.reply.has_remembered()) {
    EndLocked(absl::InternalError("the gateway answered another question"));
  } else if (!ended()) {
    list_ = std::move(answer.list);
    Written();
  }
  Returned();
}

void RememberedList::Written() {
  if (next_ == list_.size()) return EndLocked(absl::OkStatus());
  // Both messages hold nothing but the verdicts, in the same field. Parsed, they take several times
  // the memory: not for longer than it takes to write them.
  v1::ListRememberedResponse response;
  response.ParseFromString(list_[next_].verdicts);
  list_[next_++] = {};
  Write(&response);
}

}  // namespace sluice::server
