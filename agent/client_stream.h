#pragma once

#include <grpcpp/grpcpp.h>
#include <grpcpp/support/async_stream.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <thread>
#include <utility>

#include "agent/arena_message.h"
#include "proto/polling/next_event.h"
#include "third_party/annotated_mutex/mutex.h"

namespace sluice::agent {

// One bidirectional call, as its owner sees it: messages and the end are told to a Listener,
// writes are one at a time. It holds no policy. Has a thread of its own, which waits for the
// network: gRPC's callback interface would hand each message through three threads.
//
// Threads: all public methods from the owner's; the listener is called on the stream's own and must
// not block. The owner keeps the stream until OnClosed has been called.
template <typename Request, typename Response>
class ClientStream final {
 public:
  using Call = grpc::ClientAsyncReaderWriter<Request, Response>;

  class Listener {
   public:
    virtual ~Listener() = default;
    // False: read no further until Resume.
    virtual bool OnMessage(std::unique_ptr<ArenaMessage<Response>> message) = 0;
    // The write under way when Writable() answered false has ended.
    virtual void OnWritable() = 0;
    // Last of all calls. Always comes, after Cancel too.
    virtual void OnClosed(const grpc::Status& status) = 0;
  };
  // Prepares the call: stub.PrepareAsyncMethod(context, queue).
  using Prepare =
      std::function<std::unique_ptr<Call>(grpc::ClientContext*, grpc::CompletionQueue*)>;

  // To be followed by a Write at once. For `busy_poll` its thread looks for what has come before
  // it sleeps.
  static std::unique_ptr<ClientStream> Start(const Prepare& prepare,
                                             std::shared_ptr<Listener> listener,
                                             std::chrono::nanoseconds busy_poll) {
    std::unique_ptr<ClientStream> stream(new ClientStream(std::move(listener), busy_poll));
    // The call goes out with the first message.
    stream->context_.set_initial_metadata_corked(true);
    stream->call_ = prepare(&stream->context_, &stream->events_);
    stream->call_->StartCall(nullptr);
    stream->Resume();
    stream->thread_ = std::thread([raw = stream.get()] { raw->Run(); });
    return stream;
  }
  // After OnClosed: joins a thread that has nothing left to do.
  ~ClientStream() { thread_.join(); }
  ClientStream(const ClientStream&) = delete;
  ClientStream& operator=(const ClientStream&) = delete;

  // A Write may start: none is on its way. If false, OnWritable will tell when one may.
  bool Writable() {
    int state = kWriting;
    if (write_state_.compare_exchange_strong(state, kWanted)) return false;
    return state == kIdle;
  }

  // Starts to send `message`; it is serialized before this returns. Only when Writable(). Does
  // nothing once the stream has ended.
  void Write(const Request& message) {
    MutexLock lock(mutex_);
    if (ended_) return;
    write_state_.store(kWriting);
    call_->Write(message, Tag(kWritten));
  }

  // Reads on, after OnMessage answered false. Not without that; needed after Cancel too.
  void Resume() {
    MutexLock lock(mutex_);
    call_->Read(incoming_->get(), Tag(kRead));
  }

  // Ends the call; OnClosed follows.
  void Cancel() { context_.TryCancel(); }

 private:
  // Whether a write is under way, and whether the owner wants to be told of its end.
  enum WriteState : int { kIdle, kWriting, kWanted };
  enum Event : intptr_t { kRead = 1, kWritten, kFinished };

  ClientStream(std::shared_ptr<Listener> listener, std::chrono::nanoseconds busy_poll)
      : busy_poll_(busy_poll), listener_(std::move(listener)) {}

  static void* Tag(Event event) { return reinterpret_cast<void*>(event); }

  void Run() {
    void* tag = nullptr;
    bool ok = false;
    while (NextEvent(&events_, busy_poll_, &tag, &ok)) {
      switch (static_cast<Event>(reinterpret_cast<intptr_t>(tag))) {
        case kRead:
          if (!ok) {
            Finish();
          } else if (listener_->OnMessage(TakeIncoming())) {
            Resume();
          }
          break;
        case kWritten:
          // After a failed write the stream is over: the read fails too and tells.
          if (write_state_.exchange(kIdle) == kWanted && ok) listener_->OnWritable();
          break;
        case kFinished:
          events_.Shutdown();
          break;
      }
    }
    listener_->OnClosed(status_);
  }
  std::unique_ptr<ArenaMessage<Response>> TakeIncoming() {
    MutexLock lock(mutex_);
    return std::exchange(incoming_, std::make_unique<ArenaMessage<Response>>());
  }
  void Finish() {
    MutexLock lock(mutex_);
    ended_ = true;
    call_->Finish(&status_, Tag(kFinished));
  }

  const std::chrono::nanoseconds busy_poll_;
  grpc::ClientContext context_;
  grpc::CompletionQueue events_;
  std::unique_ptr<Call> call_;
  const std::shared_ptr<Listener> listener_;
  grpc::Status status_;
  std::atomic<int> write_state_ = kIdle;
  Mutex mutex_;
  std::unique_ptr<ArenaMessage<Response>> incoming_ ABSL_GUARDED_BY(mutex_) =
      std::make_unique<ArenaMessage<Response>>();
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace sluice::agent
