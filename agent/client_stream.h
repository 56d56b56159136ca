#pragma once

#include <grpcpp/grpcpp.h>
#include <grpcpp/support/async_stream.h>

#include <functional>
#include <memory>
#include <utility>

#include "agent/arena_message.h"
#include "agent/stream_poller.h"

namespace sluice::agent {

// One bidirectional call, as its owner sees it: a message at a time comes in, writes are one at a
// time. It holds no policy. Used by one thread, which waits for it with the poller it was started
// with, and keeps it until closed().
template <typename Request, typename Response>
class ClientStream final : private StreamPoller::Receiver {
 public:
  using Call = grpc::ClientAsyncReaderWriter<Request, Response>;
  // Prepares the call: stub.PrepareAsyncMethod(context, queue).
  using Prepare =
      std::function<std::unique_ptr<Call>(grpc::ClientContext*, grpc::CompletionQueue*)>;

  // To be followed by a Write at once, which takes the call's metadata along. `poller` is not
  // owned.
  ClientStream(const Prepare& prepare, StreamPoller* poller) {
    context_.set_initial_metadata_corked(true);
    call_ = prepare(&context_, poller->queue());
    call_->StartCall(nullptr);
    Read();
  }
  ClientStream(const ClientStream&) = delete;
  ClientStream& operator=(const ClientStream&) = delete;

  // The message that has come, nullptr if none has. It stays until ReadOn.
  Response* message() { return has_message_ ? incoming_.get() : nullptr; }
  // Has the next message come. gRPC tells the peer at once, in a frame of its own that wakes it,
  // what of the last was read; unless something was written since, then it goes along with that.
  void ReadOn() {
    has_message_ = false;
    Read();
  }

  // A Write may start: none is on its way. If false, the poller's Wait returns when one may.
  bool Writable() {
    wanted_ = writing_;
    return !writing_;
  }
  // Starts to send `message`; it is serialized before this returns. Only when Writable(). Does
  // nothing once the stream has ended.
  void Write(const Request& message) {
    if (ended_) return;
    writing_ = true;
    call_->Write(message, &written_);
  }

  // Ends the call; it closes soon, and says nothing more.
  void Cancel() {
    cancelled_ = true;
    context_.TryCancel();
    if (has_message_) ReadOn();
  }

  // It is over and may be destroyed; by itself, or after Cancel.
  bool closed() const { return finished_ && !writing_; }
  // Why, once it is closed.
  const grpc::Status& status() const { return status_; }

 private:
  bool OnEvent(StreamPoller::What what, bool ok) override {
    switch (what) {
      case StreamPoller::What::kRead:
        if (!ok) {
          ended_ = true;
          // gRPC tells an end and a message that is none in the same way, but for what it could
          // read.
          unreadable_ = !cancelled_ && incoming_.get()->ByteSizeLong() != 0;
          if (unreadable_) context_.TryCancel();
          call_->Finish(&status_, &finish_);
          return false;
        }
        has_message_ = true;
        if (!cancelled_) return true;
        ReadOn();  // to the end
        return false;
      case StreamPoller::What::kWritten:
        writing_ = false;
        // After a failed write the stream is over: the read fails too and tells.
        return closed() || (std::exchange(wanted_, false) && ok);
      case StreamPoller::What::kFinished:
        finished_ = true;
        if (unreadable_) {
          status_ = grpc::Status(grpc::StatusCode::DATA_LOSS,
                                 "sent a message that cannot be read: a string in it is not UTF-8, "
                                 "or it is none of this conversation's");
        }
        return closed();
    }
    return false;
  }

  void Read() {
    incoming_.Clear();
    call_->Read(incoming_.get(), &read_);
  }

  StreamPoller::Tag read_{this, StreamPoller::What::kRead};
  StreamPoller::Tag written_{this, StreamPoller::What::kWritten};
  StreamPoller::Tag finish_{this, StreamPoller::What::kFinished};
  grpc::ClientContext context_;
  std::unique_ptr<Call> call_;
  ArenaMessage<Response> incoming_;
  bool has_message_ = false;
  bool writing_ = false;
  bool wanted_ = false;  // The owner waits for the end of the write.
  bool cancelled_ = false;
  bool unreadable_ = false;
  bool ended_ = false;     // Nothing more comes,
  bool finished_ = false;  // and gRPC has said why.
  grpc::Status status_;
};

}  // namespace sluice::agent
