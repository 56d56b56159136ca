#pragma once

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
  PolicyReverter(PolicyStore* policies, Worker* worker, Ticker* ticker);
  ~PolicyReverter();
  PolicyReverter(const PolicyReverter&) = delete;
  PolicyReverter& operator=(const PolicyReverter&) = delete;

  void Tick(Time now) override;
  void End(const absl::Status&) override {}

 private:
  PolicyStore* const policies_;
  Worker* const worker_;
  Ticker* const ticker_;
};

}  // namespace sluice::server
