#pragma once

#include <grpcpp/grpcpp.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "agent/streams/client_stream.h"
#include "agent/streams/clock.h"
#include "agent/streams/dialer.h"
#include "agent/streams/stream_poller.h"
#include "proto/text/text.h"
#include "third_party/daemon/log_rate_limiter.h"

namespace sluice::agent {

// What the agent's three streams have in common (decision.proto, event.proto, command.proto):
// dialling, hello and welcome, heartbeats and their echo, taking silence for death, dialling again.
// Owned by one thread, which makes every call and waits with `poller`. Each of its turns is Run,
// then writing what there is to write, then EndTurn.
//
// Traits names Request and Response, kService for error texts, and has
//   static auto Prepare(const std::shared_ptr<grpc::Channel>&, grpc::ClientContext*,
//                       grpc::CompletionQueue*);  the call, not yet started
template <typename Traits>
class Conversation final {
 public:
  using Request = typename Traits::Request;
  using Response = typename Traits::Response;

  // Called from within Run.
  class Listener {
   public:
    virtual ~Listener() = default;
    // A stream begins: fills in the agent's first message.
    virtual void FillHello(Request& request) = 0;
    // The stream was welcomed. An error ends it; its text is logged.
    virtual absl::Status OnWelcome(const Response& response) = 0;
    // A message that is neither a welcome nor a heartbeat. An error ends the stream; its text is
    // logged.
    virtual absl::Status OnMessage(Response& response) = 0;
    // The stream that was welcomed is gone.
    virtual void OnLost() = 0;
    // Every server was dialled in vain since OnLost, or since the start. May be called again.
    virtual void OnNobody() {}
  };

  // `who` begins log lines. Neither pointer is owned.
  Conversation(std::string who, std::vector<std::string> servers, Listener* listener,
               StreamPoller* poller)
      : who_(std::move(who)), listener_(listener), poller_(poller), dialer_(std::move(servers)) {}
  ~Conversation() {
    if (stream_ != nullptr) Drop();
    // Waits for a while at a time: gRPC's own threads may end a stream, and do not always wake this
    // one.
    while (ForgetClosed(), !closing_.empty()) {
      if (poller_->Wait({}, MonotonicNow() + 100 * kMillisecond)) continue;
      // These streams will never learn that they have ended, and gRPC keeps pointers to them for as
      // long as the program runs on.
      for (auto& stream : closing_) static_cast<void>(stream.release());
      return;
    }
  }
  Conversation(const Conversation&) = delete;
  Conversation& operator=(const Conversation&) = delete;

  // Hands what has come to the listener and does what is due.
  void Run(int64_t now_ns) {
    // If this thread was stopped, the time it missed says nothing about the server.
    if (last_run_ns_ != 0) {
      const int64_t late_ns = now_ns - std::max(NextTimer(), last_run_ns_);
      if (late_ns > kHeartbeatInterval) heard_ns_ += late_ns;
    }
    last_run_ns_ = now_ns;
    ForgetClosed();
    Read(now_ns);
    switch (state_) {
      case State::kWaiting:
        if (now_ns >= redial_ns_) Dial(now_ns);
        break;
      case State::kGreeting:
        if (now_ns - dialled_ns_ >= kWelcomeTimeout) {
          Lose(now_ns, absl::StrCat("server ", server_, " did not welcome us within a second"));
        }
        break;
      case State::kWelcomed:
        if (now_ns - heard_ns_ >= kSilence) {
          Lose(now_ns, absl::StrCat("server ", server_, " was silent for 600 ms"));
        } else if (now_ns >= heartbeat_ns_) {
          SendHeartbeat(now_ns);
        }
        break;
    }
  }

