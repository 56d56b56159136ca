#pragma once

#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "server/calls/write_reactor.h"
#include "server/streams/silence.h"
#include "server/streams/ticker.h"
#include "third_party/annotated_mutex/mutex.h"

namespace sluice::server {

// The mechanics of a call that is answered by a stream of messages, without their meaning. One
// write is in flight. The call is finished exactly once, neither while a write is under way nor
// while the call is lent; a call that does not finish is cancelled.
//
// A derived class writes with Write. It is made with new, adds itself to its ticker, and deletes
// itself in OnDone. A lent call is one whose address somebody has who will call back (a worker, or
// a gateway's answer): it lives until they have called back and Returned is called. A call begins
// lent.
template <typename Request, typename Response>
class WritingCall : public WriteReactor<Request, Response>, public Ticked {
 public:
  void End(const absl::Status& why) final {
    MutexLock lock(mutex_);
    EndLocked(why);
  }

  void Tick(Time now) final {
    {
      MutexLock lock(mutex_);
      // The caller does not read, or is gone.
      if (ended_ && ++ended_ticks_ == kSilentTicks) this->call().Cancel();
      if (ended_) return;
    }
    Ticking(now);
  }

  void OnWriteDone(bool ok) final {
    MutexLock lock(mutex_);
    writing_ = false;
    if (!ok) EndLocked(absl::UnavailableError("the connection broke"));
    FinishLocked();
    if (!ended_) Written();
  }

  void OnCancel() final { End(absl::CancelledError("the call was cancelled")); }

  void OnDone() final {
    Leave();
    ticker_->Remove(this);
    // The thread that called Finish may still hold the mutex.
    { MutexLock lock(mutex_); }
    delete this;
  }

 protected:
  WritingCall(WriteCall<Request>&& call, Ticker* ticker)
      : WriteReactor<Request, Response>(std::move(call)), ticker_(ticker) {}
  ~WritingCall() override = default;

  // The last write has gone out.
  virtual void Written() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {}
  // Called at each tick until the call has ended.
  virtual void Ticking(Time) {}
  // The call is over. Unregisters it everywhere.
  virtual void Leave() {}

  // Only while the call has not ended and no write is under way.
  void Write(const Response* response) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    writing_ = true;
    this->StartWrite(response);
  }

  // If called again, the first reason stands.
  void EndLocked(const absl::Status& why) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (!ended_) status_ = why;
    ended_ = true;
    FinishLocked();
  }

  // Somebody has the call's address (again) and will call back.
  void Lend() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { lent_ = true; }
  void Returned() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    lent_ = false;
    FinishLocked();
  }

  bool lent() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return lent_; }
  bool writing() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return writing_; }
  bool ended() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return ended_; }

  Ticker* const ticker_;  // Not owned.
  Mutex mutex_;

 private:
  void FinishLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (!ended_ || lent_ || writing_ || finished_) return;
    finished_ = true;
    this->Finish(status_);
  }

  bool lent_ ABSL_GUARDED_BY(mutex_) = true;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  int ended_ticks_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sluice::server
