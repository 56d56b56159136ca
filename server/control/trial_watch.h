#pragma once

#include <grpcpp/grpcpp.h>

#include <memory>

#include "server/control/policy_trials.h"
#include "server/streams/ticker.h"
#include "server/streams/worker.h"
#include "sluice/v1/control.pb.h"
#include "third_party/annotated_mutex/mutex.h"

namespace sluice::server {

// One TryPolicy call: has the worker compile the policy, begins the trial and then says each
// second what it has found; a caller that reads slowly is told less often. Made with new; deletes
// itself.
class TrialWatch final : public grpc::ServerWriteReactor<v1::TryPolicyResponse>, public Ticked {
 public:
  TrialWatch(grpc::CallbackServerContext* context, PolicyTrials* trials, Ticker* ticker);
  // `request` lives as long as the call.
  void Begin(const v1::TryPolicyRequest* request, Worker* compiler);

  void Tick(Time now) override;
  void End(const grpc::Status& why) override;
  void OnWriteDone(bool ok) override;
  void OnCancel() override;
  void OnDone() override;

 private:
  ~TrialWatch() override = default;

  void Compile(const v1::TryPolicyRequest& request);
  void EndLocked(const grpc::Status& why) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void FinishLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  grpc::CallbackServerContext* const context_;  // Not owned, nor are these.
  PolicyTrials* const trials_;
  Ticker* const ticker_;

  Mutex mutex_;
  std::shared_ptr<PolicyTrial> trial_ ABSL_GUARDED_BY(mutex_);  // Null until it begins.
  Time next_ ABSL_GUARDED_BY(mutex_);                           // When to tell more.
  bool compiling_ ABSL_GUARDED_BY(mutex_) = true;               // The worker has our address.
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  int ended_ticks_ ABSL_GUARDED_BY(mutex_) = 0;
  grpc::Status status_ ABSL_GUARDED_BY(mutex_);
  v1::TryPolicyResponse response_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sluice::server
