#pragma once

#include <array>
#include <atomic>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/strand.hpp>
#include <boost/asio/thread_pool.hpp>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "server/calls/call.h"
#include "server/calls/methods.h"
#include "server/edge/http.h"
#include "server/edge/io_thread.h"
#include "server/edge/ledger.h"
#include "server/edge/limits.h"
#include "server/edge/message_reader.h"
#include "server/edge/use_count.h"

namespace sluice::server {

// One call of gRPC or gRPC-Web: between the stream that carries it and the service's reactor.
//
// The stream's side is of the connection's thread. The service's methods may be called by any
// thread and are carried over to it. Events are told on the method's lane: kPackets on the
// connection's thread, kBulk on a thread of the pool. One message is taken in and one sent out at a
// time; what else there is stays with the caller, by HTTP/2's flow control.
class GrpcCall final : public Call,
                       public HttpHandler,
                       public Deferred,
                       public std::enable_shared_from_this<GrpcCall> {
 public:
  // What calls of a connection share. None is owned; all outlive the calls.
  struct Parts {
    const EdgeLimits* limits;
    IoThread* thread;
    boost::asio::thread_pool* bulk;
    UseCount* count;
    std::shared_ptr<Ledger::Peer> peer;  // Owned.
    std::string address;                 // Call::peer.
  };

  // The fields with which the response to a call begins. `origin` is whose page called, if one did.
  static Headers ResponseHead(GrpcWire wire, const std::string& origin);

  // `timeout` is how long the caller waits, if it said.
  GrpcCall(const Parts& parts, const Method* method, GrpcWire wire, HttpStream* stream,
           std::optional<std::chrono::nanoseconds> timeout, std::string origin);
  ~GrpcCall() override;

  // Of the service.
  const std::string& peer() const override { return parts_.address; }
  Time deadline() const override { return deadline_; }
  bool cancelled() const override { return cancelled_.load(); }
  void TellTo(CallEvents* events) override { events_ = events; }
  void Read() override;
  // The bulk lane does not know what arrives meanwhile.
  bool MoreArrived() const override { return !bulk_ && reader_.HasNext(); }
  void SendHead() override;
  void Write(const google::protobuf::MessageLite& message) override;
  void WriteSerialized(std::string_view message) override;
  void Finish(const absl::Status& status) override;
  void FinishWith(const google::protobuf::MessageLite& message) override;
  void Cancel() override;

  // Of the stream.
  void OnBody(std::string_view bytes) override;
  void OnBodyEnd() override;
  void OnClosed() override;
  Pulled Pull(char* to, size_t most) override;

  // Has the service begin, and tells it what is due.
  void RunDeferred() override;

 private:
  enum class Event { kBegin, kMessage, kNoMessage, kWritten, kNotWritten, kCancel, kDone };

  // Runs `work` on the connection's thread: at once if this is it.
  template <typename Work>
  void OnThread(Work work);
  void Due();
  // The next event to tell.
  std::optional<Event> Next();
  void Tell(Event event, std::string_view message);
  void Run(Event event, std::string_view message);
  // Takes the next message out of reader_, if one is whole.
  std::optional<std::string_view> TakeMessage();
  // Ends the call with a status of the edge's own, whatever its service does.
  void Abort(const absl::Status& why);
  // The service can neither receive nor send any more.
  void Fail();
  void SendFinish();
  void Serialize(const google::protobuf::MessageLite& message);
  // Begins to send out_.
  void SendMessage();
  // Opens the stream's window by what is no longer kept.
  void Credit();
  // Enters what is kept with the peer; false if that is too much.
  bool Account();
  bool Account(Held kind, size_t bytes);
  void AwaitDeadline();
  void AwaitRequest();

  const UseCount::Ticket ticket_;  // The first member, so that it is given up last.
  const Parts parts_;
  const Method* const method_;  // Not owned.
  const GrpcWire wire_;
  const Time deadline_;
  const std::string origin_;
  std::atomic<bool> cancelled_{false};
  std::optional<boost::asio::strand<boost::asio::thread_pool::executor_type>> bulk_;

  CallEvents* events_ = nullptr;  // Not owned. Of the lane.

  // Being sent: written by the service while no Write is under way, then of the thread.
  std::string out_;

  // Of the connection's thread.
  HttpStream* stream_;  // Not owned. Null once it is gone.
  MessageReader reader_;
  size_t uncredited_ = 0;  // bytes that arrived and for which the window was not opened again
  std::array<size_t, 2> held_{};  // bytes entered with the peer, by Held
  size_t out_sent_ = 0;           // bytes of out_
  bool begun_ = false;
  bool telling_ = false;  // An event is being told, on the bulk lane.
  bool reading_ = false;
  bool writing_ = false;
  std::optional<bool> written_;  // To be told.
  bool half_closed_ = false;     // The caller says no more.
  bool head_sent_ = false;
  bool failed_ = false;
  bool fail_told_ = false;
  std::optional<absl::Status> finish_;
  std::optional<absl::Status> abort_;
  bool finished_ = false;  // The end was handed to the stream, or the stream is gone.
  bool done_told_ = false;
  Headers trailers_;
  std::string web_trailers_;
  std::optional<boost::asio::steady_timer> timer_;          // for the deadline
  std::optional<boost::asio::steady_timer> request_timer_;  // for the request
  Time request_began_;
  size_t request_seen_ = 0;  // bytes that had arrived when request_timer_ was set
  size_t received_ = 0;      // bytes that have arrived
};

}  // namespace sluice::server
