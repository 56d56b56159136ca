#pragma once

#include <chrono>
#include <memory>

#include "absl/status/status.h"
#include "server/policies/policy_store.h"
#include "server/streams/ticker.h"
#include "server/streams/worker.h"

namespace sluice::server {

// Reverts a policy that nobody confirms in time. Reverting writes to the disk, which the ticker
// must not wait for, so the worker does it. Owned by the Server.
class PolicyReverter final : public Ticked {
 public:
  // No pointer is owned.
  PolicyReverter(PolicyStore* policies, Worker* worker, Ticker* ticker)
      : policies_(policies), worker_(worker), ticker_(ticker) {
    ticker_->Add(this);
  }
  ~PolicyReverter() { ticker_->Remove(this); }
  PolicyReverter(const PolicyReverter&) = delete;
  PolicyReverter& operator=(const PolicyReverter&) = delete;

  void Tick(Time now) override {
    const std::shared_ptr<const Policy> current = policies_->Current();
    if (!current->reverts_at || *current->reverts_at > now) return;
    // If the worker has no room, the next tick tries again. A job posted twice reverts only once.
    static_cast<void>(worker_->Post([policies = policies_, now] {
      policies->RevertIfDue(now, std::chrono::system_clock::now());
    }));
  }
  void End(const absl::Status&) override {}

 private:
  PolicyStore* const policies_;
  Worker* const worker_;
  Ticker* const ticker_;
};

}  // namespace sluice::server
