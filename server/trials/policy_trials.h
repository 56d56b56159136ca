#pragma once

#include <google/protobuf/arena.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "server/packets/packet_fields.h"
#include "server/trials/policy_trial.h"
#include "third_party/annotated_mutex/mutex.h"

namespace sluice::server {

// The trials under way, and the thread that evaluates them. What a trial costs delays no packet:
// whoever decides packets hands over a copy of them and goes on. If too many wait for the thread,
// or a trial has spent its time (TrialBudget), packets are left out, and the trial says how many.
// Any thread may call. Owned by the Server.
class PolicyTrials final {
 public:
  using Time = PolicyTrial::Time;
  using Clock = PolicyTrial::Clock;

  // So many trials may take a TrialBudget each.
  static constexpr size_t kMost = 4;
  // Memory of the packets that wait for the thread: 8,192 of the usual size. At 100,000 packets a
  // second, that is what comes while each trial takes all it may at once (TrialBudget::kAtOnce).
  static constexpr size_t kMostBytes = size_t{8} << 20;
  // What a packet takes besides its payload, about.
  static constexpr size_t kPacketBytes = 1024;

  explicit PolicyTrials(Clock clock = std::chrono::steady_clock::now);
  // Ends the thread; packets that wait are not compared.
  ~PolicyTrials();
  PolicyTrials(const PolicyTrials&) = delete;
  PolicyTrials& operator=(const PolicyTrials&) = delete;

  // Null if kMost trials are under way.
  std::shared_ptr<PolicyTrial> Begin(std::shared_ptr<const RuleSet> tried,
                                     absl::flat_hash_set<std::string> gateways);
  // Ends a trial, which gets no more packets. The thread frees it: a large policy takes a while.
  void End(std::shared_ptr<PolicyTrial> trial);

  // Whether there are trials. One atomic read.
  bool Any() const { return running_.load(std::memory_order_relaxed) > 0; }
  // Has the trials compare packets that were decided. `live_rules` made `live`. Only if a trial
  // wants the packets and there is room, they are asked of `batch`, and copied once. Never waits
  // for an evaluation.
  void Compare(const std::string& gateway, const std::vector<PacketFields>& packets,
               const std::function<const v1::PacketBatch&()>& batch,
               const std::vector<Ruling>& live, const std::shared_ptr<const RuleSet>& live_rules,
               uint64_t live_version, Time now);

 private:
  struct Job {
    std::vector<std::shared_ptr<PolicyTrial>> trials;
    std::string gateway;
    std::unique_ptr<google::protobuf::Arena> arena;  // Holds `batch`.
    const v1::PacketBatch* batch = nullptr;
    LiveRulings live = {};
    size_t bytes = 0;
  };

  // The trials that compare these packets now. Takes room for them, unless there are no such
  // trials.
  std::vector<std::shared_ptr<PolicyTrial>> TakeRoom(const std::string& gateway, size_t packets,
                                                     size_t bytes, Time now);
  void Run();

  const Clock clock_;
  std::atomic<size_t> running_ = 0;

  Mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::shared_ptr<PolicyTrial>> trials_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::shared_ptr<PolicyTrial>> ended_ ABSL_GUARDED_BY(mutex_);  // To be freed.
  std::deque<Job> jobs_ ABSL_GUARDED_BY(mutex_);
  size_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;  // Of jobs that wait, are copied or are under way.
  bool stop_ ABSL_GUARDED_BY(mutex_) = false;

  std::thread thread_;
};

}  // namespace sluice::server
