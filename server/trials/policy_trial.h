#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "server/policy/rule_set.h"
#include "server/trials/trial_budget.h"
#include "sluice/v1/control.pb.h"
#include "sluice/v1/decision.pb.h"
#include "third_party/annotated_mutex/mutex.h"

namespace sluice::server {

// What the policy in force said of the packets of a batch.
struct LiveRulings {
  std::vector<Ruling> rulings;  // One for each packet.
  std::shared_ptr<const RuleSet> rules;
  uint64_t version;
};

// A policy that is tried on live packets, and how it differs from the one in force. The trials'
// thread compares; any thread may call the rest. Bounded: up to kKinds pairs of differing rules are
// told apart; packets of further pairs are only counted. Packets for which there is no time are
// left out and counted (TrialBudget).
class PolicyTrial final {
 public:
  using Time = TrialBudget::Time;
  using Clock = std::function<Time()>;

  static constexpr size_t kKinds = 1000;
  static constexpr size_t kTold = 100;

  // Compares packets of `gateways`; of all gateways if empty.
  PolicyTrial(std::shared_ptr<const RuleSet> tried, absl::flat_hash_set<std::string> gateways);

  // Whether it compares packets of this gateway.
  bool Wants(const std::string& gateway) const {
    return gateways_.empty() || gateways_.contains(gateway);
  }
  // Whether its time is spent for now.
  bool Resting(Time now) const { return budget_.Resting(now); }
  // Counts packets that are not compared. Never waits.
  void LeaveOut(size_t packets) { left_out_.fetch_add(packets, std::memory_order_relaxed); }

  // Decides the packets by the policy tried, until its time is spent, and compares. Costs a
  // decision for each packet, and a look-up for each that differs. One thread at a time.
  void Compare(const std::string& gateway, const v1::PacketBatch& batch, const LiveRulings& live,
               const Clock& clock);
  // Nobody waits for it any more: Compare does nothing from now on, and stops if it is under way.
  void End() { ended_.store(true, std::memory_order_relaxed); }

  // The counts, and up to kTold differences whose counts have changed since the last Take, the most
  // frequent first.
  v1::TryPolicyResponse Take();

 private:
  // The version of the policy in force, its rule, and the rule of the policy tried.
  using Key = std::tuple<uint64_t, uint32_t, uint32_t>;

  struct Kind {
    v1::PolicyDifference difference;
    uint64_t packets = 0;
    uint64_t told = 0;   // `packets` when it was last told.
    uint64_t batch = 0;  // The last batch it was seen in.
  };

  void Count(const std::string& gateway, const v1::Packet& packet, const Ruling& live,
             const Ruling& tried, uint64_t live_version) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::shared_ptr<const RuleSet> tried_;
  const absl::flat_hash_set<std::string> gateways_;
  TrialBudget budget_;
  std::atomic<bool> ended_ = false;
  std::atomic<uint64_t> left_out_ = 0;

  Mutex mutex_;
  uint64_t packets_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t differing_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t others_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t live_version_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t batches_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::flat_hash_map<Key, Kind> kinds_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sluice::server
