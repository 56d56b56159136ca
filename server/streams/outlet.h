#pragma once

#include <grpcpp/grpcpp.h>

#include <cstdint>
#include <deque>
#include <utility>

#include "server/streams/ticker.h"
#include "third_party/annotated_mutex/mutex.h"

namespace sluice::server {

// The mechanics of an observer's call: first a history, then what producers push, converted
// into messages one at a time as the caller reads. Pushing never waits: while kQueue entries are
// unread, further ones are counted, and a message with `lost` stands in their place.
//
// A derived class converts (Show) and lets go of its producers (Leave). It is made with new and
// deletes itself in OnDone. Producers push from any thread, holding locks of theirs; Start is
// called once, by a thread that holds none.
template <typename Entry, typename Response>
class Outlet : public grpc::ServerWriteReactor<Response>, public Ticked {
 public:
  // Entries that may wait for one observer.
  static constexpr size_t kQueue = 4096;

  // Called once, whatever became of the call meanwhile: nothing is written before. With `follow`
  // the call goes on until its caller cancels; else it ends behind the history.
  void Start(std::deque<Entry> history, bool follow) {
    ticker_->Add(this);
    MutexLock lock(mutex_);
    started_ = true;
    history_ = std::move(history);
    follow_ = follow;
    // Tells the caller that from here on it misses nothing.
    if (!ended_) this->StartSendInitialMetadata();
    WriteLocked();
    FinishLocked();
  }

  // Refuses the call, instead of Start.
  void Refuse(const grpc::Status& why) {
    MutexLock lock(mutex_);
    started_ = true;
    EndLocked(why);
  }

  void End(const grpc::Status& why) final {
    MutexLock lock(mutex_);
    EndLocked(why);
  }

  void Tick(Time) final {
    MutexLock lock(mutex_);
    // The caller does not read, or is gone; it had 600 ms.
    if (ended_ && ++ended_ticks_ == 12) context_->TryCancel();
  }

  void OnWriteDone(bool ok) final {
    MutexLock lock(mutex_);
    writing_ = false;
    if (!ok) EndLocked(grpc::Status(grpc::StatusCode::UNAVAILABLE, "the connection broke"));
    FinishLocked();
    WriteLocked();
  }

  void OnCancel() final {
    End(grpc::Status(grpc::StatusCode::CANCELLED, "the call was cancelled"));
  }

  void OnDone() final {
    Leave();
    ticker_->Remove(this);
    // Whoever called Finish may still be on the way out of the mutex.
    { MutexLock lock(mutex_); }
    delete this;
  }

 protected:
  Outlet(grpc::CallbackServerContext* context, Ticker* ticker)
      : context_(context), ticker_(ticker) {}
  ~Outlet() override = default;

  virtual void Show(const Entry& entry, Response* response) const = 0;
  // Nothing is pushed once it has returned.
  virtual void Leave() = 0;

  void Push(Entry entry) {
    MutexLock lock(mutex_);
    if (ended_) return;
    if (queue_.size() >= kQueue) {
      ++lost_;
      return;
    }
    queue_.push_back({std::exchange(lost_, 0), std::move(entry)});
    WriteLocked();
  }

 private:
  struct Queued {
    uint64_t lost_before;
    Entry entry;
  };

  void WriteLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (!started_ || writing_ || ended_) return;
    response_.Clear();
    if (!history_.empty()) {
      Show(history_.front(), &response_);
      history_.pop_front();
    } else if (!follow_) {
      EndLocked(grpc::Status::OK);
      return;
    } else if (!queue_.empty()) {
      Queued& first = queue_.front();
      if (first.lost_before > 0) {
        response_.set_lost(std::exchange(first.lost_before, 0));
      } else {
        Show(first.entry, &response_);
        queue_.pop_front();
      }
    } else if (lost_ > 0) {
      response_.set_lost(std::exchange(lost_, 0));
    } else {
      return;
    }
    writing_ = true;
    this->StartWrite(&response_);
  }

  void EndLocked(const grpc::Status& why) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (!ended_) status_ = why;
    ended_ = true;
    FinishLocked();
  }

  // Not before Start: it has a pointer to this.
  void FinishLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (!ended_ || writing_ || finished_ || !started_) return;
    finished_ = true;
    this->Finish(status_);
  }

  grpc::CallbackServerContext* const context_;  // Not owned; lives until OnDone.
  Ticker* const ticker_;                        // Not owned.

  Mutex mutex_;
  std::deque<Entry> history_ ABSL_GUARDED_BY(mutex_);
  std::deque<Queued> queue_ ABSL_GUARDED_BY(mutex_);
  uint64_t lost_ ABSL_GUARDED_BY(mutex_) = 0;
  Response response_ ABSL_GUARDED_BY(mutex_);
  bool follow_ ABSL_GUARDED_BY(mutex_) = false;
  bool started_ ABSL_GUARDED_BY(mutex_) = false;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  int ended_ticks_ ABSL_GUARDED_BY(mutex_) = 0;
  grpc::Status status_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sluice::server
