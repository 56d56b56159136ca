#include "server/control/remembered_list.h"

#include <utility>

namespace sluice::server {
namespace {

// A verdict takes up to a hundred bytes; gRPC takes messages of up to 4 MiB.
constexpr int kVerdictsAMessage = 4096;

}  // namespace

RememberedList::RememberedList(WriteCall<v1::ListRememberedRequest>&& call, Router* router,
                               Ticker* ticker)
    : WritingCall(std::move(call), ticker), router_(router) {}

void RememberedList::Begin() {
  ticker_->Add(this);
  v1::Command command;
  command.mutable_list_remembered()->set_limit(request().limit());
  router_->Send(request().gateway(), std::move(command),
                [this](const absl::Status& status, v1::CommandReply&& reply) {
                  Answered(status, std::move(reply));
                });
}

void RememberedList::Answered(const absl::Status& status, v1::CommandReply&& reply) {
  MutexLock lock(mutex_);
  if (!status.ok()) {
    EndLocked(status);
  } else if (!reply.has_remembered()) {
    EndLocked(absl::InternalError("the gateway answered another question"));
  } else if (!ended()) {
    verdicts_.Swap(reply.mutable_remembered());
    Written();
  }
  Returned();
}

void RememberedList::Written() {
  if (next_ == verdicts_.verdicts_size()) return EndLocked(absl::OkStatus());
  response_.clear_verdicts();
  for (int i = 0; i < kVerdictsAMessage && next_ < verdicts_.verdicts_size(); ++i) {
    response_.add_verdicts()->Swap(verdicts_.mutable_verdicts(next_++));
  }
  Write(&response_);
}

}  // namespace sluice::server
