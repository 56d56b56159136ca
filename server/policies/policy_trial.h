#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "server/policy/rule_set.h"
#include "sluice/v1/control.pb.h"
#include "sluice/v1/decision.pb.h"
#include "third_party/annotated_mutex/mutex.h"

namespace sluice::server {

// A policy that is tried on live packets, and how it differs from the one in force. Any thread may
// call. Bounded: up to kKinds pairs of differing rules are told apart; packets of further pairs are
// only counted.
class PolicyTrial final {
 public:
  static constexpr size_t kKinds = 1000;
  static constexpr size_t kTold = 100;

  // Compares packets of `gateways`; of all gateways if empty.
  PolicyTrial(std::shared_ptr<const RuleSet> tried, absl::flat_hash_set<std::string> gateways);

  // Decides the packets by the policy tried and compares. `live` has the ruling on each by the
  // policy in force, whose version is `live_version`. On the packet path, but after the verdicts
  // are sent. Costs a decision for each packet, and a look-up for each that differs.
  void Compare(const std::string& gateway, const v1::PacketBatch& batch,
               const std::vector<Ruling>& live, uint64_t live_version);

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

  Mutex mutex_;
  uint64_t packets_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t differing_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t others_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t live_version_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t batches_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::flat_hash_map<Key, Kind> kinds_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sluice::server
