#pragma once

#include <memory>

#include "server/policies/compiler.h"
#include "server/policies/policy_store.h"
#include "server/streams/writing_call.h"
#include "server/trials/policy_trials.h"
#include "sluice/v1/control.pb.h"

namespace sluice::server {

// One TryPolicy call: has the Compiler compile the policy, begins the trial and then reports its
// findings each second; a caller that reads slowly gets fewer reports. Made with new; deletes
// itself.
class TrialWatch final : public WritingCall<v1::TryPolicyRequest, v1::TryPolicyResponse> {
 public:
  TrialWatch(WriteCall<v1::TryPolicyRequest>&& call, const PolicyStore* policies,
             PolicyTrials* trials, Ticker* ticker);
  void Begin(Compiler* compiler);

 private:
  ~TrialWatch() override = default;

  void Compile(JobNames* names);
  void Ticking(Time now) override;
  void Leave() override;

  const PolicyStore* const policies_;  // Not owned, nor is the next.
  PolicyTrials* const trials_;

  std::shared_ptr<PolicyTrial> trial_ ABSL_GUARDED_BY(mutex_);  // Null until it begins.
  Time next_ ABSL_GUARDED_BY(mutex_);                           // When to report next.
  v1::TryPolicyResponse response_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sluice::server
