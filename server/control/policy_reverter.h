#pragma once

#include "server/control/policy_store.h"
#include "server/streams/ticker.h"
#include "server/streams/worker.h"

namespace sluice::server {

// Has a policy that nobody confirms reverted in time. Reverting writes to the disk, which the
// ticker must not wait for: the worker does it. Owned by the Server.
class PolicyReverter final : public Ticked {
 public:
  // None of them owned.
  PolicyReverter(PolicyStore* policies, Worker* worker, Ticker* ticker);
  ~PolicyReverter();
  PolicyReverter(const PolicyReverter&) = delete;
  PolicyReverter& operator=(const PolicyReverter&) = delete;

  void Tick(Time now) override;
  void End(const grpc::Status&) override {}

 private:
  PolicyStore* const policies_;
  Worker* const worker_;
  Ticker* const ticker_;
};

}  // namespace sluice::server
