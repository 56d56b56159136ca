#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "server/verdicts/verdict.h"
#include "sluice/v1/decision.pb.h"
#include "third_party/annotated_mutex/mutex.h"

namespace sluice::server {

// A Screen stream, as Screeners sees it. Called with the lock of Screeners held.
class Screener {
 public:
  // Gives it packets to decide. False if the caller does not read; then none of them was taken.
  virtual bool Give(const v1::PacketBatch& batch) = 0;
  // Packets that were given and need no answer any more.
  virtual void Gone(const std::vector<uint64_t>& transaction_ids) = 0;
  // Reports answers that were not carried out.
  virtual void Refused(const v1::VerdictErrors& errors) = 0;

 protected:
  ~Screener() = default;
};

// The screeners that decide for gateways in place of the policy, and the packets that wait for
// them. Decide streams present packets, screeners answer them. While there are no screeners,
// presenting costs one atomic read. Any thread may call.
//
// An unanswered packet gets the gateway's fallback; here it is only removed once its time has run
// out. Packets beyond kMostWaiting are not given to the screener, so their time runs out as well.
//
// Lock order: this one's lock, then a stream's. A stream must not call with its own lock held.
class Screeners final {
 public:
  using Time = std::chrono::steady_clock::time_point;
  using Duration = std::chrono::steady_clock::duration;

  // Packets that may wait for one screener: the max_pending of two queues, some 10 MB.
  static constexpr size_t kMostWaiting = 16'384;

  // ALREADY_EXISTS: the gateway has a screener; the message has that one's `address`.
  absl::Status Enter(const std::string& gateway, const std::string& address, Screener* screener);
  // The policy decides the packets that are unanswered and still have time.
  void Leave(const std::string& gateway, Screener* screener, Time now);
  bool Screening(const std::string& gateway) const;

  // False if the gateway has no screener: the policy decides. `hold_limit` is that of the stream's
  // hello.
  bool Present(const std::string& gateway, DeferredVerdictSink* stream, Duration hold_limit,
               const v1::PacketBatch& batch, Time now);
  // The gateway could not carry out some answers.
  void Refuse(const std::string& gateway, const v1::VerdictErrors& errors);
  // The stream gets no more answers once this has returned.
  void LeaveStream(const std::string& gateway, DeferredVerdictSink* stream);

  // Passes verdicts on to the streams the packets came on. Verdicts on packets that do not wait are
  // refused.
  void Answer(const std::string& gateway, const v1::VerdictBatch& batch, Time now);
  // Removes packets whose time has run out.
  void Expire(const std::string& gateway, Time now);

 private:
  struct Waiting {
    DeferredVerdictSink* stream;  // Not owned.
    v1::Packet packet;
    Time presented;
    Time expires;
    Time latest;  // The latest `expires`, however often it is held.
  };
  struct Screen {
    Screener* screener;  // Not owned.
    std::string address;
    std::map<uint64_t, Waiting> waiting;  // By transaction id; those of one queue count up.
  };

  Screen* Find(const std::string& gateway) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  std::atomic<size_t> up_ = 0;  // The number of screens; read without the lock.
  mutable Mutex mutex_;
  std::map<std::string, Screen> screeners_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sluice::server