  // To be called once a turn: how many messages were sent of a kind that the server acknowledges,
  // and how many of them it has acknowledged. A server that hears us but acknowledges nothing is
  // left, as it would never be sent more.
  void Acknowledged(int64_t now_ns, uint64_t sent, uint64_t acknowledged) {
    if (sent == acknowledged || acknowledged != acknowledged_) {
      acknowledged_ = acknowledged;
      mute_echoes_ = 0;
    } else if (welcomed() && mute_echoes_ >= kMuteEchoes) {
      Leave(now_ns, absl::StrCat("acknowledges nothing: message ", acknowledged + 1, " of ", sent,
                                 " was sent two seconds ago"));
    }
  }

  // Ends a turn. `expecting`: an answer is awaited, so that the next message is read at once; else
  // it may be read a millisecond late, which spares the server a wake-up (ClientStream::ReadOn).
  void EndTurn(bool expecting) {
    if (!read_due_ns_.has_value()) return;
    if (expecting) {
      ReadOn();
    } else {
      read_due_ns_ = std::min(*read_due_ns_, last_run_ns_ + kReadPutOff);
    }
  }

  // When Run is next due even if nothing comes.
  int64_t NextTimer() const { return std::min(read_due_ns_.value_or(INT64_MAX), NextStep()); }
  // Welcomed, and no write is under way. If not, the poller's Wait returns when that changes.
  bool Writable() { return welcomed() && stream_->Writable(); }
  // The message to fill in and Write; only when Writable(). Still holds the last one, to reuse its
  // memory.
  Request& outgoing() { return outgoing_; }
  void Write() {
    stream_->Write(outgoing_);
    if (read_due_ns_.has_value()) ReadOn();
  }

  // Ends a stream that was welcomed, and dials the next server, or this one if there is no other.
  void Leave(int64_t now_ns, const std::string& reason) {
    Lose(now_ns, absl::StrCat("server ", server_, " ", reason));
  }

  // Logs what the server does wrong, once a stream.
  void Complain(const std::string& reason) {
    if (std::string& complaint = complaints_[server_]; complaint != reason) {
      if (const auto left_out = lines_.Allow(At(last_run_ns_))) {
        spdlog::warn("{}: {}{}", who_, reason, *left_out);
      }
      complaint = reason;
    }
  }

  bool welcomed() const { return state_ == State::kWelcomed; }
  size_t servers() const { return dialer_.servers(); }
  // Smoothed; 0 until the first heartbeat has come back.
  int64_t round_trip_ns() const { return round_trip_ns_; }
  const std::string& server() const { return server_; }
  // Counts up with each stream; 0 before the first.
  uint32_t stream() const { return stream_id_; }
  uint64_t connects() const { return connects_; }

 private:
  using Stream = ClientStream<Request, Response>;
  enum class State { kWaiting, kGreeting, kWelcomed };

  static constexpr int64_t kMillisecond = 1'000'000;
  static constexpr int64_t kHeartbeatInterval = 200 * kMillisecond;
  static constexpr int64_t kSilence = 600 * kMillisecond;
  // Connecting takes up to half a second (dialer.cc); then the server has as long again.
  static constexpr int64_t kWelcomeTimeout = 1000 * kMillisecond;
  // Packets wait when a stream is lost, so the next server is dialled at once; but not more often
  // than this, in case every server soon ends its streams.
  static constexpr int64_t kBetweenJumps = 1000 * kMillisecond;
  // What a server sends unasked, another policy for instance, waits no longer than this.
  static constexpr int64_t kReadPutOff = kMillisecond;
  // Echoed heartbeats of a server that acknowledges nothing. They are counted instead of time,
  // which also passes while this process is stopped.
  static constexpr int kMuteEchoes = 10;
  // A server without the service will not have it a moment later.
  static constexpr int64_t kUnimplementedDelay = 30'000 * kMillisecond;

  static LogRateLimiter::Time At(int64_t now_ns) {
    return LogRateLimiter::Time(std::chrono::nanoseconds(now_ns));
  }

