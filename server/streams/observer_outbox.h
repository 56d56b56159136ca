#pragma once

#include <cstdint>
#include <deque>
#include <utility>

#include "absl/status/status.h"
#include "server/streams/ticker.h"
#include "server/streams/writing_call.h"
#include "third_party/annotated_mutex/mutex.h"

namespace sluice::server {

// The mechanics of an observer's call. It sends first a history and then what producers push;
// entries are converted into messages one at a time as the caller reads. Pushing never waits: while
// kQueue entries are unread, further ones are only counted, and a message with `lost` takes their
// place.
//
// A derived class converts entries (Show) and unregisters from its producers (Leave: nothing is
// pushed once it has returned). It is made with new and deletes itself in OnDone. Producers push
// from any thread and may hold their own locks; Start is called once, by a thread that holds none
// of them.
template <typename Entry, typename Request, typename Response>
class ObserverOutbox : public WritingCall<Request, Response> {
 public:
  // Entries that may wait for one observer.
  static constexpr size_t kQueue = 4096;

  // Called once, even if the call has ended meanwhile; nothing is written before. With `follow` the
  // call goes on until its caller cancels; without, it ends after the history.
  void Start(std::deque<Entry> history, bool follow) {
    this->ticker_->Add(this);
    MutexLock lock(this->mutex_);
    history_ = std::move(history);
    follow_ = follow;
    started_ = true;
    // Tells the caller that it misses nothing from here on.
    if (!this->ended()) this->StartSendInitialMetadata();
    WriteNext();
    this->Returned();
  }

  // Refuses the call. Called instead of Start.
  void Refuse(const absl::Status& why) {
    MutexLock lock(this->mutex_);
    this->EndLocked(why);
    this->Returned();
  }

 protected:
  using WritingCall<Request, Response>::WritingCall;
  ~ObserverOutbox() override = default;

  virtual void Show(const Entry& entry, Response* response) const = 0;

  void Push(Entry entry) {
    MutexLock lock(this->mutex_);
    if (this->ended()) return;
    if (queue_.size() >= kQueue) {
      ++lost_;
      return;
    }
    queue_.push_back({std::exchange(lost_, 0), std::move(entry)});
    WriteNext();
  }

 private:
  struct Queued {
    uint64_t lost_before;
    Entry entry;
  };

  void Written() final ABSL_EXCLUSIVE_LOCKS_REQUIRED(this->mutex_) { WriteNext(); }

  void WriteNext() ABSL_EXCLUSIVE_LOCKS_REQUIRED(this->mutex_) {
    if (!started_ || this->writing() || this->ended()) return;
    response_.Clear();
    if (!history_.empty()) {
      Show(history_.front(), &response_);
      history_.pop_front();
    } else if (!follow_) {
      this->EndLocked(absl::OkStatus());
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
    this->Write(&response_);
  }

  std::deque<Entry> history_ ABSL_GUARDED_BY(this->mutex_);
  std::deque<Queued> queue_ ABSL_GUARDED_BY(this->mutex_);
  uint64_t lost_ ABSL_GUARDED_BY(this->mutex_) = 0;
  Response response_ ABSL_GUARDED_BY(this->mutex_);
  bool follow_ ABSL_GUARDED_BY(this->mutex_) = false;
  bool started_ ABSL_GUARDED_BY(this->mutex_) = false;
};

}  // namespace sluice::server
