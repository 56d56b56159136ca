#include "server/control/stats_watch.h"

#include <utility>

namespace sluice::server {

StatsWatch::StatsWatch(WriteCall<v1::WatchStatsRequest>&& call, std::chrono::milliseconds interval,
                       Router* router, Ticker* ticker)
    : WritingCall(std::move(call), ticker), router_(router), interval_(interval) {}

void StatsWatch::Begin() {
  ticker_->Add(this);
  Ask();
}

void StatsWatch::Ask() {
  v1::Command command;
  command.mutable_get_stats();
  router_->Send(request().gateway(), std::move(command),
                [this](const absl::Status& status, const GatewayAnswer& answer) {
                  Answered(status, answer.reply);
                });
}

void StatsWatch::Answered(const absl::Status& status, const v1::CommandReply& reply) {
  MutexLock lock(mutex_);
  if (!status.ok()) {
    EndLocked(status);
  } else if (!reply.has_stats()) {
    EndLocked(absl::InternalError("the gateway's answer has no counters"));
  } else if (!ended()) {
    *response_.mutable_stats() = reply.stats();
    Write(&response_);
  }
  Returned();
}

void StatsWatch::Ticking(Time now) {
  {
    MutexLock lock(mutex_);
    if (ended() || lent() || writing() || now < next_) return;
    Lend();
    next_ = now + interval_;
  }
  Ask();
}

void StatsWatch::Written() {
  if (next_ == Time()) next_ = std::chrono::steady_clock::now() + interval_;
}

}  // namespace sluice::server
