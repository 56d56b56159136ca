#pragma once

#include <grpcpp/alarm.h>
#include <grpcpp/grpcpp.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "server/deciders/decider_pool.h"
#include "server/deciders/grpc_decider_dialer.h"
#include "server/deciders/question.h"
#include "server/policies/policy_store.h"
#include "sluice/v1/control.pb.h"
#include "third_party/annotated_mutex/mutex.h"

namespace sluice::server {

// The deciders that rules ask. Keeps connections to those the policy names and asks them about
// packets. One thread of its own owns the connections and the waiting packets; other threads only
// post to it. Any thread may call.
//
// A decider that is slow, mute or gone delays only the packets that are asked of it. They wait
// here, and each gets the verdict that its rule gives behind `else` when its own time is up.
class Deciders final {
 public:
  using Clock = std::chrono::steady_clock;

  // Packets that may wait for the thread, which takes them within microseconds.
  static constexpr size_t kMostPosted = 16'384;

  // `name` is the name this server gives to deciders. `policies` is not owned.
  Deciders(const std::string& name, const PolicyStore* policies);
  // Packets that still wait get no answer.
  ~Deciders();
  Deciders(const Deciders&) = delete;
  Deciders& operator=(const Deciders&) = delete;

  // Each question is answered through its asker: with a final answer, possibly after some that hold
  // the packet longer. Must not be called with a lock of an asker's stream held.
  void Ask(std::vector<Question> questions);

  // Counts packets, by decider, that were not asked about.
  void CountUnasked(const std::map<std::string, uint64_t>& packets);

  // Calls `done` on the thread of this class with the deciders the policy names.
  using Listed = std::function<void(std::vector<v1::Decider> deciders)>;
  void List(Listed done);

  // Counts up whenever a decider has changed its policy, so that earlier answers must be forgotten.
  uint64_t revision() const { return revision_; }

 private:
  struct Mail {
    std::vector<Question> questions;
    std::map<std::string, uint64_t> unasked;  // Packets, by decider.
    std::vector<Listed> lists;
    bool stop = false;
  };

  template <typename Put>
  void Post(Put put);
  void Run();
  // Waits while there are no deciders. False if no mail came in kPolicyInterval: the policy may
  // have changed.
  bool WaitForMail();
  // False if this was the last mail.
  bool TakeMail(Clock::time_point now);
  void FollowPolicy(Clock::time_point now);
  Clock::time_point NextTimer(Clock::time_point now) const;
  void Drain();

  const PolicyStore* const policies_;  // Not owned.
  std::atomic<uint64_t> revision_ = 0;

  Mutex mutex_;
  Mail mail_ ABSL_GUARDED_BY(mutex_);
  bool woken_ ABSL_GUARDED_BY(mutex_) = false;  // The alarm is set, not yet taken.
  std::condition_variable mail_came_;

  // Used by the thread alone.
  grpc::CompletionQueue events_;
  grpc::Alarm alarm_;
  GrpcDeciderDialer dialer_{&events_};
  DeciderPool::Common common_;
  std::shared_ptr<const Policy> followed_;
  std::map<std::string, DeciderPool> pools_;
  std::thread thread_;
};

}  // namespace sluice::server
