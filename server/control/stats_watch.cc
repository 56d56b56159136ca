#include "server/control/stats_watch.h"

#include <utility>

namespace sluice::server {

StatsWatch::StatsWatch(grpc::CallbackServerContext* context, std::string gateway,
                       std::chrono::milliseconds interval, Router* router, Ticker* ticker)
    : context_(context),
      router_(router),
      ticker_(ticker),
      gateway_(std::move(gateway)),
      interval_(interval) {}

void StatsWatch::Begin() {
  ticker_->Add(this);
  Ask();
}

void StatsWatch::Ask() {
  v1::Command command;
  command.mutable_get_stats();
  router_->Send(gateway_, std::move(command),
                [this](const grpc::Status& status, const v1::CommandReply& reply) {
                  Answered(status, reply);
                });
}

void StatsWatch::Answered(const grpc::Status& status, const v1::CommandReply& reply) {
  MutexLock lock(mutex_);
  asking_ = false;
  if (!status.ok()) EndLocked(status);
  if (status.ok() && !reply.has_stats()) {
    EndLocked(grpc::Status(grpc::StatusCode::INTERNAL, "the gateway's answer has no counters"));
  }
  if (ended_) {
    FinishLocked();
    return;
  }
  *response_.mutable_stats() = reply.stats();
  writing_ = true;
  StartWrite(&response_);
}

void StatsWatch::Tick(Time now) {
  {
    MutexLock lock(mutex_);
    // The caller does not read, or is gone; it had 600 ms.
    if (ended_ && ++ended_ticks_ == 12) context_->TryCancel();
    if (ended_ || asking_ || writing_ || now < next_) return;
    asking_ = true;
    next_ = now + interval_;
  }
  Ask();
}

void StatsWatch::End(const grpc::Status& why) {
  MutexLock lock(mutex_);
  EndLocked(why);
}

void StatsWatch::OnWriteDone(bool ok) {
  MutexLock lock(mutex_);
  writing_ = false;
  if (next_ == Time()) next_ = std::chrono::steady_clock::now() + interval_;
  if (!ok) EndLocked(grpc::Status(grpc::StatusCode::UNAVAILABLE, "the connection broke"));
  FinishLocked();
}

void StatsWatch::OnCancel() {
  End(grpc::Status(grpc::StatusCode::CANCELLED, "the call was cancelled"));
}

void StatsWatch::OnDone() {
  ticker_->Remove(this);
  // Whoever called Finish may still be on the way out of the mutex.
  { MutexLock lock(mutex_); }
  delete this;
}

void StatsWatch::EndLocked(const grpc::Status& why) {
  if (!ended_) status_ = why;
  ended_ = true;
  FinishLocked();
}

void StatsWatch::FinishLocked() {
  // The answer to a question under way comes here, to whom it may concern.
  if (!ended_ || asking_ || writing_ || finished_) return;
  finished_ = true;
  Finish(status_);
}

}  // namespace sluice::server