  int64_t NextStep() const {
    switch (state_) {
      case State::kWaiting:
        return redial_ns_;
      case State::kGreeting:
        return dialled_ns_ + kWelcomeTimeout;
      case State::kWelcomed:
        break;
    }
    // A heartbeat that is due waits for the write under way, whose end wakes the thread.
    const int64_t silent = heard_ns_ + kSilence;
    return heartbeat_ns_ > last_run_ns_ ? std::min(silent, heartbeat_ns_) : silent;
  }

  void Dial(int64_t now_ns) {
    auto [channel, sockets, server] = dialer_.Dial(poller_->watch());
    server_ = server;
    sockets_ = std::move(sockets);
    ++stream_id_;
    stream_ = std::make_unique<Stream>(
        [&channel = channel](grpc::ClientContext* context, grpc::CompletionQueue* queue) {
          return Traits::Prepare(channel, context, queue);
        },
        poller_);
    state_ = State::kGreeting;
    dialled_ns_ = heard_ns_ = now_ns;
    listener_->FillHello(outgoing_);
    stream_->Write(outgoing_);
  }

  void ForgetClosed() {
    std::erase_if(closing_, [](const auto& stream) { return stream->closed(); });
  }

  void Read(int64_t now_ns) {
    if (read_due_ns_.has_value()) {
      if (now_ns >= *read_due_ns_) ReadOn();
      return;
    }
    if (stream_ == nullptr) return;
    if (Response* const message = stream_->message(); message != nullptr) {
      // Before Handle, which resets it if the message ends the stream.
      read_due_ns_ = INT64_MAX;
      Handle(*message, now_ns);
    } else if (stream_->closed()) {
      const grpc::Status status = stream_->status();
      Lose(now_ns, Explain(status), status.error_code());
    }
  }

  void ReadOn() {
    read_due_ns_.reset();
    stream_->ReadOn();
  }

  void Handle(Response& response, int64_t now_ns) {
    heard_ns_ = now_ns;
    if (state_ == State::kGreeting) {
      if (!response.has_welcome()) {
        Lose(now_ns, absl::StrCat("server ", server_, " did not begin with a welcome"));
        return;
      }
      Welcome(response, now_ns);
    } else if (response.has_welcome()) {
      Lose(now_ns, absl::StrCat("server ", server_, " sent a second welcome"));
    } else if (response.has_heartbeat()) {
      if (response.heartbeat().sequence() != heartbeat_sequence_ || echo_sent_ns_ == 0) return;
      const int64_t measured_ns = std::max<int64_t>(now_ns - echo_sent_ns_, 1);
      round_trip_ns_ += (measured_ns - round_trip_ns_) / (round_trip_ns_ == 0 ? 1 : 4);
      echo_sent_ns_ = 0;
      ++mute_echoes_;
    } else if (const absl::Status status = listener_->OnMessage(response); !status.ok()) {
      Lose(now_ns, absl::StrCat("server ", server_, " ", status.message()));
    }
  }

  void Welcome(const Response& response, int64_t now_ns) {
    if (const absl::Status status = listener_->OnWelcome(response); !status.ok()) {
      Lose(now_ns, absl::StrCat("server ", server_, " ", status.message()));
      return;
    }
    state_ = State::kWelcomed;
    acknowledged_ = 0;
    mute_echoes_ = 0;
    // Not known yet. The time until the welcome includes connecting; taken off a packet's time, it
    // might leave none.
    round_trip_ns_ = 0;
    heartbeat_ns_ = now_ns;
    ++connects_;
    dialer_.Welcomed();
    complaints_.clear();
    if (const auto left_out = lines_.Allow(At(now_ns))) {
      spdlog::info("{}: server {} connected{}", who_, server_, *left_out);
    }
  }

  void SendHeartbeat(int64_t now_ns) {
    if (!Writable()) return;
    heartbeat_ns_ = now_ns + kHeartbeatInterval;
    outgoing_.mutable_heartbeat()->set_sequence(++heartbeat_sequence_);
    echo_sent_ns_ = now_ns;
    Write();
  }

