#pragma once

#include <grpcpp/support/status.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "server/decisions/late_verdict.h"
#include "sluice/v1/decision.pb.h"
#include "third_party/annotated_mutex/mutex.h"

namespace sluice::server {

// A Screen stream, as Screens sees it. Called with its lock held.
class Screener {
 public:
  // Packets to decide. False: it does not read, and nothing was taken.
  virtual bool Give(const v1::PacketBatch& batch) = 0;
  // Packets given that need no answer any more.
  virtual void Gone(const std::vector<uint64_t>& transaction_ids) = 0;
  // Answers that were not carried out.
  virtual void Refused(const v1::VerdictErrors& errors) = 0;

 protected:
  ~Screener() = default;
};

// Who decides for gateways in place of the policy, and which packets wait for them. Decide
// streams present what comes in, screeners answer. Where nobody screens, presenting costs one
// atomic read. Any thread may call.
//
// A packet that is not answered is the gateway's to settle: it is only forgotten here once its
// time has run out. What exceeds kMostWaiting is not given, and so runs out of time as well.
//
// Lock order: this one's, then a stream's. A stream must not call with its own lock held.
class Screens final {
 public:
  using Time = std::chrono::steady_clock::time_point;
  using Duration = std::chrono::steady_clock::duration;

  // Packets that may wait for one screener: two queues' worth (max_pending), some 10 MB.
  static constexpr size_t kMostWaiting = 16'384;

  // ALREADY_EXISTS: somebody screens that gateway; the message has their `address`.
  grpc::Status Enter(const std::string& gateway, const std::string& address, Screener* screener);
  // What is unanswered and still in time is decided by the policy.
  void Leave(const std::string& gateway, Screener* screener, Time now);
  bool Screening(const std::string& gateway) const;

  // False: nobody screens, the policy decides. `hold_limit` is the stream's hello's.
  bool Present(const std::string& gateway, LateAnswered* stream, Duration hold_limit,
               const v1::PacketBatch& batch, Time now);
  // The gateway could not carry out some answers.
  void Refuse(const std::string& gateway, const v1::VerdictErrors& errors);
  // The stream gets no more answers once this has returned.
  void LeaveStream(const std::string& gateway, LateAnswered* stream);

  // Hands verdicts on to the streams the packets came on; those on packets that do not wait are
  // refused.
  void Answer(const std::string& gateway, const v1::VerdictBatch& batch, Time now);
  // Forgets packets whose time has run out.
  void Expire(const std::string& gateway, Time now);

 private:
  struct Waiting {
    LateAnswered* stream;  // Not owned.
    v1::Packet packet;
    Time presented;
    Time expires;
    Time latest;  // No hold lasts longer.
  };
  struct Screen {
    Screener* screener;  // Not owned.
    std::string address;
    std::map<uint64_t, Waiting> waiting;  // By transaction id: a queue's count up.
  };

  Screen* Find(const std::string& gateway) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  std::atomic<size_t> up_ = 0;  // As many as there are screens; read without the lock.
  mutable Mutex mutex_;
  std::map<std::string, Screen> screens_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sluice::server
