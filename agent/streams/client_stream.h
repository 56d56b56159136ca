#pragma once

#include <grpcpp/grpcpp.h>
#include <grpcpp/support/async_stream.h>

#include <functional>
#include <memory>
#include <utility>

#include "agent/streams/arena_message.h"
#include "agent/streams/stream_poller.h"

namespace sluice::agent {

// One bidirectional call, as its owner sees it: messages come in one at a time, and one write is
// under way at a time. It holds no policy. Used by one thread, which waits for it with the poller
// it was started with, and keeps it until closed().
template <typename Request, typename Response>
class ClientStream final : private StreamPoller::Receiver {
 public:
  using Call = grpc::ClientAsyncReaderWriter<Request, Response>;
  // Prepares the call: stub.PrepareAsyncMethod(context, queue).
  using Prepare =
      std::function<std::unique_ptr<Call>(grpc::ClientContext*, grpc::CompletionQueue*)>;

  // Must be followed by a Write at once, which takes the call's metadata along. `poller` is not
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
  // Reads the next message. By this gRPC tells the peer how much it has read, at once and in a
  // frame of its own that wakes the peer; but if something was written since the last message, that
  // write takes it along.
  void ReadOn() {
    has_message_ = false;
    Read();
  }

  // A Write may start: none is under way. If false, the poller's Wait returns when one may.
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

  // Ends the call, which closes soon and delivers nothing more.
  void Cancel() {
    cancelled_ = true;
    context_.TryCancel();
    if (has_message_) ReadOn();
  }

  // The call has ended, by itself or after Cancel, and may be destroyed.
  bool closed() const { return finished_ && !writing_; }
  // Why it ended, once it is closed.
  const grpc::Status& status() const { return status_; }

 private:
  bool OnEvent(StreamPoller::What what, bool ok) override {
    switch (what) {
      case StreamPoller::What::kRead:
        if (!ok) {
          ended_ = true;
          // gRPC reports the end of the stream and an unreadable message in the same way, except
          // that of the message there is what it could read.
          unreadable_ = !cancelled_ && incoming_.get()->ByteSizeLong() != 0;
          if (unreadable_) context_.TryCancel();
          call_->Finish(&status_, &finish_);
          return false;
        }
        has_message_ = true;
        if (!cancelled_) return true;
        ReadOn();  // until the stream ends
        return false;
      case StreamPoller::What::kWritten:
        writing_ = false;
        // After a failed write the stream is over: the read fails too and reports it.
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