  void Drop() {
    read_due_ns_.reset();
    stream_->Cancel();
    sockets_->ShutDown();
    closing_.push_back(std::move(stream_));
  }

  void Lose(int64_t now_ns, const std::string& reason,
            grpc::StatusCode code = grpc::StatusCode::UNKNOWN) {
    // Logged once for each server, until one is reached or this one says something else.
    Complain(absl::StrCat(reason, "; trying again"));
    Drop();
    const bool was_welcomed = welcomed();
    state_ = State::kWaiting;
    // Another server may offer what this one does not.
    unimplemented_ = code == grpc::StatusCode::UNIMPLEMENTED ? unimplemented_ + 1 : 0;
    failed_ = was_welcomed ? 0 : failed_ + 1;
    redial_ns_ = now_ns + RedialDelay(now_ns, was_welcomed);
    if (was_welcomed) listener_->OnLost();
    if (failed_ >= dialer_.servers()) listener_->OnNobody();
  }

  int64_t RedialDelay(int64_t now_ns, bool was_welcomed) {
    if (!Traits::kRequired && unimplemented_ >= dialer_.servers()) return kUnimplementedDelay;
    if (dialer_.servers() > 1) {
      const bool jump = was_welcomed && now_ns - jumped_ns_ >= kBetweenJumps;
      if (jump) jumped_ns_ = now_ns;
      // Going on round the list after a jump is part of that jump.
      if (jump || (failed_ != 0 && failed_ < dialer_.servers())) return 0;
    }
    return std::chrono::nanoseconds(dialer_.Delay()).count();
  }

  std::string Explain(const grpc::Status& status) const {
    switch (status.error_code()) {
      case grpc::StatusCode::OK:
        return absl::StrCat("server ", server_, " ended the stream");
      case grpc::StatusCode::UNIMPLEMENTED:
        return absl::StrCat("server ", server_, " offers no ", Traits::kService,
                            " (is another program listening there?)");
      default:
        return absl::StrCat("server ", server_, ": ", OneLine(status.error_message(), 256));
    }
  }

  const std::string who_;
  Listener* const listener_;    // Not owned.
  StreamPoller* const poller_;  // Not owned.
  Dialer dialer_;

  State state_ = State::kWaiting;
  std::unique_ptr<Stream> stream_;
  // A message has been taken; the next is read after the next write, or at this time.
  std::optional<int64_t> read_due_ns_;
  // Cancelled, but not yet closed.
  std::vector<std::unique_ptr<Stream>> closing_;
  std::shared_ptr<ChannelSockets> sockets_;  // Of the stream.
  uint32_t stream_id_ = 0;
  std::string server_;
  std::map<std::string, std::string> complaints_;  // by server
  // A server that comes and goes must not fill the log.
  LogRateLimiter lines_{20, std::chrono::seconds(10)};
  Request outgoing_;

  int64_t last_run_ns_ = 0;
  int64_t redial_ns_ = 0;
  int64_t dialled_ns_ = 0;
  int64_t heard_ns_ = 0;
  int64_t heartbeat_ns_ = 0;  // when the next is due
  int64_t echo_sent_ns_ = 0;
  uint64_t heartbeat_sequence_ = 0;
  int64_t round_trip_ns_ = 0;
  uint64_t connects_ = 0;
  uint64_t acknowledged_ = 0;
  int mute_echoes_ = 0;                 // since something was acknowledged, or nothing had to be
  size_t unimplemented_ = 0;            // attempts in a row that ended with UNIMPLEMENTED
  size_t failed_ = 0;                   // attempts in a row that were not welcomed
  int64_t jumped_ns_ = -kBetweenJumps;  // when a lost stream was last replaced at once
};

}  // namespace sluice::agent
