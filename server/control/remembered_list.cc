#include "server/control/remembered_list.h"

#include <utility>

namespace sluice::server {
namespace {

// Of a hundred bytes each; gRPC takes messages of up to 4 MiB.
constexpr int kVerdictsAMessage = 4096;

}  // namespace

RememberedList::RememberedList(grpc::CallbackServerContext* context, Router* router, Ticker* ticker)
    : context_(context), router_(router), ticker_(ticker) {}

void RememberedList::Begin(const v1::ListRememberedRequest& request) {
  ticker_->Add(this);
  v1::Command command;
  command.mutable_list_remembered()->set_limit(request.limit());
  router_->Send(request.gateway(), std::move(command),
                [this](const grpc::Status& status, const v1::CommandReply& reply) {
                  Answered(status, reply);
                });
}

void RememberedList::Answered(const grpc::Status& status, const v1::CommandReply& reply) {
  MutexLock lock(mutex_);
  asking_ = false;
  if (!status.ok()) return EndLocked(status);
  if (!reply.has_remembered()) {
    return EndLocked(
        grpc::Status(grpc::StatusCode::INTERNAL, "the gateway answered another question"));
  }
  verdicts_ = reply.remembered();
  WriteLocked();
}

void RememberedList::WriteLocked() {
  if (!ended_ && next_ < verdicts_.verdicts_size()) {
    response_.clear_verdicts();
    for (int i = 0; i < kVerdictsAMessage && next_ < verdicts_.verdicts_size(); ++i) {
      response_.add_verdicts()->Swap(verdicts_.mutable_verdicts(next_++));
    }
    writing_ = true;
    return StartWrite(&response_);
  }
  EndLocked(grpc::Status::OK);
}

void RememberedList::Tick(Time) {
  MutexLock lock(mutex_);
  // The caller does not read, or is gone; it had 600 ms.
  if (ended_ && ++ended_ticks_ == 12) context_->TryCancel();
}

void RememberedList::End(const grpc::Status& why) {
  MutexLock lock(mutex_);
  EndLocked(why);
}

void RememberedList::OnWriteDone(bool ok) {
  MutexLock lock(mutex_);
  writing_ = false;
  if (!ok) return EndLocked(grpc::Status(grpc::StatusCode::UNAVAILABLE, "the connection broke"));
  WriteLocked();
}

void RememberedList::OnCancel() {
  End(grpc::Status(grpc::StatusCode::CANCELLED, "the call was cancelled"));
}

void RememberedList::OnDone() {
  ticker_->Remove(this);
  // Whoever called Finish may still be on the way out of the mutex.
  { MutexLock lock(mutex_); }
  delete this;
}

void RememberedList::EndLocked(const grpc::Status& why) {
  if (!ended_) status_ = why;
  ended_ = true;
  FinishLocked();
}

void RememberedList::FinishLocked() {
  // The answer to the question under way comes here, to whom it may concern.
  if (asking_ || writing_ || finished_) return;
  finished_ = true;
  Finish(status_);
}

}  // namespace sluice::server
