#include "server/deciders/grpc_decider_dialer.h"

#include <grpcpp/support/async_stream.h>

#include <limits>
#include <utility>

#include "absl/status/status.h"
#include "sluice/v1/decision.grpc.pb.h"
#include "third_party/grpc_target/grpc_target.h"

namespace sluice::server {
namespace {

// Long enough for TCP and HTTP/2 over a link of 100 ms; short enough that a decider that comes back
// is found within a second.
constexpr int kConnectTimeoutMs = 500;

struct Channel {
  std::shared_ptr<grpc::Channel> channel;
  std::shared_ptr<ChannelSockets> sockets;
};

Channel ChannelTo(const std::string& address, GrpcWatch* watch) {
  grpc::ChannelArguments arguments;
  // Channels with equal arguments would share a connection.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  // gRPC uses the larger of this and its own back-off as the connect timeout. The delay between
  // attempts is ours, as every attempt is a new channel.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, kConnectTimeoutMs);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, kConnectTimeoutMs);
  // All addresses of a name are tried at once; see agent/streams/dialer.cc.
  arguments.SetLoadBalancingPolicyName("round_robin");
  // One message may answer several batches of 1 MiB with rewritten packets. The default is 4 MiB.
  arguments.SetMaxReceiveMessageSize(16 << 20);
  // See agent/streams/dialer.cc.
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  arguments.SetInt(GRPC_ARG_ENABLE_CHANNELZ, 0);
  arguments.SetInt(GRPC_ARG_ENABLE_PER_MESSAGE_COMPRESSION, 0);
  arguments.SetInt(GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0);
  arguments.SetInt(GRPC_COMPRESSION_CHANNEL_ENABLED_ALGORITHMS_BITSET, 1 << GRPC_COMPRESS_NONE);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, std::numeric_limits<int>::max());
  // A proxy named in the environment must not stand between a server and its deciders.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  std::shared_ptr<ChannelSockets> sockets = watch->Watch(arguments);
  return {
      grpc::CreateCustomChannel(GrpcTarget(address), grpc::InsecureChannelCredentials(), arguments),
      std::move(sockets)};
}

// Details are left out, as nobody reads those of a decider.
absl::Status FromGrpc(const grpc::Status& status) {
  // absl and gRPC number their codes alike, from 0 to 16. A decider may send any other number.
  const int code = status.error_code();
  const bool known = code >= 0 && code <= 16;
  return absl::Status(known ? static_cast<absl::StatusCode>(code) : absl::StatusCode::kUnknown,
                      status.error_message());
}

// One call. A read is always under way, and sometimes a write, until the read fails. Deletes itself
// when nothing is under way any more and nobody has the stream.
class Call final {
 public:
  Call(const Channel& channel, grpc::CompletionQueue* events, DeciderStream::Listener* listener,
       size_t* calls)
      : sockets_(channel.sockets), listener_(listener), calls_(calls) {
    ++*calls_;
    // The call goes out with the first message.
    context_.set_initial_metadata_corked(true);
    call_ = v1::DecisionService::NewStub(channel.channel)->PrepareAsyncDecide(&context_, events);
    call_->StartCall(nullptr);
    call_->Read(&incoming_, &read_);
  }

  void Write(const v1::DecideRequest& message) {
    if (finishing_) return;  // OnEnded is about to report the end.
    writing_ = true;
    call_->Write(message, &written_);
  }

  void Leave() {
    listener_ = nullptr;
    context_.TryCancel();
    sockets_->ShutDown();
    DeleteIfDone();
  }

  static void Happened(void* tag, bool ok, DeciderStream::Time now) {
    const Event* const event = static_cast<const Event*>(tag);
    (event->call->*event->happened)(ok, now);
  }

 private:
  struct Event {
    Call* call;
    void (Call::*happened)(bool ok, DeciderStream::Time now);
  };

  ~Call() { --*calls_; }

  void Read(bool ok, DeciderStream::Time now) {
    if (!ok) {
      finishing_ = true;
      // gRPC reports the end of the stream and an unreadable message in the same way. Only the part
      // of the message that it could read tells them apart.
      unreadable_ = incoming_.ByteSizeLong() != 0;
      if (unreadable_) context_.TryCancel();
      call_->Finish(&status_, &finished_);
      return;
    }
    if (listener_ != nullptr) listener_->OnMessage(incoming_, now);
    incoming_.Clear();
    call_->Read(&incoming_, &read_);
  }

  // After a failed write the call is over; the read fails as well and reports it.
  void Written(bool ok, DeciderStream::Time now) {
    writing_ = false;
    if (listener_ == nullptr) {
      DeleteIfDone();
    } else if (ok) {
      listener_->OnWritten(now);
    }
  }

  void Finished(bool, DeciderStream::Time now) {
    over_ = true;
    if (listener_ != nullptr) {
      listener_->OnEnded(
          unreadable_
              ? absl::DataLossError(
                    "it sent a message that cannot be read: a string in it is not UTF-8, or "
                    "it is not a message of this conversation")
              : FromGrpc(status_),
          now);
    } else {
      DeleteIfDone();
    }
  }

  void DeleteIfDone() {
    if (over_ && !writing_ && listener_ == nullptr) delete this;
  }

  const std::shared_ptr<ChannelSockets> sockets_;
  Event read_{this, &Call::Read};
  Event written_{this, &Call::Written};
  Event finished_{this, &Call::Finished};
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientAsyncReaderWriter<v1::DecideRequest, v1::DecideResponse>> call_;
  v1::DecideResponse incoming_;
  bool unreadable_ = false;
  grpc::Status status_;
  DeciderStream::Listener* listener_;  // Not owned; null once nobody has the stream any more.
  size_t* const calls_;                // Not owned.
  bool writing_ = false;
  bool finishing_ = false;
  bool over_ = false;
};

class GrpcDeciderStream final : public DeciderStream {
 public:
  explicit GrpcDeciderStream(Call* call) : call_(call) {}
  ~GrpcDeciderStream() override { call_->Leave(); }

  void Write(const v1::DecideRequest& message) override { call_->Write(message); }

 private:
  Call* const call_;  // Owns itself; lives at least as long as this.
};

}  // namespace

std::unique_ptr<DeciderStream> GrpcDeciderDialer::Dial(const std::string& address,
                                                       DeciderStream::Listener* listener) {
  // Deletes itself.
  return std::make_unique<GrpcDeciderStream>(
      new Call(ChannelTo(address, &watch_), events_, listener, &calls_));
}

void GrpcDeciderDialer::Happened(void* tag, bool ok, DeciderStream::Time now) {
  Call::Happened(tag, ok, now);
}

}  // namespace sluice::server
