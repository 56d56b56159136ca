#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "server/policies/policy_trial.h"
#include "third_party/annotated_mutex/mutex.h"

namespace sluice::server {

// The trials under way. Any thread may call.
class PolicyTrials final {
 public:
  // Each trial costs one decision per packet.
  static constexpr size_t kMost = 4;

  // Null if kMost trials are under way.
  std::shared_ptr<PolicyTrial> Begin(std::shared_ptr<const RuleSet> tried,
                                     absl::flat_hash_set<std::string> gateways) {
    auto trial = std::make_shared<PolicyTrial>(std::move(tried), std::move(gateways));
    MutexLock lock(mutex_);
    if (trials_.size() >= kMost) return nullptr;
    trials_.push_back(trial);
    running_ = trials_.size();
    return trial;
  }
  void End(const std::shared_ptr<PolicyTrial>& trial) {
    MutexLock lock(mutex_);
    std::erase(trials_, trial);
    running_ = trials_.size();
  }

  // Calls PolicyTrial::Compare of each trial. Without trials it costs one atomic read.
  void Compare(const std::string& gateway, const v1::PacketBatch& batch,
               const std::vector<Ruling>& live, uint64_t live_version) {
    if (running_.load(std::memory_order_relaxed) == 0) return;
    for (const auto& trial : All()) trial->Compare(gateway, batch, live, live_version);
  }

 private:
  std::vector<std::shared_ptr<PolicyTrial>> All() const {
    MutexLock lock(mutex_);
    return trials_;
  }

  std::atomic<size_t> running_ = 0;
  mutable Mutex mutex_;
  std::vector<std::shared_ptr<PolicyTrial>> trials_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sluice::server
