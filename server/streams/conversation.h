#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "server/calls/bidi_reactor.h"
#include "server/streams/silence.h"
#include "server/streams/ticker.h"
#include "third_party/annotated_mutex/mutex.h"

namespace sluice::server {

// The mechanics of a stream from an agent, without its policy: one read and one write are in
// flight. What piles up during a write, and while more of what arrived is taken, goes out in the
// next one. A peer that is silent for 600 ms is taken for dead. The call is finished exactly once,
// never while a write is under way; a call that does not finish is cancelled.
//
// A derived class says what a message means (Take) and what to write next (StartNext). It is made
// with new, started with Begin, and deletes itself in OnDone. The call's thread calls its
// reactions; the ticker calls Tick and End. While Full is true, because the peer does not read,
// nothing is read from the peer: HTTP/2's flow control then stops the peer, and its silence ends
// the stream.
template <typename Request, typename Response>
class Conversation : public BidiReactor<Request, Response>, public Ticked {
 public:
  void Begin() {
    ticker_->Add(this);
    MutexLock lock(mutex_);
    if (!ended_) ReadLocked();
  }

  void End(const absl::Status& why) override {
    MutexLock lock(mutex_);
    EndLocked(why);
  }

  void Tick(Time now) override {
    bool leave = false;
    {
      MutexLock lock(mutex_);
      ++silent_;
      if (ended_) {
        // The last write or the status is held up: the peer does not read, or is gone.
        if (++ended_ticks_ == kSilentTicks) this->call().Cancel();
      } else if (silent_ >= kSilentTicks) {
        EndLocked(
            absl::DeadlineExceededError("nothing heard for 600 ms; send a heartbeat every 200 ms"));
      }
      leave = ended_;
    }
    if (leave) {
      LeaveIfEnded();
    } else {
      Ticking(now);
    }
  }

  void OnReadDone(bool ok) final {
    if (ok) {
      absl::Status status;
      if (BeginTaking()) status = Take(*request_);
      MutexLock lock(mutex_);
      taking_ = false;
      if (!status.ok()) drain_ = status;
      // What arrived together is answered together.
      if (drain_ || Full() || !this->call().MoreArrived()) WriteLocked();
      if (!ended_ && !drain_) {
        paused_ = Full();
        if (!paused_) ReadLocked();
      }
    } else {
      MutexLock lock(mutex_);
      // Else the peer has half-closed the stream.
      drain_ = this->unreadable()
                   ? absl::InvalidArgumentError(
                         "a message could not be read: a string in it is not UTF-8, or it is not a "
                         "message of this conversation")
                   : absl::OkStatus();
      WriteLocked();
    }
    LeaveIfEnded();
  }

  void OnWriteDone(bool ok) final {
    {
      MutexLock lock(mutex_);
      writing_ = false;
      if (!ok) EndLocked(absl::UnavailableError("the connection broke"));
      if (ended_) {
        FinishLocked();
      } else {
        WriteLocked();
        if (!ended_ && paused_ && !drain_ && !Full()) {
          paused_ = false;
          ReadLocked();
        }
      }
    }
    LeaveIfEnded();
  }

  void OnCancel() final {
    {
      MutexLock lock(mutex_);
      EndLocked(absl::CancelledError("the call was cancelled"));
    }
    LeaveIfEnded();
  }

  void OnDone() final {
    ticker_->Remove(this);
    // The thread that called Finish may still hold the mutex.
    { MutexLock lock(mutex_); }
    delete this;
  }

 protected:
  Conversation(std::shared_ptr<Call> call, Ticker* ticker)
      : BidiReactor<Request, Response>(std::move(call)), ticker_(ticker) {}
  ~Conversation() override = default;

  // A message has arrived. An error ends the stream with that status, once what is due was written.
  // Calls do not overlap.
  virtual absl::Status Take(const Request& request) = 0;
  // Starts to write the next message; false if there is none.
  virtual bool StartNext() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) = 0;
  // More is waiting to be written than the peer may leave unread.
  virtual bool Full() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) = 0;
  // The stream is about to end. Called once, with no lock of the stream's held and not during Take.
  // Deregisters the stream everywhere, so that whoever learns of the end finds its place free.
  virtual void Leave() = 0;
  // Called at each tick while the stream is up.
  virtual void Ticking(Time) {}
  // An empty message to read into.
  virtual Request* Clean() {
    own_request_.Clear();
    return &own_request_;
  }

  // Starts a write if there is something to write and none is under way.
  void WriteLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (writing_ || ended_) return;
    writing_ = StartNext();
    if (!writing_ && drain_) EndLocked(*drain_);
  }

  // Starts to write `next`, unless it is null; for StartNext.
  bool StartWriteIf(const Response* next) {
    if (next != nullptr) this->StartWrite(next);
    return next != nullptr;
  }

  bool ended() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return ended_; }

  mutable Mutex mutex_;

 private:
  void ReadLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    request_ = Clean();
    this->StartRead(request_);
  }

  void EndLocked(const absl::Status& why) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (ended_) return;
    ended_ = true;
    status_ = why;
    FinishLocked();
  }

  void FinishLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (writing_ || !gone_ || finished_) return;
    finished_ = true;
    this->Finish(status_);
  }

  bool BeginTaking() {
    MutexLock lock(mutex_);
    silent_ = 0;
    taking_ = !ended_;
    return taking_;
  }

  // Does nothing while a message is being taken, because Take might join what Leave leaves.
  // OnReadDone calls this again afterwards.
  void LeaveIfEnded() {
    bool leave = false;
    {
      MutexLock lock(mutex_);
      leave = ended_ && !taking_ && !left_;
      if (leave) left_ = true;
    }
    if (!leave) return;
    Leave();
    MutexLock lock(mutex_);
    gone_ = true;
    FinishLocked();
  }

  Ticker* const ticker_;  // Not owned.

  // Of the reading side: used by one reaction at a time.
  Request own_request_;
  Request* request_ = nullptr;

  int silent_ ABSL_GUARDED_BY(mutex_) = 0;
  int ended_ticks_ ABSL_GUARDED_BY(mutex_) = 0;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool left_ ABSL_GUARDED_BY(mutex_) = false;  // Leave was called.
  bool gone_ ABSL_GUARDED_BY(mutex_) = false;  // Leave has returned.
  bool taking_ ABSL_GUARDED_BY(mutex_) = false;
  bool paused_ ABSL_GUARDED_BY(mutex_) = false;
  // Nothing more is read. Once what is due was written, the stream ends with this.
  std::optional<absl::Status> drain_ ABSL_GUARDED_BY(mutex_);
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sluice::server
