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
#include "server/control/policy_store.h"
#include "server/deciders/decider_pool.h"
#include "server/deciders/grpc_decider_dialer.h"
#include "server/deciders/question.h"
#include "sluice/v1/control.pb.h"
#include "third_party/annotated_mutex/mutex.h"

namespace sluice::server {

// The deciders that rules ask: keeps connections to those the policy names and puts packets to
// them. One thread owns the connections and all that waits; others only post. Any thread may call.
//
// What a decider that is slow, mute or gone keeps waiting is kept from nobody else: packets wait
// here, and each gets what its rule says otherwise when its own time is up.
class Deciders final {
 public:
  using Clock = std::chrono::steady_clock;

  // Packets that may wait for the thread to take them. It does so within microseconds.
  static constexpr size_t kMostPosted = 16'384;

  // `name` is what this server says to deciders it is called. `policies` is not owned.
  Deciders(const std::string& name, const PolicyStore* policies);
  // Forgets what waits.
  ~Deciders();
  Deciders(const Deciders&) = delete;
  Deciders& operator=(const Deciders&) = delete;

  // Each is answered through its asker, once or, after answers that ask for more time, again. Not
  // with a lock of an asker's stream held.
  void Ask(std::vector<Question> questions);

  // So many packets, by decider, were not asked about.
  void CountUnasked(const std::map<std::string, uint64_t>& packets);

  // Calls `done` from the thread with the deciders the policy names.
  using Listed = std::function<void(std::vector<v1::Decider> deciders)>;
  void List(Listed done);

  // Counts up whenever what deciders said before is void: one of them has another policy.
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
  // While nobody is asked. False: there is none, but the policy may be another.
  bool WaitForMail();
  // False: this was the last.
  bool TakeMail(Clock::time_point now);
  void FollowPolicy(Clock::time_point now);
  Clock::time_point NextTimer(Clock::time_point now) const;
  void Drain();

  const PolicyStore* const policies_;  // Not owned.
  std::atomic<uint64_t> revision_ = 0;

  Mutex mutex_;
  Mail mail_ ABSL_GUARDED_BY(mutex_);
  bool woken_ ABSL_GUARDED_BY(mutex_) = false;  // The alarm is on its way.
  std::condition_variable mail_came_;

  // The thread's.
  grpc::CompletionQueue events_;
  grpc::Alarm alarm_;
  GrpcDeciderDialer dialer_{&events_};
  DeciderPool::Common common_;
  std::shared_ptr<const Policy> followed_;
  std::map<std::string, DeciderPool> pools_;
  std::thread thread_;
};

}  // namespace sluice::server
