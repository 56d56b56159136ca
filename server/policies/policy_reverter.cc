#include "server/policies/policy_reverter.h"

#include <chrono>
#include <memory>

namespace sluice::server {

PolicyReverter::PolicyReverter(PolicyStore* policies, Worker* worker, Ticker* ticker)
    : policies_(policies), worker_(worker), ticker_(ticker) {
  ticker_->Add(this);
}

PolicyReverter::~PolicyReverter() { ticker_->Remove(this); }

void PolicyReverter::Tick(Time now) {
  const std::shared_ptr<const Policy> current = policies_->Current();
  if (!current->reverts_at || *current->reverts_at > now) return;
  // If the worker has no room, the next tick tries again. A job posted twice reverts only once.
  static_cast<void>(worker_->Post([policies = policies_, now] {
    policies->RevertIfDue(now, std::chrono::system_clock::now());
  }));
}

}  // namespace sluice::server
