#include "server/policies/policy_trials.h"

#include <utility>

namespace sluice::server {

std::shared_ptr<PolicyTrial> PolicyTrials::Begin(std::shared_ptr<const RuleSet> tried,
                                                 absl::flat_hash_set<std::string> gateways) {
  auto trial = std::make_shared<PolicyTrial>(std::move(tried), std::move(gateways));
  MutexLock lock(mutex_);
  if (trials_.size() >= kMost) return nullptr;
  trials_.push_back(trial);
  running_ = trials_.size();
  return trial;
}

void PolicyTrials::End(const std::shared_ptr<PolicyTrial>& trial) {
  MutexLock lock(mutex_);
  std::erase(trials_, trial);
  running_ = trials_.size();
}

}  // namespace sluice::server
