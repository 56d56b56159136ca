#pragma once

#include <grpcpp/grpcpp.h>

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "agent/client_stream.h"
#include "agent/wakeup.h"
#include "third_party/annotated_mutex/mutex.h"

namespace sluice::agent {

// What streams hand over to the thread that owns them. Bounded: a server that sends
// faster than the owner works is read no further until it has caught up. It is shared with the
// streams that post into it and outlives them.
template <typename Request, typename Response>
class StreamMailbox final {
 public:
  using Stream = ClientStream<Request, Response>;
  struct Item {
    std::unique_ptr<ArenaMessage<Response>> message;  // null: the stream ended
    grpc::Status status;
  };

  explicit StreamMailbox(Wakeup* wakeup) : wakeup_(wakeup) {}

  // A listener for a new stream, whose messages are the only ones taken from now on.
  static std::shared_ptr<typename Stream::Listener> Listen(
      const std::shared_ptr<StreamMailbox>& mailbox, uint32_t stream) {
    MutexLock lock(mailbox->mutex_);
    mailbox->stream_ = stream;
    mailbox->items_.clear();
    mailbox->paused_ = false;
    ++mailbox->open_;
    return std::make_shared<Poster>(mailbox, stream);
  }

  // Swaps what has come into `items`; true if the stream must be resumed. `closed` gets the
  // streams that may be destroyed.
  bool Take(std::vector<Item>& items, std::vector<uint32_t>& closed) {
    MutexLock lock(mutex_);
    items.swap(items_);
    closed.swap(closed_);
    return std::exchange(paused_, false);
  }

  // Nothing of the present stream is wanted any more; true if it must be resumed to end.
  bool Abandon() {
    MutexLock lock(mutex_);
    stream_ = 0;
    items_.clear();
    return std::exchange(paused_, false);
  }

  // Returns when every stream has ended.
  void WaitUntilClosed() {
    MutexLock lock(mutex_);
    lock.Wait(all_closed_, [this]() ABSL_NO_THREAD_SAFETY_ANALYSIS { return open_ == 0; });
  }

 private:
  // Far more than are ever under way; a message is at most 4 MiB.
  static constexpr size_t kMaxWaiting = 64;

  class Poster final : public Stream::Listener {
   public:
    Poster(std::shared_ptr<StreamMailbox> mailbox, uint32_t stream)
        : mailbox_(std::move(mailbox)), stream_(stream) {}
    bool OnMessage(std::unique_ptr<ArenaMessage<Response>> message) override {
      return mailbox_->Post(stream_, {std::move(message), {}});
    }
    void OnWritable() override { mailbox_->wakeup_->Attend(); }
    void OnClosed(const grpc::Status& status) override {
      mailbox_->Post(stream_, {nullptr, status});
      mailbox_->Closed(stream_);
    }

   private:
    const std::shared_ptr<StreamMailbox> mailbox_;
    const uint32_t stream_;
  };

  bool Post(uint32_t stream, Item item) {
    bool first = false;
    bool paused = false;
    {
      MutexLock lock(mutex_);
      if (stream != stream_) return true;
      first = items_.empty();
      items_.push_back(std::move(item));
      paused = paused_ = items_.size() >= kMaxWaiting && items_.back().message != nullptr;
    }
    // Not under the lock, as what has come may be taken in this very call. The wake-up is still
    // there: it outlives the streams that have not closed.
    if (first) wakeup_->Attend();
    return !paused;
  }
  void Closed(uint32_t stream) {
    MutexLock lock(mutex_);
    closed_.push_back(stream);
    // Never Attend: whoever takes this joins the stream's thread, which is the one that calls.
    wakeup_->Signal();
    if (--open_ == 0) all_closed_.notify_all();
  }

  Wakeup* const wakeup_;  // Not owned; see WaitUntilClosed.
  Mutex mutex_;
  std::condition_variable all_closed_;
  std::vector<Item> items_ ABSL_GUARDED_BY(mutex_);
  std::vector<uint32_t> closed_ ABSL_GUARDED_BY(mutex_);
  uint32_t stream_ ABSL_GUARDED_BY(mutex_) = 0;
  bool paused_ ABSL_GUARDED_BY(mutex_) = false;
  int open_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace sluice::agent
