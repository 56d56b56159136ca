#include "server/control/trial_watch.h"

#include <chrono>
#include <string>
#include <utility>

#include "server/control/policy_calls.h"

namespace sluice::server {
namespace {

using grpc::StatusCode;

constexpr std::chrono::seconds kInterval{1};

}  // namespace

TrialWatch::TrialWatch(grpc::CallbackServerContext* context, PolicyTrials* trials, Ticker* ticker)
    : context_(context), trials_(trials), ticker_(ticker) {}

void TrialWatch::Begin(const v1::TryPolicyRequest* request, Worker* compiler) {
  ticker_->Add(this);
  if (compiler->Post([this, request] { Compile(*request); })) return;
  MutexLock lock(mutex_);
  compiling_ = false;
  EndLocked(grpc::Status(StatusCode::RESOURCE_EXHAUSTED,
                         "this server has many policies to look at already; try again later"));
}

void TrialWatch::Compile(const v1::TryPolicyRequest& request) {
  RuleSet::Compiled compiled = RuleSet::Compile(request.policy());
  MutexLock lock(mutex_);
  compiling_ = false;
  if (compiled.rules == nullptr) {
    EndLocked(grpc::Status(StatusCode::INVALID_ARGUMENT, Describe(compiled.problems)));
  } else if (!ended_) {
    trial_ = trials_->Begin(std::move(compiled.rules),
                            {request.gateways().begin(), request.gateways().end()});
    if (trial_ == nullptr) {
      EndLocked(grpc::Status(StatusCode::RESOURCE_EXHAUSTED,
                             "this server tries as many policies as it does at once already"));
    } else {
      writing_ = true;
      StartWrite(&response_);
    }
  }
  FinishLocked();
}

void TrialWatch::Tick(Time now) {
  MutexLock lock(mutex_);
  // The caller does not read, or is gone; it had 600 ms.
  if (ended_ && ++ended_ticks_ == 12) context_->TryCancel();
  if (trial_ == nullptr || ended_ || writing_) return;
  if (next_ == Time()) next_ = now + kInterval;
  if (now < next_) return;
  next_ = now + kInterval;
  response_ = trial_->Take();
  writing_ = true;
  StartWrite(&response_);
}

void TrialWatch::End(const grpc::Status& why) {
  MutexLock lock(mutex_);
  EndLocked(why);
}

void TrialWatch::OnWriteDone(bool ok) {
  MutexLock lock(mutex_);
  writing_ = false;
  if (!ok) EndLocked(grpc::Status(StatusCode::UNAVAILABLE, "the connection broke"));
  FinishLocked();
}

void TrialWatch::OnCancel() { End(grpc::Status(StatusCode::CANCELLED, "the call was cancelled")); }

void TrialWatch::OnDone() {
  ticker_->Remove(this);
  // Whoever called Finish may still be on the way out of the mutex.
  { MutexLock lock(mutex_); }
  delete this;
}

void TrialWatch::EndLocked(const grpc::Status& why) {
  if (!ended_) status_ = why;
  ended_ = true;
  if (trial_ != nullptr) trials_->End(std::exchange(trial_, nullptr));
  FinishLocked();
}

void TrialWatch::FinishLocked() {
  if (!ended_ || compiling_ || writing_ || finished_) return;
  finished_ = true;
  Finish(status_);
}

}  // namespace sluice::server
