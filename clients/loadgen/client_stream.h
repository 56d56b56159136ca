#pragma once

#include <grpcpp/grpcpp.h>
#include <grpcpp/support/async_stream.h>

#include <algorithm>
#include <limits>
#include <memory>
#include <string>
#include <utility>

#include "clients/loadgen/limits.h"
#include "clients/loadgen/stream.h"

namespace sluice::loadgen {

// What the three streams of a simulated agent have in common. Like those of a real agent, each has
// its own connection, exchanges hello and welcome, sends heartbeats, and ends when the server is
// silent. Unlike a real agent it dials only once: a lost stream stays lost, and is reported.
//
// Traits names Request and Response and has
//   static auto Prepare(const std::shared_ptr<grpc::Channel>&, grpc::ClientContext*,
//                       grpc::CompletionQueue*);  the call, not yet started
//   static constexpr bool kRequired;  whether the server must offer this service
template <typename Traits>
class ClientStream : public Stream {
 public:
  using Request = typename Traits::Request;
  using Response = typename Traits::Response;

  // Neither pointer is owned. The caller must read `queue` until all streams have ended.
  ClientStream(std::string server, grpc::CompletionQueue* queue, StreamOwner* owner)
      : server_(std::move(server)), queue_(queue), owner_(owner) {}

  void Start(int64_t now_ns) final {
    // The call goes out with the hello.
    context_.set_initial_metadata_corked(true);
    call_ = Traits::Prepare(Connect(), &context_, queue_);
    call_->StartCall(nullptr);
    state_ = State::kGreeting;
    started_ns_ = heard_ns_ = now_ns;
    Request hello;
    FillHello(hello);
    Write(hello);
    call_->Read(&incoming_, &read_);
  }

  void OnEvent(Event event, bool ok, int64_t now_ns) final {
    switch (event) {
      case Event::kRead:
        if (!ok) {
          call_->Finish(&status_, &finished_);
          break;
        }
        heard_ns_ = now_ns;
        Handle(now_ns);
        call_->Read(&incoming_, &read_);
        break;
      case Event::kWritten:
        writing_ = false;
        // After a failed write the stream is over: the read fails too and ends it.
        if (ok && state_ == State::kWelcomed) WriteNext(now_ns);
        break;
      case Event::kFinished:
        state_ = State::kEnded;
        owner_->OnEnd(Reason(), now_ns);
        break;
    }
  }

  void Tick(int64_t now_ns, int64_t late_ns) final {
    heard_ns_ = std::min(heard_ns_ + late_ns, now_ns);
    if (state_ == State::kGreeting && now_ns - started_ns_ >= kWelcomeTimeout) {
      Fail("it did not welcome us within 10 s");
    } else if (state_ == State::kWelcomed && now_ns - heard_ns_ >= kSilence) {
      Fail("it was silent for 600 ms");
    } else if (state_ == State::kWelcomed) {
      OnTick(now_ns);
      heartbeat_due_ = true;
      WriteNext(now_ns);
    }
  }

  void Cancel() final {
    if (state_ == State::kGreeting || state_ == State::kWelcomed) Fail("we ended it");
  }

 protected:
  virtual void FillHello(Request& request) = 0;
  // Takes a message that is neither a welcome nor a heartbeat.
  virtual void OnMessage(const Response& response, int64_t now_ns) = 0;
  virtual void OnTick(int64_t now_ns) = 0;
  // Writes one message or none. Called while the stream is up and no write is under way.
  virtual void WriteMore(int64_t now_ns) = 0;

  // Writes what is due, unless a write is under way; its end then calls this again.
  void WriteNext(int64_t now_ns) {
    if (writing_ || state_ != State::kWelcomed) return;
    if (heartbeat_due_) {
      heartbeat_due_ = false;
      Request request;
      request.mutable_heartbeat()->set_sequence(++heartbeats_);
      Write(request);
    } else {
      WriteMore(now_ns);
    }
  }
  // Only from WriteMore. `request` is serialized before this returns.
  void Write(const Request& request) {
    writing_ = true;
    call_->Write(request, &written_);
  }
  bool welcomed() const { return state_ == State::kWelcomed; }

 private:
  enum class State { kNew, kGreeting, kWelcomed, kFailed, kEnded };

  // Connects as the agent does (agent/streams/dialer.cc).
  std::shared_ptr<grpc::Channel> Connect() const {
    grpc::ChannelArguments arguments;
    // Channels with equal arguments would share a connection.
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, kWelcomeTimeout / kMillisecond);
    arguments.SetLoadBalancingPolicyName("round_robin");
    arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
    arguments.SetInt(GRPC_ARG_ENABLE_CHANNELZ, 0);
    arguments.SetInt(GRPC_ARG_ENABLE_PER_MESSAGE_COMPRESSION, 0);
    arguments.SetInt(GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0);
    arguments.SetInt(GRPC_COMPRESSION_CHANNEL_ENABLED_ALGORITHMS_BITSET, 1 << GRPC_COMPRESS_NONE);
    arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, std::numeric_limits<int>::max());
    arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
    return grpc::CreateCustomChannel(server_, grpc::InsecureChannelCredentials(), arguments);
  }

  void Handle(int64_t now_ns) {
    if (state_ == State::kGreeting && incoming_.has_welcome()) {
      state_ = State::kWelcomed;
      owner_->OnWelcome(now_ns);
      heartbeat_due_ = true;
      WriteNext(now_ns);
    } else if (state_ == State::kGreeting) {
      Fail("it did not begin with a welcome");
    } else if (state_ == State::kWelcomed && incoming_.has_welcome()) {
      Fail("it sent a second welcome");
    } else if (state_ == State::kWelcomed && !incoming_.has_heartbeat()) {
      OnMessage(incoming_, now_ns);
    }
  }

  void Fail(std::string reason) {
    state_ = State::kFailed;
    failure_ = std::move(reason);
    context_.TryCancel();
  }

  std::string Reason() const {
    if (!failure_.empty()) return failure_;
    if (status_.error_code() == grpc::StatusCode::UNIMPLEMENTED && !Traits::kRequired) return "";
    if (status_.ok()) return "it ended the stream";
    if (status_.error_code() == grpc::StatusCode::UNIMPLEMENTED) {
      return "it offers no DecisionService (is another program listening there?)";
    }
    return status_.error_message();
  }

  const std::string server_;
  grpc::CompletionQueue* const queue_;
  StreamOwner* const owner_;
  Tag read_ = {this, Event::kRead};
  Tag written_ = {this, Event::kWritten};
  Tag finished_ = {this, Event::kFinished};

  State state_ = State::kNew;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientAsyncReaderWriter<Request, Response>> call_;
  Response incoming_;
  grpc::Status status_;
  std::string failure_;
  int64_t started_ns_ = 0;
  int64_t heard_ns_ = 0;
  bool writing_ = false;
  bool heartbeat_due_ = false;
  uint64_t heartbeats_ = 0;
};

}  // namespace sluice::loadgen
