#include "server/control/trial_watch.h"

#include <chrono>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "server/calls/peer_key.h"
#include "server/control/policy_calls.h"

namespace sluice::server {
namespace {

constexpr std::chrono::seconds kInterval{1};

}  // namespace

TrialWatch::TrialWatch(WriteCall<v1::TryPolicyRequest>&& call, const PolicyStore* policies,
                       PolicyTrials* trials, Ticker* ticker)
    : WritingCall(std::move(call), ticker), policies_(policies), trials_(trials) {}

void TrialWatch::Begin(Compiler* compiler) {
  ticker_->Add(this);
  compiler->Post({.purpose = CompilePurpose::kQuestion,
                  .peer = PeerKey(call().peer()),
                  .run = [this](JobNames* names) { Compile(names); },
                  .busy =
                      [this](const absl::Status& why) {
                        MutexLock lock(mutex_);
                        EndLocked(why);
                        Returned();
                      },
                  .gone =
                      [this] {
                        MutexLock lock(mutex_);
                        return ended();
                      }});
}

void TrialWatch::Compile(JobNames* names) {
  RuleSet::Compiled compiled = policies_->Compile(request().policy(), names->known);
  MutexLock lock(mutex_);
  if (!ended()) names->wanted = std::move(compiled.wanted);
  if (!names->wanted.empty()) return;
  if (compiled.rules == nullptr) {
    EndLocked(StatusOf(compiled));
  } else if (!ended()) {
    trial_ = trials_->Begin(std::move(compiled.rules),
                            {request().gateways().begin(), request().gateways().end()});
    if (trial_ == nullptr) {
      EndLocked(absl::ResourceExhaustedError(
          "this server runs as many trials as it can already; try again later"));
    } else {
      Write(&response_);
    }
  }
  Returned();
}

void TrialWatch::Ticking(Time now) {
  MutexLock lock(mutex_);
  if (trial_ == nullptr || ended() || writing()) return;
  if (next_ == Time()) next_ = now + kInterval;
  if (now < next_) return;
  next_ = now + kInterval;
  response_ = trial_->Take();
  Write(&response_);
}

void TrialWatch::Leave() {
  MutexLock lock(mutex_);
  if (trial_ != nullptr) trials_->End(std::exchange(trial_, nullptr));
}

}  // namespace sluice::server
